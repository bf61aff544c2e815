import {
  type ClientRequest,
  request as httpRequest,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type ServerResponse,
} from 'node:http';
import { request as httpsRequest } from 'node:https';
import type { Socket } from 'node:net';
import { PassThrough } from 'node:stream';
import { RuntimeError } from '@worker-runtime/core';
import { covers, isPermission } from '@worker-runtime/core/scope';
import { Client, type Dispatcher, Pool } from 'undici';
import { refusedBy } from './refusal.ts';

/** The way to a remote runtime for one request. */
export interface Passage {
  readonly connections: Connections;
  /** The path of the runtime at its address: `/v1/runtimes/{id}`. */
  readonly path: string;
  /** The `Authorization` header; null sends none. */
  readonly authorization: string | null;
  readonly runtimeId: string;
  /**
   * Set between hosts of one cluster, which know the same callers: the credentials of the caller are passed on, and the number of hosts
   * that have passed on the request with them.
   */
  readonly hops?: number;
  /** Called with the head of an answer that is passed on, before its first byte. */
  readonly answered: (isStream: boolean) => void;
}

/** The connections to one address. Those that are kept are closed before the other side closes them. */
export class Connections {
  readonly origin: string;
  readonly #pool: Pool;

  constructor(origin: string) {
    this.origin = origin;
    this.#pool = new Pool(origin, OPTIONS);
  }

  /** Sends a request on a kept connection. */
  send(request: Dispatcher.DispatchOptions, handler: PassedAnswer): void {
    this.#pool.dispatch(request, handler);
  }

  /**
   * Sends a request on a connection of its own. Streams do: their clients leave them, and the pool would connect again for each
   * that was left.
   */
  sendAlone(request: Dispatcher.DispatchOptions, handler: PassedAnswer): void {
    const client = new Client(this.origin, OPTIONS);
    handler.onLeft = () => client.destroy(() => {});
    client.dispatch(request, handler);
    // closed once the request has ended
    client.close(() => {});
  }

  close(): void {
    this.#pool.destroy(() => {});
  }
}

/** Closes the connection after the answer if the rest of the body will not be read: the next request would wait behind it. */
const closeAfterBody = (request: IncomingMessage, response: ServerResponse): void => {
  if (!request.complete) response.setHeader('connection', 'close');
};

/** The request headers that a runtime uses. Others, such as cookies and credentials of the caller, end at the registry. */
const REQUEST_HEADERS = [
  'accept',
  'content-length',
  'content-type',
  'idempotency-key',
  'last-event-id',
  'prefer',
  'traceparent',
  'tracestate',
  'x-request-id',
] as const;
const UPGRADE_HEADERS = ['sec-websocket-key', 'sec-websocket-version', 'sec-websocket-extensions'] as const;
const ANSWER_HEADERS =
  /^(allow|content-(?!security-policy-|encoding$).*|cross-origin-resource-policy|file-media-type|idempotent-replayed|location|page-.*|preference-applied|retry-after|runtime-id)$/;

/** The time limit for a connection. */
const CONNECT_MS = 1_000;
/** The time limit for the head of an answer, beyond what the request itself may wait. */
const HEAD_MS = 30_000;
/** The longest time that a stop or a cancel waits by itself. */
const ENDING_MS = 60_000;
/** The longest silence of an answer. A stream sends something every 15 s. */
const SILENCE_MS = 60_000;
/** The largest refusal that is read before it is passed on. */
const MAX_REFUSAL_BYTES = 65_536;
/** A body of at most this size is sent together with the head of its request, in one write. */
const SMALL_BODY_BYTES = 16_384;
/** A kept connection is closed when it was not used for this time, or earlier if the runtime says so. */
const IDLE_MS = 30_000;

const OPTIONS = {
  connect: { timeout: CONNECT_MS },
  keepAliveTimeout: IDLE_MS,
  keepAliveMaxTimeout: IDLE_MS,
  bodyTimeout: SILENCE_MS,
} as const satisfies Client.Options;

const unreachable = (
  { runtimeId }: Passage,
  message: string,
  reason: 'notSent' | 'maybeDone',
  cause?: unknown,
): RuntimeError =>
  new RuntimeError('RUNTIME_UNREACHABLE', message, { details: { runtimeId, reason }, cause });

/** Returns the path of a request below its runtime, with the query: `/workers/ada?…`. */
const restOf = ({ url = '' }: IncomingMessage): string => {
  const prefix = '/v1/runtimes/';
  const idAt = url.indexOf(prefix) + prefix.length;
  const end = url.slice(idAt).search(/[/?]/);
  return end === -1 ? '' : url.slice(idAt + end);
};

/** The header with the number of hosts that have passed on a request. */
export const HOPS_HEADER = 'worker-runtime-hops';

