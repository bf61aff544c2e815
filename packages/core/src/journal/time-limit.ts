import type { Clock } from '../contracts/clock.ts';

/** An attempt in progress. It knows its neighbours, so that it can be removed in constant time. */
interface Attempt {
  readonly dueMs: number;
  timeOut: (() => void) | null;
  previous: Attempt | null;
  next: Attempt | null;
}

/**
 * One time limit for many attempts. All attempts have the same limit, so they time out in the order in which they
 * began and share one timer. One timer for each attempt would be set and cleared on the hot path.
 *
 * The attempts are a linked list, and one that has ended keeps no links. A `Set` would keep some: when it grows, V8 leaves in
 * the old table a reference to the new one. Once the garbage collector has promoted one such table, it keeps each later
 * table, and all that the attempts in it refer to, until the next full collection.
 */
export class TimeLimit {
  readonly #clock: Clock;
  readonly #limitMs: number;
  readonly #error: () => Error;
  #first: Attempt | null = null;
  #last: Attempt | null = null;
  #cancelTimer: (() => void) | null = null;

  constructor(clock: Clock, limitMs: number, error: () => Error) {
    this.#clock = clock;
    this.#limitMs = limitMs;
    this.#error = error;
  }

  /** Calls `succeeded` or `failed` once: when the attempt settles, or when the limit has passed. */
  watch<T>(attempt: Promise<T>, succeeded: (value: T) => void, failed: (error: unknown) => void): void {
    const entry = this.#begin(failed);
    attempt.then(
      (value) => {
        if (this.#end(entry)) succeeded(value);
      },
      (error: unknown) => {
        if (this.#end(entry)) failed(error);
      },
    );
  }

  /** Cancels the timer for good. Attempts in progress are no longer limited. */
  close(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = () => {};
  }

  #begin(failed: (error: unknown) => void): Attempt {
    const previous = this.#last;
    const entry: Attempt = {
      dueMs: this.#clock.now() + this.#limitMs,
      timeOut: () => failed(this.#error()),
      previous,
      next: null,
    };
    if (previous) previous.next = entry;
    else this.#first = entry;
    this.#last = entry;
    if (!this.#cancelTimer) this.#arm(this.#limitMs);
    return entry;
  }

  /** Removes an attempt. Returns false if it has ended before. */
  #end(entry: Attempt): boolean {
    if (!entry.timeOut) return false;
    const { previous, next } = entry;
    if (previous) previous.next = next;
    else this.#first = next;
    if (next) next.previous = previous;
    else this.#last = previous;
    entry.previous = null;
    entry.next = null;
    entry.timeOut = null;
    return true;
  }

  #arm(delayMs: number): void {
    this.#cancelTimer = this.#clock.after(delayMs, () => {
      this.#cancelTimer = null;
      const now = this.#clock.now();
      for (let attempt = this.#first; attempt; attempt = this.#first) {
        if (attempt.dueMs > now) return this.#arm(attempt.dueMs - now);
        const { timeOut } = attempt;
        this.#end(attempt);
        timeOut?.();
      }
    });
  }
}
