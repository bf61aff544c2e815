import type { ServerResponse } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import { type ErrorCode, type Logger, RuntimeError } from '@worker-runtime/core';
import { whenAuthorityEnds } from '../access/caller.ts';
import type { ConnectionLimit } from '../access/connection-limit.ts';
import type { HttpReply } from '../message/http-reply.ts';
import type { HttpRequest } from '../message/http-request.ts';
import { type ByteTotal, Transfer } from '../traffic/byte-total.ts';
import { SSE_TYPE } from '../wire/accept.ts';

export interface MountedLimits {
  /** The time that an answer has for the rest of its output after its `ending` signal. */
  readonly drainMs: number;
}

/** The bytes of one write. */
const WRITE_BYTES = 49_152;
/** The time after which an answer asks again for room when the answers of all clients have reached their limit. */
const ROOM_MS = 50;

/** Headers that only the server sets. */
const OWN =
  /^(access-control-.*|connection|content-length|date|keep-alive|transfer-encoding|upgrade|x-request-id)$/;

/** One answer of a mounted handler, on its way to the client. */
class MountedAnswer {
  readonly #raw: ServerResponse;
  readonly #answers: ByteTotal;
  readonly #transfer: Transfer;
  readonly #closed: Promise<void>;
  #isClosed = false;

  constructor(raw: ServerResponse, answers: ByteTotal, transfer: Transfer) {
    this.#raw = raw;
    this.#answers = answers;
    this.#transfer = transfer;
    this.#closed = new Promise((resolve) => {
      raw.once('close', () => {
        this.#isClosed = true;
        answers.release(transfer);
        resolve();
      });
    });
    raw.on('error', () => {});
  }

  /** Takes the pieces of a body one after another, the next one when the client has taken the last one. Then ends the answer. */
  async send(body: ReadableStream<Uint8Array>): Promise<void> {
    const reader = body.getReader();
    void this.#closed.then(() => reader.cancel()).catch(() => {});
    for (;;) {
      const { done, value } = await reader.read();
      if (this.#isClosed) return;
      if (done) break;
      if (!(value instanceof Uint8Array))
        throw new TypeError('The body of a mounted handler must have bytes');
      await this.#room(value.length);
      for (let at = 0; at < value.length && !this.#isClosed; at += WRITE_BYTES)
        await this.#write(value.subarray(at, at + WRITE_BYTES), value.length - at);
    }
    if (!this.#isClosed) this.#raw.end();
    await this.#closed;
  }

  /** Waits for room for a piece. A large one would fill the memory while it waits. @throws LIMIT_REACHED */
  async #room(bytes: number): Promise<void> {
    // the wait ends, since clients that stall are disconnected
    while (!this.#isClosed && !this.#answers.hasRoom(bytes)) {
      if (bytes > WRITE_BYTES)
        throw new RuntimeError('LIMIT_REACHED', 'The answers of all clients are too large together', {
          details: { limit: 'totalAnswerBytes', value: this.#answers.limit },
        });
      await delay(ROOM_MS);
    }
  }

  /** Writes a part of a piece. `held` is the rest of the piece, which stays in memory until all of it is written. */
  async #write(bytes: Uint8Array, held: number): Promise<void> {
    this.#answers.hold(this.#transfer, held);
    const flushed = new Promise<void>((resolve) => void this.#raw.write(bytes, () => resolve()));
    await Promise.race([flushed, this.#closed]);
    this.#answers.release(this.#transfer);
  }
}

/** All answers of mounted handlers that are in progress. */
export class MountedAnswers {
  readonly #limits: MountedLimits;
  readonly #connections: ConnectionLimit;
  readonly #answers: ByteTotal;
  readonly #log: Logger;
  readonly #endings = new Set<AbortController>();
  #streams = 0;

  constructor(limits: MountedLimits, connections: ConnectionLimit, answers: ByteTotal, log: Logger) {
    this.#limits = limits;
    this.#connections = connections;
    this.#answers = answers;
    this.#log = log;
  }

  /** The number of open streams. */
  get streams(): number {
    return this.#streams;
  }

  /** Tells every handler that its answer has to end. */
  finish(reason: ErrorCode): void {
    for (const ending of this.#endings) ending.abort(new RuntimeError(reason));
  }

  /**
   * Sends the answer of a handler. Resolves when the client has it or has gone.
   * @throws LIMIT_REACHED streams, sockets and waiting requests hold their share of the connections · the error of the handler
   */
  async open(
    request: HttpRequest,
    reply: HttpReply,
    handle: (ending: AbortSignal) => Response | Promise<Response>,
  ): Promise<HttpReply> {
    // the answer may be a stream or a long wait, which only the handler knows
    const release = this.#connections.hold(request.caller);
    if (release === null) throw this.#connections.heldErrorFor(request.caller);
    const ending = new AbortController();
    this.#endings.add(ending);
    const { raw } = reply;
    const forget = whenAuthorityEnds(request.caller, () => {
      ending.abort(new RuntimeError('AUTHORITY_EXPIRED'));
      setTimeout(() => raw.destroy(), this.#limits.drainMs).unref();
    });
    const closed = (): void => {
      release();
      forget();
      this.#endings.delete(ending);
    };
    raw.once('close', closed);
    const response = await handle(ending.signal);
    // a client that has gone needs no answer
    if (raw.closed || raw.destroyed) {
      await response.body?.cancel();
      return reply.hijack();
    }
    return this.#send(request, reply, response);
  }

  async #send(request: HttpRequest, reply: HttpReply, response: Response): Promise<HttpReply> {
    const { raw } = reply;
    const { status, headers, body } = response;
    for (const [name, value] of headers) {
      if (name === 'vary' || name === 'set-cookie') reply.append(name, value);
      else if (!OWN.test(name)) reply.header(name, value);
    }
    request.isStream = headers.get('content-type')?.startsWith(SSE_TYPE) ?? false;
    if (request.isStream) {
      // a proxy that buffers the response would deliver it only at its end
      reply.header('x-accel-buffering', 'no');
      this.#streams += 1;
      raw.once('close', () => {
        this.#streams -= 1;
      });
    }
    reply.code(status).hijack();
    reply.rawWithHeaders().writeHead(status);
    if (request.method === 'HEAD' || body === null) {
      await body?.cancel();
      raw.end();
      return reply;
    }
    const transfer = new Transfer(request.raw.socket, () =>
      this.#log.info({ correlationId: request.id }, 'disconnected a client that stopped reading'),
    );
    // a client learns at once that the answer begins
    raw.flushHeaders();
    try {
      await new MountedAnswer(raw, this.#answers, transfer).send(body);
    } catch (cause) {
      // the head was sent: only the end of the connection tells the client that the answer is not whole
      const error = RuntimeError.from(cause);
      if (!raw.closed)
        this.#log.error(
          { correlationId: request.id, code: error.code, err: error },
          'a mounted answer failed',
        );
      raw.destroy();
    }
    return reply;
  }
}
