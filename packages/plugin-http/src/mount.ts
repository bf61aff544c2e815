import type { IncomingMessage, ServerResponse } from 'node:http';
import { RuntimeError } from '@worker-runtime/core';
import type { ServedRuntime } from '@worker-runtime/core/plugin-kit';
import type { Permission } from '@worker-runtime/core/scope';
import type { Caller } from './access/caller.ts';
import { publicAddressOf } from './request-target.ts';

/** The facts about a request to a mounted handler that the request itself does not have. */
export interface MountContext {
  readonly caller: Caller;
  /** The runtime that the path names, as the caller may use it. It refuses what the caller may not do. */
  readonly served: ServedRuntime;
  /** The path below the mount: empty, or with a slash at its begin. */
  readonly path: string;
  /**
   * Aborts when the answer has to end: the server stops (RUNTIME_STOPPING) or the authority of the caller ends
   * (AUTHORITY_EXPIRED). Its `reason` is the error. A stream then has `drainMs` for the rest of its output.
   */
  readonly ending: AbortSignal;
}

/**
 * Answers a request. Its body is complete, within `bodyBytes`, and it has no credentials. Its signal aborts when the client
 * disconnects. The server takes a stream piece by piece, as fast as the client reads. A thrown RuntimeError becomes the answer.
 */
export type MountHandler = (request: Request, context: MountContext) => Response | Promise<Response>;

/** A handler below `/v1/runtimes/{r}/x/<name>`. */
export interface Mount {
  readonly name: string;
  /** The permission that each request to it needs. */
  readonly permission: Permission;
  readonly handler: MountHandler;
}

/** A place for the handlers of other plugins. */
export interface MountPlace {
  /**
   * Serves a handler at `/v1/runtimes/{r}/x/<name>` and below, for all methods. A request has passed the checks of Host, Origin,
   * token, permission and limits before. Call it before the runtime starts.
   * @throws INVALID_REQUEST the name is not lower-case letters, digits and "-", or is used already
   */
  mount(name: string, permission: Permission, handler: MountHandler): void;
}

/** The mounts of a server, by name. */
export class Mounts implements MountPlace {
  readonly #all = new Map<string, Mount>();

  mount(name: string, permission: Permission, handler: MountHandler): void {
    if (!/^[a-z][a-z0-9-]{0,63}$/.test(name))
      throw new RuntimeError(
        'INVALID_REQUEST',
        'The name of a mount must be lower-case letters, digits and "-"',
      );
    if (this.#all.has(name))
      throw new RuntimeError('INVALID_REQUEST', `Another plugin has mounted "${name}" already`);
    this.#all.set(name, { name, permission, handler });
  }

  [Symbol.iterator](): Iterator<Mount> {
    return this.#all.values();
  }
}

/** Headers that belong to the connection or to the way of the request, or authenticate the caller. A handler does not get them. */
const WITHHELD = new Set([
  'authorization',
  'connection',
  'cookie',
  'expect',
  'keep-alive',
  'proxy-authorization',
  'sec-websocket-protocol',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'worker-runtime-address',
]);

const headersOf = ({ headers }: IncomingMessage): Headers => {
  const kept = new Headers();
  for (const [name, value] of Object.entries(headers))
    if (!WITHHELD.has(name)) for (const one of [value ?? []].flat()) kept.append(name, one);
  return kept;
};

/** Returns a request as a handler gets it, with the URL that its client uses. Its signal aborts when the client disconnects before the end of the answer. */
export const fetchRequestOf = (
  raw: IncomingMessage,
  response: ServerResponse,
  body: Buffer | undefined,
): Request => {
  const gone = new AbortController();
  response.once('close', () => {
    if (!response.writableFinished) gone.abort(new DOMException('The client has disconnected', 'AbortError'));
  });
  const { method = 'GET', url = '/' } = raw;
  return new Request(new URL(`${publicAddressOf(raw)}${url}`), {
    method,
    headers: headersOf(raw),
    signal: gone.signal,
    ...(body !== undefined && body.length > 0 && { body: new Uint8Array(body) }),
  });
};
