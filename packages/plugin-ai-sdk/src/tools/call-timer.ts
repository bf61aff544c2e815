/** The time limit of a tool call. It can be paused: a call does not take longer because people are asked. */
export class CallTimer {
  readonly #exceeded: () => void;
  #restMs: number;
  #startedAt = 0;
  #timer: NodeJS.Timeout | null = null;

  constructor(limitMs: number, exceeded: () => void) {
    this.#restMs = limitMs;
    this.#exceeded = exceeded;
  }

  /** Starts the timer, or continues it after a pause. */
  start(): void {
    if (this.#timer) return;
    this.#startedAt = performance.now();
    this.#timer = setTimeout(this.#exceeded, this.#restMs);
  }

  pause(): void {
    if (!this.#timer) return;
    clearTimeout(this.#timer);
    this.#timer = null;
    this.#restMs = Math.max(1, this.#restMs - (performance.now() - this.#startedAt));
  }
}
