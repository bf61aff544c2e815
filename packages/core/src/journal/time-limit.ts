import type { Clock } from '../contracts/clock.ts';

/** The callbacks of attempts that have not timed out. */
interface Reactions {
  readonly succeeded: () => void;
  readonly failed: (error: unknown) => void;
}

/**
 * One time limit for many attempts. All attempts have the same limit, so they time out in the order in which they
 * began and share one timer. One timer for each attempt would be set and cleared on the hot path.
 *
 * The attempts in progress are a linked list, and one that has ended keeps no links. A `Set` would keep some: when it grows, V8
 * leaves in the old table a reference to the new one. Once the garbage collector has promoted one such table, it keeps each
 * later table, and all that the attempts in it refer to, until the next full collection.
 */
export class TimeLimit {
  readonly limitMs: number;
  readonly #clock: Clock;
  readonly #error: () => Error;
  #first: Attempt | null = null;
  #last: Attempt | null = null;
  #cancelTimer: (() => void) | null = null;

  constructor(clock: Clock, limitMs: number, error: () => Error) {
    this.limitMs = limitMs;
    this.#clock = clock;
    this.#error = error;
  }

  /** Cancels the timer for good. Attempts in progress are no longer limited. */
  close(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = () => {};
  }

  /** Adds an attempt that begins now. */
  add(attempt: Attempt): void {
    attempt.sinceMs = this.#clock.now();
    const previous = this.#last;
    attempt.previous = previous;
    if (previous) previous.next = attempt;
    else this.#first = attempt;
    this.#last = attempt;
    if (!this.#cancelTimer) this.#arm(this.limitMs);
  }

  /** Removes an attempt that has ended. */
  remove(attempt: Attempt): void {
    const { previous, next } = attempt;
    if (previous) previous.next = next;
    else this.#first = next;
    if (next) next.previous = previous;
    else this.#last = previous;
    attempt.previous = null;
    attempt.next = null;
  }

  #arm(delayMs: number): void {
    this.#cancelTimer = this.#clock.after(delayMs, () => {
      this.#cancelTimer = null;
      const now = this.#clock.now();
      for (let attempt = this.#first; attempt; attempt = this.#first) {
        const dueMs = attempt.sinceMs + this.limitMs;
        if (dueMs > now) return this.#arm(dueMs - now);
        attempt.timeOut(this.#error());
      }
    });
  }
}

/**
 * The attempts of one Worker, of which one at a time is in progress. The object and its callbacks are made once and not for
 * each attempt, because an attempt is made for each commit.
 */
export class Attempt {
  /** When the last attempt began, in ms since the epoch. */
  sinceMs = 0;
  /** The neighbours in the list of the limit. Owned by it. */
  previous: Attempt | null = null;
  next: Attempt | null = null;
  readonly #limit: TimeLimit;
  readonly #succeeded: () => void;
  readonly #failed: (error: unknown) => void;
  #reactions: Reactions | null = null;

  /** For each attempt, one of the two is called once: when it settles, or `failed` when the limit has passed. */
  constructor(limit: TimeLimit, succeeded: () => void, failed: (error: unknown) => void) {
    this.#limit = limit;
    this.#succeeded = succeeded;
    this.#failed = failed;
  }

  /** Begins an attempt. The previous one has ended. */
  watch(attempt: Promise<unknown>): void {
    this.#reactions ??= this.#react();
    this.#limit.add(this);
    attempt.then(this.#reactions.succeeded, this.#reactions.failed);
  }

  /** Ends the attempt with an error. Its outcome has no effect any more. */
  timeOut(error: Error): void {
    this.#reactions = null;
    this.#limit.remove(this);
    this.#failed(error);
  }

  #react(): Reactions {
    const reactions: Reactions = {
      succeeded: () => {
        if (this.#reactions !== reactions) return;
        this.#limit.remove(this);
        this.#succeeded();
      },
      failed: (error) => {
        if (this.#reactions !== reactions) return;
        this.#limit.remove(this);
        this.#failed(error);
      },
    };
    return reactions;
  }
}
