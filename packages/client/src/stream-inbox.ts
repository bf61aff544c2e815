import type { StreamEvent } from './stream-event.ts';

/** The most text that is buffered for a consumer that does not read, in characters. */
const LIMIT_CHARS = 1_048_576;

/**
 * The buffer of one stream over a socket. It is bounded, because a socket cannot be read more slowly: when it is full, the
 * subscription is cancelled until the consumer has read the buffer.
 */
export class StreamInbox {
  readonly #buffer: { readonly event: StreamEvent; readonly chars: number }[] = [];
  #chars = 0;
  #isFull = false;
  #isEnded = false;
  #failure: unknown = null;
  #wake: () => void = () => {};

  /** Adds the events of a frame with this size. Returns true if the buffer is now full; it then ignores further events. */
  push(events: readonly StreamEvent[], chars: number): boolean {
    if (this.#isFull || this.#isEnded) return false;
    for (const [at, event] of events.entries()) this.#buffer.push({ event, chars: at === 0 ? chars : 0 });
    this.#chars += chars;
    this.#isFull = this.#chars > LIMIT_CHARS;
    this.#wake();
    return this.#isFull;
  }

  /** Accepts events again, after a full buffer was read. */
  reopen(): void {
    this.#isFull = false;
  }

  /** Ends the stream after the buffered events, with `failure` if there is one. */
  end(failure: unknown = null): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    this.#failure = failure;
    this.#wake();
  }

  /**
   * Returns the next event. Returns `full` after the last event before the buffer was full, and null after the last event
   * of the stream.
   * @throws the failure that ended the stream
   */
  async next(): Promise<StreamEvent | 'full' | null> {
    while (this.#buffer.length === 0 && !this.#isFull && !this.#isEnded)
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    const first = this.#buffer.shift();
    if (first) {
      this.#chars -= first.chars;
      return first.event;
    }
    if (this.#failure !== null) throw this.#failure;
    return this.#isEnded ? null : 'full';
  }
}
