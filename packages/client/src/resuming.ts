import type { Cursor, ErrorCode } from '@worker-runtime/core';
import type { Connection, Opened } from './connection.ts';
import type { Timing } from './options.ts';
import { pause, pauseMs } from './pause.ts';
import { foreign, RemoteError, unreachable } from './remote-error.ts';
import { EventReader, type ServerEvent } from './server-events.ts';

/** The last word of a stream. */
export interface Ended {
  readonly type: 'ended';
  readonly code: ErrorCode;
}

/** What a stream is asked for, and what its events mean. */
export interface Feed<Item> {
  readonly path: string;
  readonly query: URLSearchParams;
  /** The item that an event is; null where it says nothing to the consumer. @throws what it ends with */
  read(event: ServerEvent): Item | null;
  /** What to say before going on from a position (null: from the beginning) after a cut. */
  resumed(position: Cursor | null): Item | null;
}

export interface ResumeOptions {
  readonly connection: Connection;
  readonly timing: Timing;
  readonly acrossRestarts: boolean;
  readonly signal: AbortSignal;
}

/**
 * The events of one connection, read only when they are asked for: what is not is held back in the runtime.
 * @throws RUNTIME_UNREACHABLE cut off, or silent for too long · VERSION_UNSUPPORTED
 */
async function* eventsOf({ body, abort }: Opened, silenceMs: number): AsyncGenerator<ServerEvent, void> {
  const reader = body.getReader();
  const events = new EventReader();
  try {
    for (;;) {
      const silent = setTimeout(abort, silenceMs);
      const { done, value } = await reader.read().finally(() => clearTimeout(silent));
      if (done) return;
      yield* events.push(value);
    }
  } catch (cause) {
    throw cause instanceof RemoteError ? cause : unreachable('The stream was cut off', cause);
  } finally {
    abort();
    // what aborting makes of the rest of the body is of no interest
    reader.cancel().catch(() => {});
  }
}

/** Why a stream closes, as its `closing` event says. */
const reasonOf = ({ data }: ServerEvent): ErrorCode =>
  (parsedData(data) as { readonly reason: ErrorCode }).reason;

/** The JSON of an event. @throws VERSION_UNSUPPORTED it is none */
export const parsedData = (data: string): unknown => {
  try {
    return JSON.parse(data);
  } catch (cause) {
    throw foreign(200, cause);
  }
};

/** One stream over as many connections as it takes. */
class Resuming<Item> {
  readonly #feed: Feed<Item>;
  readonly #options: ResumeOptions;
  #position: Cursor | null = null;
  /** Whether there is something to go on with: before, a failure is the caller's to know. */
  #hasBegun = false;
  #failures = 0;
  #failingSince = 0;

  constructor(feed: Feed<Item>, options: ResumeOptions) {
    this.#feed = feed;
    this.#options = options;
  }

  async *items(): AsyncGenerator<Item | Ended, void> {
    const { signal } = this.#options;
    while (!signal.aborted) {
      try {
        const ended = yield* this.#connect();
        if (ended !== null) {
          yield { type: 'ended', code: ended };
          return;
        }
      } catch (error) {
        if (signal.aborted) return;
        // what came of it while nobody was connected cannot be had any more
        if (this.#hasBegun && error instanceof RemoteError && error.code === 'WORKER_NOT_FOUND') {
          yield { type: 'ended', code: error.code };
          return;
        }
        await this.#failed(error);
      }
    }
  }

  /** One connection. Returns why the stream is over; throws where it may go on with another one. */
  async *#connect(): AsyncGenerator<Item, ErrorCode | null> {
    const { connection, timing, signal } = this.#options;
    const { path, query } = this.#feed;
    const headers = this.#position === null ? {} : { 'last-event-id': this.#position };
    const opened = await connection.open({ method: 'GET', path, query, headers, signal });
    const { abort } = opened;
    signal.addEventListener('abort', abort, { once: true });
    if (signal.aborted) abort();
    const isResumed = this.#hasBegun;
    let hasSaid = false;
    try {
      this.#hasBegun = true;
      if (isResumed) yield* this.#said(this.#feed.resumed(this.#position));
      for await (const event of eventsOf(opened, timing.silenceMs)) {
        if (event.event === 'closing') {
          this.#hasBegun = isResumed || hasSaid;
          return this.#closed(reasonOf(event));
        }
        hasSaid = true;
        this.#failures = 0;
        if (event.id !== null) this.#position = event.id;
        yield* this.#said(this.#feed.read(event));
        if (signal.aborted) return null;
      }
    } finally {
      signal.removeEventListener('abort', abort);
    }
    throw unreachable('The stream was cut off');
  }

  *#said(item: Item | null): Generator<Item, void> {
    if (item !== null) yield item;
  }

  /** @throws the reason, where it is none to end with */
  #closed(reason: ErrorCode): ErrorCode {
    const isRestart = reason === 'RUNTIME_STOPPING';
    if (reason === 'WORKER_NOT_FOUND' || (isRestart && !this.#options.acrossRestarts)) return reason;
    if (isRestart) this.#hasBegun = true;
    throw new RemoteError(reason, `The stream was closed: ${reason}`);
  }

  /** Waits for the next try. @throws the error, where another one would not help or was tried for long enough */
  async #failed(error: unknown): Promise<void> {
    if (!this.#hasBegun || !(error instanceof RemoteError) || !error.retryable) throw error;
    const { timing, signal } = this.#options;
    if (this.#failures === 0) this.#failingSince = performance.now();
    else if (performance.now() - this.#failingSince > timing.patienceMs) throw error;
    this.#failures += 1;
    await pause(pauseMs(this.#failures, timing), signal);
  }
}

/**
 * A stream that goes on over cuts, from the position that it had reached. It connects when the first item is asked for;
 * leaving it, or the signal, ends the connection also while nothing comes.
 */
export const resuming = <Item>(
  feed: () => Feed<Item>,
  { signal, ...options }: Omit<ResumeOptions, 'signal'> & { readonly signal: AbortSignal | undefined },
): AsyncIterable<Item | Ended> => ({
  [Symbol.asyncIterator]() {
    const left = new AbortController();
    const leave = (): void => left.abort();
    if (signal?.aborted) leave();
    signal?.addEventListener('abort', leave, { once: true });
    const start = async function* (): AsyncGenerator<Item | Ended, void> {
      try {
        yield* new Resuming(feed(), { ...options, signal: left.signal }).items();
      } finally {
        signal?.removeEventListener('abort', leave);
      }
    };
    const items = start();
    return {
      next: () => items.next(),
      return: () => {
        leave();
        return items.return();
      },
    };
  },
});
