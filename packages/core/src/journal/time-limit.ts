import type { Clock } from '../contracts/clock.ts';

interface Attempt {
  readonly dueMs: number;
  readonly expire: () => void;
}

/**
 * One time limit for many attempts. Since all have the same, they expire in the order in which they began, and one
 * timer is enough for however many are on: at most one a limit is set, where a timer each would be set and cleared
 * on the hot path.
 */
export class TimeLimit {
  readonly #clock: Clock;
  readonly #limitMs: number;
  readonly #error: () => Error;
  readonly #attempts = new Set<Attempt>();
  #callOff: (() => void) | null = null;

  constructor(clock: Clock, limitMs: number, error: () => Error) {
    this.#clock = clock;
    this.#limitMs = limitMs;
    this.#error = error;
  }

  /** Calls `succeeded` or `failed`, once: as the attempt settles, or when the limit is over. */
  watch<T>(attempt: Promise<T>, succeeded: (value: T) => void, failed: (error: unknown) => void): void {
    const entry = { dueMs: this.#clock.now() + this.#limitMs, expire: () => failed(this.#error()) };
    this.#attempts.add(entry);
    if (!this.#callOff) this.#arm(this.#limitMs);
    attempt.then(
      (value) => {
        if (this.#attempts.delete(entry)) succeeded(value);
      },
      (error: unknown) => {
        if (this.#attempts.delete(entry)) failed(error);
      },
    );
  }

  /** Takes the timer away, for good: what is still on is not limited any more. */
  close(): void {
    this.#callOff?.();
    this.#callOff = () => {};
  }

  #arm(delayMs: number): void {
    this.#callOff = this.#clock.after(delayMs, () => {
      this.#callOff = null;
      const now = this.#clock.now();
      for (const attempt of this.#attempts) {
        if (attempt.dueMs > now) return this.#arm(attempt.dueMs - now);
        this.#attempts.delete(attempt);
        attempt.expire();
      }
    });
  }
}
