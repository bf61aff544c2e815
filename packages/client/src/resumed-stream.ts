import type { Cursor, ErrorCode } from '@worker-runtime/core';
import type { Timing } from './options.ts';
import { isOfNoRuntime, RemoteError, runtimeReplaced } from './remote-error.ts';
import { delay, retryDelayMs } from './retry-delay.ts';
import type { OpenStream, StreamEvent, StreamRequest } from './stream-event.ts';

/** The last item of a stream. */
export interface Ended {
  readonly type: 'ended';
  readonly code: ErrorCode;
}

/** The parameters of a stream, and the conversion of its events to items. */
export interface Feed<Item> {
  readonly request: StreamRequest;
  /** Returns the item for an event, or null if the consumer need not see it. @throws an error that ends the stream */
  read(event: StreamEvent): Item | null;
  /** Returns an item to emit after a reconnect, before the stream resumes at a position (null: at the beginning). */
  resumed(position: Cursor | null): Item | null;
}

export interface ResumeOptions {
  readonly open: OpenStream;
  /** Returns the id of the runtime that answers now. */
  readonly identify: (signal: AbortSignal) => Promise<string>;
  readonly timing: Timing;
  readonly acrossRestarts: boolean;
  readonly onConnection: ((lost: RemoteError | null) => void) | undefined;
  readonly signal: AbortSignal;
}

/** Returns the reason in a `closing` event. */
const reasonOf = ({ data }: StreamEvent): ErrorCode => (data as { readonly reason: ErrorCode }).reason;

/** Codes that any other runtime returns as well, for a Worker that it never had. */
const AMBIGUOUS = new Set<ErrorCode>(['WORKER_NOT_FOUND', 'CURSOR_FOREIGN']);

/** The time after which the end of a connection is no failure, although nothing happened on it: some proxies end silent ones. */
const STEADY_MS = 5_000;

/** Codes of a runtime whose process ends. Another process may serve the same Workers soon. */
const ENDS_OF_PROCESS = new Set<ErrorCode>(['RUNTIME_STOPPING', 'RUNTIME_MOVED', 'STORE_LOST']);

/** A stream over any number of connections. */
class ResumedStream<Item> {
  readonly #feed: Feed<Item>;
  readonly #options: ResumeOptions;
  #position: Cursor | null = null;
  /** True once the stream has begun. An earlier failure is not retried but passed to the caller. */
  #hasBegun = false;
  /** True once a runtime has sent its id or an event, so that the address is right. */
  #isKnown = false;
  /** The id of the runtime that the stream began with. Null if that runtime did not send it. */
  #runtimeId: string | null = null;
  #failures = 0;
  /** True while the consumer knows that the connection is lost. */
  #isLost = false;
  /** The time at which the present connection was opened. */
  #openedAt = Number.POSITIVE_INFINITY;
  /** The time of the last failure, and the time that the retries after the first one have taken. */
  #failedAt = 0;
  #spentMs = 0;
  /** The delay before the present try. */
  #delayMs = 0;

  constructor(feed: Feed<Item>, options: ResumeOptions) {
    this.#feed = feed;
    this.#options = options;
  }

  async *items(): AsyncGenerator<Item | Ended, void> {
    const { signal } = this.#options;
    while (!signal.aborted) {
      try {
        const endCode = yield* this.#readConnection();
        if (endCode !== null) {
          yield { type: 'ended', code: endCode };
          return;
        }
      } catch (failure) {
        const error = this.#hasBegun && !signal.aborted ? await this.#checkRuntime(failure) : failure;
        if (signal.aborted) return;
        // the Worker was deleted between two connections, so its last events cannot be read any more
        if (this.#hasBegun && error instanceof RemoteError && error.code === 'WORKER_NOT_FOUND') {
          yield { type: 'ended', code: error.code };
          return;
        }
        await this.#delayRetry(error);
      }
    }
  }

