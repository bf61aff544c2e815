import type { ServerResponse } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import { type ErrorCode, type Logger, RuntimeError } from '@worker-runtime/core';
import { whenAuthorityEnds } from '../access/caller.ts';
import type { ConnectionLimit } from '../access/connection-limit.ts';
import type { HttpReply } from '../message/http-reply.ts';
import type { HttpRequest } from '../message/http-request.ts';
import { type ByteTotal, Transfer } from '../traffic/byte-total.ts';
import type { StreamSource } from './stream-source.ts';

export interface StreamLimits {
  /** The time without output after which a stream sends its position. */
  readonly bookmarkMs: number;
  /** The time in which a client whose authority has ended has to read its last write and the closing frame. */
  readonly drainMs: number;
}

/** The time after which a stream asks again for room when the answers of all clients have reached their limit. */
const ROOM_MS = 50;

/** The bytes of stored lines in one write; the `id:` lines come on top. */
const WRITE_BYTES = 49_152;

/**
 * One streaming response. It reads from its source only after its last write has left the process. A client that stops
 * reading therefore costs one write and a position, and delays no other client.
 */
class StreamResponse {
  readonly #source: StreamSource;
  readonly #raw: ServerResponse;
  readonly #limits: StreamLimits;
  readonly #answers: ByteTotal;
  readonly #transfer: Transfer;
  #isClosed = false;
  #isDue = false;
  #finishing: ErrorCode | null = null;
  /** True if what is due is not sent any more. */
  #isCut = false;
  #wake: () => void = () => {};

  constructor(
    source: StreamSource,
    raw: ServerResponse,
    limits: StreamLimits,
    answers: ByteTotal,
    transfer: Transfer,
  ) {
    this.#source = source;
    this.#raw = raw;
    this.#limits = limits;
    this.#answers = answers;
    this.#transfer = transfer;
    const closed = (): void => {
      this.#isClosed = true;
      answers.release(transfer);
      this.#wake();
    };
    raw.once('close', closed);
    raw.on('error', closed);
  }

  /** Sends everything that is due, then the closing frame with the reason. */
  finish(reason: ErrorCode): void {
    this.#finishing ??= reason;
    this.#wake();
  }

  /** Sends nothing more but the closing frame with the reason. A client that does not read is disconnected after `drainMs`. */
  cutOff(reason: ErrorCode): void {
    this.#isCut = true;
    this.finish(reason);
    setTimeout(() => this.destroy(), this.#limits.drainMs).unref();
  }

  destroy(): void {
    this.#raw.destroy();
  }

  /** Resolves when the response has ended, normally or not. `failed` receives the error of the source, if any. */
  async run(failed: (error: RuntimeError) => void): Promise<void> {
    try {
      const reason = await this.#feed();
      if (reason !== null) await this.#end(this.#source.closing(reason));
    } catch (cause) {
      const error = RuntimeError.from(cause);
      failed(error);
      await this.#end(this.#source.closing(error.code));
    } finally {
      this.#source.close();
    }
  }

  /** Writes what is due until there is a reason to end; returns null if the client has gone. */
  async #feed(): Promise<ErrorCode | null> {
    await this.#write(this.#source.opening);
    while (!this.#isClosed) {
      this.#isDue = false;
      if (!this.#hasRoom) await this.#room();
      const bytes = await this.#source.next(WRITE_BYTES, this.#due);
      if (this.#isCut) return this.#finishing;
      if (bytes !== null) {
        if (await this.#write(bytes)) this.#source.sent();
        continue;
      }
      const reason = this.#source.ended ?? this.#finishing;
      if (reason !== null) return reason;
      if (!(await this.#wait())) await this.#write(this.#source.bookmark() ?? '');
    }
    return null;
  }

  readonly #due = (): void => {
    this.#isDue = true;
    this.#wake();
  };

  /** Resolves with true when something is due or the response has to end, with false after `bookmarkMs`. */
  #wait(): Promise<boolean> {
    return new Promise((resolve) => {
      if (this.#isClosed || this.#isDue || this.#finishing) return resolve(true);
      const quiet = setTimeout(resolve, this.#limits.bookmarkMs, false);
      this.#wake = () => {
        clearTimeout(quiet);
        resolve(true);
      };
    });
  }

  get #hasRoom(): boolean {
    return this.#answers.hasRoom(WRITE_BYTES);
  }

  /** Waits while the answers of all clients are at their limit. The wait ends, since clients that stall are disconnected. */
  async #room(): Promise<void> {
    while (!this.#isClosed && !this.#hasRoom) await delay(ROOM_MS);
  }

  #write(bytes: string | Uint8Array): Promise<boolean> {
    if (bytes.length === 0) return Promise.resolve(true);
    return this.#flushed(bytes.length, (flushed) => void this.#raw.write(bytes, flushed));
  }

  #end(bytes: string): Promise<boolean> {
    return this.#flushed(bytes.length, (flushed) => void this.#raw.end(bytes, flushed));
  }

  /**
   * Resolves with true when the bytes have left the process, with false when the connection is closed or has failed. A client that
   * stalls is disconnected.
   */
  #flushed(bytes: number, send: (flushed: (error?: Error | null) => void) => void): Promise<boolean> {
    return new Promise((resolve) => {
      if (this.#isClosed) return resolve(false);
      this.#answers.hold(this.#transfer, bytes);
      this.#wake = () => {
        if (this.#isClosed) resolve(false);
      };
      send((error) => {
        this.#answers.release(this.#transfer);
        resolve(error == null);
      });
    });
  }
}

/** All open stream responses of a listener. */
export class StreamResponses {
  readonly #limits: StreamLimits;
  readonly #connections: ConnectionLimit;
  readonly #answers: ByteTotal;
  readonly #log: Logger;
  readonly #responses = new Map<StreamResponse, Promise<void>>();

