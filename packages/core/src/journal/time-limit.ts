import type { Clock } from '../contracts/clock.ts';

interface Attempt {
  readonly dueMs: number;
  readonly timeOut: () => void;
}

/**
 * One time limit for many attempts. All attempts have the same limit, so they time out in the order in which they
 * began and share one timer. One timer for each attempt would be set and cleared on the hot path.
 */
export class TimeLimit {
  readonly #clock: Clock;
  readonly #limitMs: number;
  readonly #error: () => Error;
  readonly #attempts = new Set<Attempt>();
  #cancelTimer: (() => void) | null = null;

  constructor(clock: Clock, limitMs: number, error: () => Error) {
    this.#clock = clock;
    this.#limitMs = limitMs;
    this.#error = error;
  }

  /** Calls `succeeded` or `failed` once: when the attempt settles, or when the limit has passed. */
  watch<T>(attempt: Promise<T>, succeeded: (value: T) => void, failed: (error: unknown) => void): void {
    const entry = { dueMs: this.#clock.now() + this.#limitMs, timeOut: () => failed(this.#error()) };
    this.#attempts.add(entry);
    if (!this.#cancelTimer) this.#arm(this.#limitMs);
    attempt.then(
      (value) => {
        if (this.#attempts.delete(entry)) succeeded(value);
      },
      (error: unknown) => {
        if (this.#attempts.delete(entry)) failed(error);
      },
    );
  }

  /** Cancels the timer for good. Attempts in progress are no longer limited. */
  close(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = () => {};
  }

  #arm(delayMs: number): void {
    this.#cancelTimer = this.#clock.after(delayMs, () => {
      this.#cancelTimer = null;
      const now = this.#clock.now();
      for (const attempt of this.#attempts) {
        if (attempt.dueMs > now) return this.#arm(attempt.dueMs - now);
        this.#attempts.delete(attempt);
        attempt.timeOut();
      }
    });
  }
}