  /**
   * Reads one connection. Returns the code that ends the stream, or null if another connection resumes it. A thrown error
   * may also lead to another connection.
   */
  async *#readConnection(): AsyncGenerator<Item, ErrorCode | null> {
    const { open, signal } = this.#options;
    const { request } = this.#feed;
    const isResumed = this.#hasBegun;
    let hasReceived = false;
    for await (const event of open({ ...request, after: this.#position ?? request.after }, signal)) {
      if (event.event === 'open') {
        const isReopened = this.#hasBegun;
        this.#runtimeId ??= event.data as string | null;
        this.#isKnown ||= this.#runtimeId !== null;
        this.#hasBegun = true;
        this.#openedAt = performance.now();
        if (this.#isLost) this.#options.onConnection?.(null);
        this.#isLost = false;
        if (isReopened) yield* this.#emit(this.#feed.resumed(this.#position));
        continue;
      }
      if (event.event === 'closing') {
        this.#hasBegun = isResumed || hasReceived;
        return this.#endCodeOf(reasonOf(event));
      }
      hasReceived = true;
      this.#isKnown = true;
      this.#failures = 0;
      if (event.id !== null) this.#position = event.id;
      yield* this.#emit(this.#feed.read(event));
      if (signal.aborted) return null;
    }
    return null;
  }

  *#emit(item: Item | null): Generator<Item, void> {
    if (item !== null) yield item;
  }

  /** Returns the reason of a `closing` event if it ends the stream. @throws the reason as an error, if it does not */
  #endCodeOf(reason: ErrorCode): ErrorCode {
    const isRestart = ENDS_OF_PROCESS.has(reason);
    const isGone = reason === 'WORKER_NOT_FOUND' || reason === 'CURSOR_EXPIRED';
    if (isGone || (isRestart && !this.#options.acrossRestarts)) return reason;
    if (isRestart) this.#hasBegun = true;
    throw new RemoteError(reason, `The stream was closed: ${reason}`);
  }

  /**
   * Checks that an ambiguous failure comes from the runtime that the stream began with. Returns the failure itself, the
   * error for a replaced runtime, or the error of the check.
   */
  async #checkRuntime(failure: unknown): Promise<unknown> {
    const { identify, signal } = this.#options;
    const expected = this.#runtimeId;
    if (expected === null || !(failure instanceof RemoteError) || !AMBIGUOUS.has(failure.code))
      return failure;
    return identify(signal).then(
      (current) => (current === expected ? failure : runtimeReplaced(expected)),
      (error: unknown) => error,
    );
  }

  /** Waits before the next try. @throws the error, if it is not retryable or the patience is over */
  async #delayRetry(error: unknown): Promise<void> {
    if (!this.#hasBegun || !(error instanceof RemoteError)) throw error;
    const { timing, signal, acrossRestarts } = this.#options;
    const isPassing = error.retryable || (this.#isKnown && isOfNoRuntime(error));
    if (!isPassing && !(acrossRestarts && ENDS_OF_PROCESS.has(error.code))) throw error;
    if (!this.#isLost) this.#options.onConnection?.(error);
    this.#isLost = true;
    const now = performance.now();
    if (now - this.#openedAt >= Math.min(STEADY_MS, timing.retryMaxMs)) this.#failures = 0;
    this.#openedAt = Number.POSITIVE_INFINITY;
    // a retry that took longer than it can was paused, as on a laptop that is closed
    const longestMs = Math.max(this.#delayMs, timing.retryMaxMs) + timing.timeoutMs;
    const tookMs = Math.min(now - this.#failedAt, longestMs);
    this.#spentMs = this.#failures === 0 ? 0 : this.#spentMs + tookMs;
    this.#failedAt = now;
    if (this.#spentMs > timing.patienceMs) throw error;
    this.#failures += 1;
    // one try at the end of the patience, also if the answer asks for a longer wait
    const restMs = Math.max(0, timing.patienceMs - this.#spentMs);
    this.#delayMs = retryDelayMs(this.#failures, timing, Math.min(error.retryAfterMs ?? 0, restMs));
    await delay(this.#delayMs, signal);
  }
}

/**
 * Creates a stream that reconnects and resumes from its last position. It connects when the first item is requested.
 * Leaving the iteration, or aborting the signal, ends the connection even while no item arrives.
 */
export const resumedStream = <Item>(
  createFeed: () => Feed<Item>,
  { signal, ...options }: Omit<ResumeOptions, 'signal'> & { readonly signal: AbortSignal | undefined },
): AsyncIterable<Item | Ended> => ({
  [Symbol.asyncIterator]() {
    const controller = new AbortController();
    const leave = (): void => controller.abort();
    if (signal?.aborted) leave();
    signal?.addEventListener('abort', leave, { once: true });
    const start = async function* (): AsyncGenerator<Item | Ended, void> {
      try {
        yield* new ResumedStream(createFeed(), { ...options, signal: controller.signal }).items();
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