const headersOf = (
  { authorization, hops }: Passage,
  headers: IncomingHttpHeaders,
  requestId: string | undefined,
): Record<string, string | string[]> => {
  const passed: Record<string, string | string[]> = {};
  for (const name of REQUEST_HEADERS) if (headers[name] !== undefined) passed[name] = headers[name];
  if (requestId !== undefined) passed['x-request-id'] = requestId;
  if (authorization !== null) passed.authorization = authorization;
  if (hops !== undefined) {
    passed[HOPS_HEADER] = String(hops);
    if (headers.authorization !== undefined) passed.authorization = headers.authorization;
  }
  return passed;
};

/** Returns the time for which a request may wait before the head of its answer arrives. */
const headLimitOf = ({ headers, method, url = '' }: IncomingMessage): number => {
  const waited = Number(/(?:^|[,;\s])wait=(\d{1,6})/.exec(String(headers.prefer ?? ''))?.[1] ?? 0) * 1_000;
  const ending = method === 'POST' && /\/(stop|cancel)$/.test(url.split('?', 1)[0] as string) ? ENDING_MS : 0;
  return HEAD_MS + waited + ending;
};

/** True if a refusal of the runtime is about our credentials, and not about those of the caller, which the server has checked. */
const isAboutUs = (status: number, body: Buffer | null): boolean => {
  if (status === 401 || body === null) return true;
  try {
    const { details = {} } = JSON.parse(body.toString()) as {
      readonly details?: { readonly needed?: unknown; readonly permissions?: unknown };
    };
    const { needed, permissions } = details;
    if (!isPermission(needed) || !Array.isArray(permissions)) return false;
    return !covers(permissions.filter(isPermission), needed);
  } catch {
    return true;
  }
};

/** The failure of a request without an answer. */
class Unanswered extends Error {
  /** True if the runtime may have received the request. */
  readonly isSent: boolean;

  constructor(isSent: boolean, cause: unknown) {
    super('the request failed', { cause });
    this.isSent = isSent;
  }

  /** True if the connection was closed, as a kept one may be by the runtime just before its next use. */
  get isClosed(): boolean {
    return ['UND_ERR_SOCKET', 'ECONNRESET', 'EPIPE'].includes(String(Object(this.cause).code));
  }
}

/** Writes the answer of the runtime to the response, piece by piece. */
class PassedAnswer implements Dispatcher.DispatchHandler {
  /** Called when the client has left before the end of the answer. */
  onLeft = (): void => {};
  readonly #passage: Passage;
  readonly #request: IncomingMessage;
  readonly #response: ServerResponse;
  readonly #resolve: (status: number) => void;
  readonly #reject: (error: Error) => void;
  #controller: Dispatcher.DispatchController | null = null;
  /** The head of a refusal, which is passed on with its body. */
  #headers: IncomingHttpHeaders = {};
  #status: number | null = null;
  #refusal: Buffer[] | null = null;
  #refusalBytes = 0;

