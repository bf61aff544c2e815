import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http';
import { PassThrough } from 'node:stream';
import { covers, isPermission } from '@worker-runtime/core/scope';
import type { Dispatcher } from 'undici';
import type { AnswerHandler, Connections } from './connections.ts';
import { headLimitOf } from './head-limit.ts';
import { headersOf, isPassedOn, type Passage, policyFor, restOf, unreachable } from './passage.ts';
import { refusedBy } from './refusal.ts';

/** The largest refusal that is read before it is passed on. */
const MAX_REFUSAL_BYTES = 65_536;
/** A body of at most this size is sent together with the head of its request, in one write. */
const SMALL_BODY_BYTES = 16_384;

/** Closes the connection after the answer if the rest of the body will not be read: the next request would wait behind it. */
const closeAfterBody = (request: IncomingMessage, response: ServerResponse): void => {
  if (!request.complete) response.setHeader('connection', 'close');
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
class PassedAnswer implements AnswerHandler {
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
  /** The bytes of the answer that are to come; null if their number is not known. */
  #left: number | null = null;

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
    response.on('close', this.#hasLeft);
    passage.cut?.addEventListener('abort', this.#cut);
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    if (this.#response.destroyed) this.#hasLeft();
    if (this.#passage.cut?.aborted) this.#cut();
  }

  onResponseStart(
    controller: Dispatcher.DispatchController,
    status: number,
    headers: IncomingHttpHeaders,
  ): void {
    // each of them is a part of the first 64 KiB of the answer, which a stream would hold until its end
    controller.rawHeaders = null;
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
    const length = headers['content-length'];
    if (length !== undefined) this.#left = Number(length);
    // the head of a stream goes out before its first event; that of a page goes out with its first bytes
    else this.#response.flushHeaders();
  }

  onResponseData(controller: Dispatcher.DispatchController, piece: Buffer): void {
    if (this.#refusal !== null) {
      this.#refusalBytes += piece.length;
      if (this.#refusalBytes <= MAX_REFUSAL_BYTES) this.#refusal.push(piece);
      else controller.abort(new Error('the refusal is too long'));
      return;
    }
    if (this.#left !== null) this.#left -= piece.length;
    // the last piece goes out with the end, in one write and without a pause
    if (this.#left === 0) this.#response.end(piece);
    else if (!this.#response.write(piece)) {
      controller.pause();
      this.#response.once('drain', () => controller.resume());
    }
  }

  onResponseEnd(): void {
    const status = this.#status ?? 502;
    if (this.#refusal === null) {
      if (!this.#response.writableEnded) this.#response.end();
    } else if (!this.#passRefusal(status, Buffer.concat(this.#refusal))) return;
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

  readonly #hasLeft = (): void => {
    this.#controller?.abort(new Error('the client has left'));
    this.onLeft();
  };

  readonly #cut = (): void => {
    this.#controller?.abort(new Error('no answer is to be expected any more'));
    this.onLeft();
  };

  #over(): void {
    this.#response.off('close', this.#hasLeft);
    this.#passage.cut?.removeEventListener('abort', this.#cut);
  }

  #writeHead(status: number, headers: IncomingHttpHeaders): void {
    for (const name in headers) {
      const value = headers[name];
      if (value !== undefined && isPassedOn(name, this.#request)) this.#response.setHeader(name, value);
    }
    const policy = policyFor(this.#passage, headers['content-type']);
    if (policy !== null) this.#response.setHeader('content-security-policy', policy);
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
const readBody = (request: IncomingMessage): Promise<Buffer> =>
  new Promise((resolve, reject) => {
    const pieces: Buffer[] = [];
    const fail = (error?: unknown): void => {
      // the request also closes after its end
      if (!request.readableEnded) reject(new Unanswered(false, error));
    };
    request.on('data', (piece: Buffer) => pieces.push(piece));
    request.on('end', () => resolve(pieces.length === 1 ? (pieces[0] as Buffer) : Buffer.concat(pieces)));
    request.on('error', fail);
    request.on('close', fail);
  });

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
          headers: headersOf(passage, request, requestId),
          // a stream of its own, because a body that the runtime does not take is destroyed, and a request with its connection
          body: isSmall ? small : request.pipe(new PassThrough()),
          headersTimeout: headLimitOf(request, small),
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
