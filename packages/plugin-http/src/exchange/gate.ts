import type { IncomingMessage } from 'node:http';
import { RuntimeError } from '@worker-runtime/core';
import { methodNotAllowed, type ServedRuntime } from '@worker-runtime/core/plugin-kit';
import type { Access } from '../access/access.ts';
import { assertMay, type Caller } from '../access/caller.ts';
import type { ConnectionLimit } from '../access/connection-limit.ts';
import type { HostCheck } from '../access/host-check.ts';
import type { RoutePermission } from '../access/permission.ts';
import { assertReady, type Directory, isUpstream, type Upstream } from '../directory.ts';
import type { HttpReply } from '../message/http-reply.ts';
import type { HttpRequest } from '../message/http-request.ts';
import type { RouteTable } from '../route-table.ts';
import { assertKnown } from '../wire/query.ts';
import { allowOrigin } from './cors.ts';

export interface GateParts {
  readonly directory: Directory;
  readonly hostCheck: HostCheck;
  readonly access: Access;
  readonly connections: ConnectionLimit;
  readonly routes: RouteTable;
  /** True if only an upgrade can get the requested resource. */
  readonly isWebSocket?: (request: IncomingMessage) => boolean;
}

/** Returns the permission that a request needs. Whether a path exists is revealed only to callers who may observe. */
const neededFor = ({ route }: HttpRequest): RoutePermission => route?.permission ?? 'observe';

/** Returns the error for a path that no route matches. For a path of another API version it names the supported one. */
const unknownPathError = (url: string): RuntimeError => {
  if (url.split('?', 1)[0] === '/')
    return new RuntimeError(
      'ROUTE_NOT_FOUND',
      'There is nothing at /; the API is below /v1, its documentation at /docs',
    );
  const [, version = '1'] = /^\/v(\d{1,9})\//.exec(url) ?? [];
  if (version === '1') return new RuntimeError('ROUTE_NOT_FOUND');
  return new RuntimeError('VERSION_UNSUPPORTED', 'This runtime supports API version 1 only, below /v1', {
    details: { asked: Number(version), supported: [1] },
  });
};

/** The checks that every request has to pass before its body is read, in the order of the methods. */
export class Gate {
  readonly #parts: GateParts;

  constructor(parts: GateParts) {
    this.#parts = parts;
  }

  /** Checks the connection and the Host. @throws LIMIT_REACHED · INVALID_REQUEST · FORBIDDEN */
  checkOrigin(request: HttpRequest, reply: HttpReply): void {
    const { connections, hostCheck } = this.#parts;
    const { raw } = request;
    if (connections.isRefused(raw.socket)) {
      reply.header('connection', 'close');
      throw connections.limitError;
    }
    hostCheck.assert(raw, neededFor(request) === 'public');
    const { origin } = raw.headers;
    if (origin !== undefined && hostCheck.isAllowed(origin)) allowOrigin(request, reply, origin);
  }

  /** Returns the sender; null for a public route. @throws UNAUTHENTICATED */
  identify(request: HttpRequest): Caller | null | Promise<Caller> {
    return neededFor(request) === 'public' ? null : this.#parts.access.identify(request.raw);
  }

  /**
   * Checks what the caller asks for, and finds the runtime of the request. Returns it if it is elsewhere, and null otherwise.
   * @throws FORBIDDEN · RUNTIME_NOT_READY · ROUTE_NOT_FOUND · METHOD_NOT_ALLOWED · INVALID_REQUEST · …
   */
  admit(request: HttpRequest, reply: HttpReply): Upstream | null {
    const { directory } = this.#parts;
    const { route, headers } = request;
    const needed = neededFor(request);
    if (needed !== 'public') assertMay(request.caller, needed);
    const target = route?.isOfRuntime
      ? directory.get(request.params.r as string, request.caller, reply.raw)
      : null;
    const readiness = target === null || isUpstream(target) ? directory : target;
    if (!route?.isAlwaysServed) assertReady(readiness);
    if (readiness.status !== 'running') reply.header('connection', 'close');
    if (route === null) throw this.#refusalOf(request, reply);
    const { query = [] } = route;
    if (query !== 'any') assertKnown(request.query, query);
    if ((headers['content-encoding'] ?? 'identity') !== 'identity') {
      throw new RuntimeError('UNSUPPORTED_MEDIA_TYPE', 'Send the body without a content encoding');
    }
    if (target === null) return null;
    if (isUpstream(target)) return target;
    request.served = target satisfies ServedRuntime;
    return null;
  }

  /** Returns the error of a request without a route. */
  #refusalOf({ raw, url, isBadUrl }: HttpRequest, reply: HttpReply): RuntimeError {
    if (isBadUrl) return new RuntimeError('INVALID_REQUEST', 'The URL is not valid');
    const methods = this.#parts.routes.methodsAt(url);
    if (methods.length > 0) return methodNotAllowed(...methods);
    if (!this.#parts.isWebSocket?.(raw)) return unknownPathError(url);
    reply.headers({ connection: 'upgrade, close', upgrade: 'websocket' });
    return new RuntimeError('VERSION_UNSUPPORTED', 'This path needs a WebSocket upgrade', {
      details: { upgrade: 'websocket' },
    });
  }
}
