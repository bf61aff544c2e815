import type { Cursor, ErrorCode } from '@worker-runtime/core';
import type { Timing } from './options.ts';
import { RemoteError, replaced } from './remote-error.ts';
import { pause, pauseMs } from './retry-delay.ts';
import type { OpenStream, StreamAsk, StreamEvent } from './stream-event.ts';

/** The last word of a stream. */
export interface Ended {
  readonly type: 'ended';
  readonly code: ErrorCode;
}

/** What a stream is asked for, and what its events mean. */
export interface Feed<Item> {
  readonly ask: StreamAsk;
  /** The item that an event is; null where it says nothing to the consumer. @throws what it ends with */
  read(event: StreamEvent): Item | null;
  /** What to say before going on from a position (null: from the beginning) after a cut. */
  resumed(position: Cursor | null): Item | null;
}

export interface ResumeOptions {
  readonly open: OpenStream;
  /** The id of the runtime that answers now. */
  readonly identify: (signal: AbortSignal) => Promise<string>;
  readonly timing: Timing;
  readonly acrossRestarts: boolean;
  readonly signal: AbortSignal;
}

/** Why a stream closes, as its `closing` event says. */
const reasonOf = ({ data }: StreamEvent): ErrorCode => (data as { readonly reason: ErrorCode }).reason;

/** What another runtime says as well of a Worker that it never had. */
const OF_ANYBODY = new Set<ErrorCode>(['WORKER_NOT_FOUND', 'CURSOR_FOREIGN']);

/** One stream over as many connections as it takes. */
class Resuming<Item> {
  readonly #feed: Feed<Item>;
  readonly #options: ResumeOptions;
  #position: Cursor | null = null;
  /** Whether there is something to go on with: before, a failure is the caller's to know. */
  #hasBegun = false;
  /** The runtime that it began with; null where that did not say. */
  #home: string | null = null;
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
      } catch (failure) {
        const error = this.#hasBegun && !signal.aborted ? await this.#atHome(failure) : failure;
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

  /** One connection. Returns why the stream is over, null where it goes on with another one, as after what it throws. */
  async *#connect(): AsyncGenerator<Item, ErrorCode | null> {
    const { open, signal } = this.#options;
    const { ask } = this.#feed;
    const isResumed = this.#hasBegun;
    let hasSaid = false;
    for await (const event of open({ ...ask, after: this.#position ?? ask.after }, signal)) {
      if (event.event === 'open') {
        const isAgain = this.#hasBegun;
        this.#home ??= event.data as string | null;
        this.#hasBegun = true;
        if (isAgain) yield* this.#said(this.#feed.resumed(this.#position));
        continue;
      }
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
    return null;
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

  /** A failure as it is, unless it is what another runtime says; or why that cannot be told. */
  async #atHome(failure: unknown): Promise<unknown> {
    const { identify, signal } = this.#options;
    const home = this.#home;
    if (home === null || !(failure instanceof RemoteError) || !OF_ANYBODY.has(failure.code)) return failure;
    return identify(signal).then(
      (now) => (now === home ? failure : replaced(home)),
      (error: unknown) => error,
    );
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
