import type { StreamEvent } from './stream-event.ts';

/** What may wait for a consumer that does not read, in characters; then the runtime is told to hold the rest back. */
const LIMIT_CHARS = 1_048_576;

/** What has come for one stream over a socket, and was not read yet. A socket cannot be read more slowly, so it is bounded. */
export class StreamInbox {
  readonly #waiting: { readonly event: StreamEvent; readonly chars: number }[] = [];
  #chars = 0;
  #isFull = false;
  #isOver = false;
  #failure: unknown = null;
  #wake: () => void = () => {};

  /** Takes what a frame of so many characters says. Returns whether that made it full: nothing more is taken then. */
  push(events: readonly StreamEvent[], chars: number): boolean {
    if (this.#isFull || this.#isOver) return false;
    for (const [at, event] of events.entries()) this.#waiting.push({ event, chars: at === 0 ? chars : 0 });
    this.#chars += chars;
    this.#isFull = this.#chars > LIMIT_CHARS;
    this.#wake();
    return this.#isFull;
  }

  /** It is empty, and takes again. */
  begin(): void {
    this.#isFull = false;
  }

  /** Nothing more comes; `failure` is why, behind what waits. */
  end(failure: unknown = null): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#failure = failure;
    this.#wake();
  }

  /** The next event; `full` once all was read that came before it was full, null where it is over. @throws the failure */
  async next(): Promise<StreamEvent | 'full' | null> {
    while (this.#waiting.length === 0 && !this.#isFull && !this.#isOver)
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    const first = this.#waiting.shift();
    if (first) {
      this.#chars -= first.chars;
      return first.event;
    }
    if (this.#failure !== null) throw this.#failure;
    return this.#isOver ? null : 'full';
  }
}