  constructor(
    passage: Passage,
    request: IncomingMessage,
    response: ServerResponse,
    resolve: (status: number) => void,
    reject: (error: Error) => void,
  ) {
    this.#passage = passage;
    this.#request = request;
    this.#response = response;
    this.#resolve = resolve;
    this.#reject = reject;
    response.once('close', this.#left);
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    if (this.#response.destroyed) this.#left();
  }

  onResponseStart(
    _controller: Dispatcher.DispatchController,
    status: number,
    headers: IncomingHttpHeaders,
  ): void {
    if (status < 200) return;
    this.#status = status;
    const { answered, hops } = this.#passage;
    if ((status === 401 || status === 403) && hops === undefined) {
      this.#refusal = [];
      this.#headers = headers;
      return;
    }
    const type = headers['content-type'];
    answered(type?.startsWith('text/event-stream') ?? false);
    this.#writeHead(status, headers);
    // the head of a stream goes out before its first event; that of a page goes out with its first bytes
    if (headers['content-length'] === undefined) this.#response.flushHeaders();
  }

  onResponseData(controller: Dispatcher.DispatchController, piece: Buffer): void {
    if (this.#refusal !== null) {
      this.#refusalBytes += piece.length;
      if (this.#refusalBytes <= MAX_REFUSAL_BYTES) this.#refusal.push(piece);
      else controller.abort(new Error('the refusal is too long'));
    } else if (!this.#response.write(piece)) {
      controller.pause();
      this.#response.once('drain', () => controller.resume());
    }
  }

  onResponseEnd(): void {
    const status = this.#status ?? 502;
    if (this.#refusal === null) this.#response.end();
    else if (!this.#passRefusal(status, Buffer.concat(this.#refusal))) return;
    this.#over();
    this.#resolve(status);
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    this.#over();
    if (this.#status === null) this.#reject(new Unanswered(this.#controller !== null, error));
    else if (this.#refusal !== null) this.#passRefusal(this.#status, null);
    else {
      // an answer that breaks off breaks off for the client too, which resumes a stream after its cursor
      this.#response.destroy();
      this.#resolve(this.#status);
    }
  }

  readonly #left = (): void => {
    this.#controller?.abort(new Error('the client has left'));
    this.onLeft();
  };

  #over(): void {
    this.#response.off('close', this.#left);
  }

  #writeHead(status: number, headers: IncomingHttpHeaders): void {
    for (const [name, value] of Object.entries(headers))
      if (value !== undefined && ANSWER_HEADERS.test(name)) this.#response.setHeader(name, value);
    closeAfterBody(this.#request, this.#response);
    this.#response.writeHead(status);
  }

  /** Passes a refusal on, and returns true, unless it is about our credentials: then the request is rejected. */
  #passRefusal(status: number, body: Buffer | null): boolean {
    if (isAboutUs(status, body)) {
      closeAfterBody(this.#request, this.#response);
      this.#over();
      this.#reject(refusedBy(this.#passage.runtimeId, this.#headers.date));
      return false;
    }
    this.#passage.answered(false);
    this.#writeHead(status, this.#headers);
    this.#response.end(body);
    return true;
  }
}

/** Reads a small body. @throws Unanswered the client left before its end */
const readBody = async (request: IncomingMessage): Promise<Buffer> => {
  const pieces: Buffer[] = [];
  try {
    for await (const piece of request as AsyncIterable<Buffer>) pieces.push(piece);
  } catch (error) {
    throw new Unanswered(false, error);
  }
  return pieces.length === 1 ? (pieces[0] as Buffer) : Buffer.concat(pieces);
};

/**
 * Passes a request to the runtime and its answer back, byte by byte. Resolves with the status when the answer has ended, also
 * if the client left before its end.
 * @throws RUNTIME_UNREACHABLE nothing was written to the response. `details.reason` is `notSent`, `maybeDone` (the runtime may
 * have executed the request) or `refused` (it does not accept the credentials)
 */
export const passRequest = async (
  passage: Passage,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<number> => {
  const { method = 'GET', headers } = request;
  const requestId = response.getHeader('x-request-id') as string | undefined;
  const length = headers['transfer-encoding'] === undefined ? Number(headers['content-length'] ?? 0) : null;
  const isSmall = length !== null && length <= SMALL_BODY_BYTES;
  const attempt = (send: Connections['send'], small: Buffer | null): Promise<number> =>
    new Promise((resolve, reject) =>
      send(
        {
          path: passage.path + restOf(request),
          method: method as Dispatcher.HttpMethod,
          headers: headersOf(passage, headers, requestId),
          // a stream of its own, because a body that the runtime does not take is destroyed, and a request with its connection
          body: isSmall ? small : request.pipe(new PassThrough()),
          headersTimeout: headLimitOf(request),
        },
        new PassedAnswer(passage, request, response, resolve, reject),
      ),
    );
  const isRead = method === 'GET' || method === 'HEAD';
  const isRepeatable = isSmall && (isRead || headers['idempotency-key'] !== undefined);
  const { connections } = passage;
  const sendAlone: Connections['send'] = (...sent) => connections.sendAlone(...sent);
  const isStream = headers.accept?.includes('text/event-stream') ?? false;
  const send: Connections['send'] = isStream ? sendAlone : (...sent) => connections.send(...sent);
  try {
    const small = isSmall && length > 0 ? await readBody(request) : null;
    return await attempt(send, small).catch((error: unknown) => {
      const isStale = error instanceof Unanswered && error.isClosed;
      // with a new connection: the other kept ones were probably closed along with this one
      if (isStale && isRepeatable && !isStream && !response.destroyed) return attempt(sendAlone, small);
      throw error;
    });
  } catch (error) {
    if (!(error instanceof Unanswered)) throw error;
    closeAfterBody(request, response);
    throw error.isSent && !isRead
      ? unreachable(
          passage,
          'The runtime did not answer, and may have executed the request',
          'maybeDone',
          error.cause,
        )
      : unreachable(passage, 'The runtime cannot be reached', 'notSent', error.cause);
  }
};

/** Passes the body of a refused upgrade until its end. */
const passBody = (answer: IncomingMessage, to: Socket): Promise<void> =>
  new Promise((resolve) => {
    const over = (): void => {
      answer.destroy();
      resolve();
    };
    answer.on('error', () => {});
    if (to.destroyed) return over();
    answer.once('close', () => {
      if (!answer.complete) to.destroy();
    });
    to.once('close', over);
    answer.pipe(to);
  });

/**
 * Sends an upgrade. It takes Node's client, because that of `undici` hides the answer of a runtime that refuses.
 */
const sendUpgrade = (
  { connections: { origin }, path }: Passage,
  rest: string,
  headers: Record<string, string | string[]>,
): ClientRequest => {
  const isSecure = origin.startsWith('https:');
  const sent = (isSecure ? httpsRequest : httpRequest)(`${origin}${path}${rest}`, { headers, agent: false });
  const limit = setTimeout(() => sent.destroy(new Error('no answer in time')), HEAD_MS);
  const connecting = setTimeout(() => sent.destroy(new Error('no connection in time')), CONNECT_MS);
  const over = (): void => {
    clearTimeout(limit);
    clearTimeout(connecting);
  };
  sent.once('socket', (socket) =>
    socket.once(isSecure ? 'secureConnect' : 'connect', () => clearTimeout(connecting)),
  );
  sent
    .once('response', over)
    .once('upgrade', over)
    .once('close', over)
    .on('error', () => {});
  return sent;
};

/** Returns the offered subprotocols, without tokens of the caller unless they are to be passed on. */
const protocolsOf = (headers: IncomingHttpHeaders, { hops }: Passage): string | undefined =>
  headers['sec-websocket-protocol']
    ?.split(',')
    .map((name) => name.trim())
    .filter((name) => hops !== undefined || !name.startsWith('bearer.'))
    .join(', ');

/**
 * Passes an upgrade to the runtime, and then the bytes of both sides. Resolves when both are closed.
 * @throws RUNTIME_UNREACHABLE nothing was written to the socket; `details.reason` as for `passRequest`
 */
export const passSocket = async (
  passage: Passage,
  request: IncomingMessage,
  socket: Socket,
  head: Buffer,
): Promise<void> => {
  const { headers } = request;
  const protocols = protocolsOf(headers, passage);
  const upgrade: Record<string, string | string[]> = {
    connection: 'Upgrade',
    upgrade: headers.upgrade ?? 'websocket',
  };
  for (const name of UPGRADE_HEADERS) if (headers[name] !== undefined) upgrade[name] = headers[name];
  if (protocols) upgrade['sec-websocket-protocol'] = protocols;
  const sent = sendUpgrade(passage, restOf(request), {
    ...headersOf(passage, headers, undefined),
    ...upgrade,
  });
  const left = (): void => void sent.destroy();
  socket.once('close', left);
  sent.end();
  const { answer, other, first } = await new Promise<{
    answer: IncomingMessage;
    other: Socket | null;
    first: Buffer;
  }>((resolve, reject) => {
    sent.once('upgrade', (answer, other, first) => resolve({ answer, other: other as Socket, first }));
    sent.once('response', (answer) => resolve({ answer, other: null, first: Buffer.alloc(0) }));
    sent.once('error', reject);
    sent.once('close', () => reject(new Error('the connection was closed')));
  }).catch((error: unknown) => {
    throw unreachable(passage, 'The runtime cannot be reached', 'notSent', error);
  });
  socket.off('close', left);
  const status = answer.statusCode ?? 502;
  if (other === null && (status === 401 || status === 403) && passage.hops === undefined) {
    answer.destroy();
    throw refusedBy(passage.runtimeId, answer.headers.date);
  }
  passage.answered(other !== null);
  socket.write(rawHeadOf(answer, other !== null));
  if (other === null) {
    await passBody(answer, socket);
    return;
  }
  if (first.length > 0) other.unshift(first);
  if (head.length > 0) socket.unshift(head);
  await Promise.all([passBytes(socket, other), passBytes(other, socket)]);
};

/** Passes the bytes of one socket to another one until it is closed. The other one is closed after its last byte. */
const passBytes = (from: Socket, to: Socket): Promise<void> =>
  new Promise((resolve) => {
    const over = (): void => {
      // what has arrived still goes out, unless the other side takes nothing
      to.setTimeout(SILENCE_MS, () => to.destroy());
      to.destroySoon();
      resolve();
    };
    from.on('error', () => {});
    if (from.destroyed) return over();
    from.once('close', over);
    from.pipe(to);
  });

/** Returns the head of an answer as bytes. The connection ends after an answer that is no upgrade. */
const rawHeadOf = ({ statusCode, statusMessage, headers }: IncomingMessage, isUpgrade: boolean): string => {
  const lines = [`HTTP/1.1 ${statusCode} ${statusMessage}`];
  for (const [name, value] of Object.entries(headers)) {
    const isPassed = isUpgrade ? /^(sec-websocket-.*|upgrade)$/.test(name) : ANSWER_HEADERS.test(name);
    if (isPassed) lines.push(`${name}: ${String(value)}`);
  }
  lines.push(isUpgrade ? 'connection: Upgrade' : 'connection: close');
  return `${lines.join('\r\n')}\r\n\r\n`;
};
