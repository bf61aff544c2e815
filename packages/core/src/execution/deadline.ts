import type { SteadyClock } from '../steady-clock.ts';

/** A deadline that later callers can only shorten: the earliest of all that were asked for counts. */
export class Deadline {
  readonly #clock: SteadyClock;
  #dueMs: number;
  #cancelTimer: () => void;
  #pass: () => void = () => {};
  /** Resolves when the deadline has passed. */
  readonly passed: Promise<void>;

  constructor(clock: SteadyClock, delayMs: number) {
    this.#clock = clock;
    this.passed = new Promise((resolve) => {
      this.#pass = resolve;
    });
    this.#dueMs = clock.steadyMs() + delayMs;
    this.#cancelTimer = clock.after(delayMs, this.#pass);
  }

  /** Makes the deadline pass at the latest in `delayMs` milliseconds. */
  shorten(delayMs: number): void {
    const dueMs = this.#clock.steadyMs() + delayMs;
    if (dueMs >= this.#dueMs) return;
    this.#cancelTimer();
    this.#dueMs = dueMs;
    this.#cancelTimer = this.#clock.after(delayMs, this.#pass);
  }

  /** Cancels the deadline. It does not pass then. */
  cancel(): void {
    this.#cancelTimer();
    this.#dueMs = Number.NEGATIVE_INFINITY;
  }
}
