import type { ServerResponse } from 'node:http';
import { type ErrorCode, type Logger, RuntimeError } from '@worker-runtime/core';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { LiveSource } from './stream-source.ts';

export interface LiveLimits {
  /** How long a stream may be quiet before it says where it is. */
  readonly bookmarkMs: number;
  /** How long a client may leave a write lying. */
  readonly stallMs: number;
}

/** Stored lines in a write; what names their positions comes on top. */
const WRITE_BYTES = 49_152;

/**
 * One answer that stays open. It takes from its source only when all it wrote has left the process, so that a client
 * that stops reading holds one write and a position, and costs nobody else anything.
 */
class LiveAnswer {
  readonly #source: LiveSource;
  readonly #raw: ServerResponse;
  readonly #limits: LiveLimits;
  readonly #stalled: () => void;
  #isClosed = false;
  #isDue = false;
  #finishing: ErrorCode | null = null;
  #wake: () => void = () => {};

  /** `stalled` is told before a client is cut that takes nothing. */
  constructor(source: LiveSource, raw: ServerResponse, limits: LiveLimits, stalled: () => void) {
    this.#source = source;
    this.#raw = raw;
    this.#limits = limits;
    this.#stalled = stalled;
    const closed = (): void => {
      this.#isClosed = true;
      this.#wake();
    };
    raw.once('close', closed);
    raw.on('error', closed);
  }

  /** Says all that is due, then why it ends. */
  finish(reason: ErrorCode): void {
    this.#finishing ??= reason;
    this.#wake();
  }

  destroy(): void {
    this.#raw.destroy();
  }

  /** Resolves when the answer is over, however it ended. `failed` is told what the source failed with. */
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

  /** Writes what is due until there is a reason to end, or nobody left to tell it. */
  async #feed(): Promise<ErrorCode | null> {
    await this.#write(this.#source.opening);
    while (!this.#isClosed) {
      this.#isDue = false;
      const bytes = await this.#source.next(WRITE_BYTES, this.#due);
      if (bytes !== null) {
        await this.#write(bytes);
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

  /** Resolves when something is due, the answer has to end, or, with false, when it was quiet for long. */
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

  #write(bytes: string | Uint8Array): Promise<void> {
    if (bytes.length === 0) return Promise.resolve();
    return this.#leaves((left) => void this.#raw.write(bytes, left));
  }

  #end(bytes: string): Promise<void> {
    return this.#leaves((left) => void this.#raw.end(bytes, left));
  }

  /** Resolves when the bytes have left the process, or never will. A client that leaves them lying too long is let go. */
  #leaves(send: (left: () => void) => void): Promise<void> {
    return new Promise((resolve) => {
      if (this.#isClosed) return resolve();
      const stalled = setTimeout(() => {
        this.#stalled();
        this.#raw.destroy();
      }, this.#limits.stallMs);
      this.#wake = () => {
        if (!this.#isClosed) return;
        clearTimeout(stalled);
        resolve();
      };
      send(() => {
        clearTimeout(stalled);
        resolve();
      });
    });
  }
}

/** All answers of a listener that stay open. */
export class LiveAnswers {
  readonly #limits: LiveLimits;
  readonly #log: Logger;
  readonly #answers = new Map<LiveAnswer, Promise<void>>();

  constructor(limits: LiveLimits, log: Logger) {
    this.#limits = limits;
    this.#log = log;
  }

  /** How many are open. */
  get size(): number {
    return this.#answers.size;
  }

  /** Takes a reply over and feeds it until either side ends it. */
  open(request: FastifyRequest, reply: FastifyReply, source: LiveSource): FastifyReply {
    reply.headers({
      'content-type': source.contentType,
      // a proxy that collects the answer first would show it when it is over
      'x-accel-buffering': 'no',
    });
    if (request.method === 'HEAD') {
      source.close();
      return reply.send();
    }
    request.isLive = true;
    reply.hijack();
    const { raw } = reply;
    raw.writeHead(200, reply.getHeaders() as Record<string, string>);
    const answer = new LiveAnswer(source, raw, this.#limits, () =>
      this.#log.info({ correlationId: request.id }, 'a client that stopped reading is cut'),
    );
    const done = answer
      .run((error) =>
        this.#log.error({ correlationId: request.id, code: error.code, err: error }, 'a stream failed'),
      )
      .finally(() => this.#answers.delete(answer));
    this.#answers.set(answer, done);
    return reply;
  }

  /** Lets every stream say what is due and then why it closes. Resolves when all are over, or the signal cut them. */
  async finish(reason: ErrorCode, signal: AbortSignal): Promise<void> {
    for (const answer of this.#answers.keys()) answer.finish(reason);
    const cut = new Promise<void>((resolve) => {
      if (signal.aborted) return resolve();
      signal.addEventListener('abort', () => resolve(), { once: true });
    });
    await Promise.race([Promise.all(this.#answers.values()), cut]);
    for (const answer of this.#answers.keys()) answer.destroy();
  }
}