  constructor(limits: StreamLimits, connections: ConnectionLimit, answers: ByteTotal, log: Logger) {
    this.#limits = limits;
    this.#connections = connections;
    this.#answers = answers;
    this.#log = log;
  }

  /** The number of open streams. */
  get size(): number {
    return this.#responses.size;
  }

  /**
   * Takes over a reply and streams the source to it until either side ends.
   * @throws LIMIT_REACHED streams, sockets and waiting requests hold their share of the connections
   */
  open(request: HttpRequest, reply: HttpReply, source: StreamSource): HttpReply {
    reply.headers({
      'content-type': source.contentType,
      // a proxy that buffers the response would deliver it only at its end
      'x-accel-buffering': 'no',
    });
    if (request.method === 'HEAD') {
      source.close();
      return reply.send();
    }
    const release = this.#connections.hold(request.caller);
    if (release === null) {
      source.close();
      throw this.#connections.heldErrorFor(request.caller);
    }
    request.isStream = true;
    reply.hijack();
    const { raw } = reply;
    reply.rawWithHeaders().writeHead(200);
    const transfer = new Transfer(request.raw.socket, () =>
      this.#log.info({ correlationId: request.id }, 'disconnected a client that stopped reading'),
    );
    const response = new StreamResponse(source, raw, this.#limits, this.#answers, transfer);
    const forget = whenAuthorityEnds(request.caller, () => response.cutOff('AUTHORITY_EXPIRED'));
    const done = response
      .run((error) =>
        this.#log.error({ correlationId: request.id, code: error.code, err: error }, 'a stream failed'),
      )
      .finally(() => {
        release();
        forget();
        this.#responses.delete(response);
      });
    this.#responses.set(response, done);
    return reply;
  }

  /**
   * Makes every stream send what is due and then its closing frame. Resolves when all have ended; the signal ends
   * the rest at once.
   */
  async finish(reason: ErrorCode, signal: AbortSignal): Promise<void> {
    for (const response of this.#responses.keys()) response.finish(reason);
    const aborted = new Promise<void>((resolve) => {
      if (signal.aborted) return resolve();
      signal.addEventListener('abort', () => resolve(), { once: true });
    });
    await Promise.race([Promise.all(this.#responses.values()), aborted]);
    for (const response of this.#responses.keys()) response.destroy();
  }
}
