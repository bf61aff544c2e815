import type { SteadyClock } from './steady-clock.ts';

/** A member of a `TimeLimit`. The object is reusable: it may be added again after it has ended. */
export class Timed {
  /** Called once when the limit has passed. */
  readonly timeOut: () => void;
  /** The steady time at which it was added last, in ms. Owned by the limit, like the neighbours. */
  sinceMs = 0;
  previous: Timed | null = null;
  next: Timed | null = null;
  isLimited = false;

  constructor(timeOut: () => void) {
    this.timeOut = timeOut;
  }
}

/**
 * One time limit for many. All have the same limit, so they time out in the order in which they were added and share one
 * timer. One timer for each would be set and cleared on the hot path, and so would be one that is cleared whenever no member is
 * left: the timer stays until it fires, or until `close`.
 *
 * The members are a linked list, and one that has ended keeps no links. A `Set` would keep some: when it grows, V8 leaves in
 * the old table a reference to the new one. Once the garbage collector has promoted one such table, it keeps each later
 * table, and all that its members refer to, until the next full collection.
 */
export class TimeLimit {
  readonly #clock: SteadyClock;
  readonly #limitMs: number;
  #first: Timed | null = null;
  #last: Timed | null = null;
  #cancelTimer: (() => void) | null = null;
  #isClosed = false;

  constructor(clock: SteadyClock, limitMs: number) {
    this.#clock = clock;
    this.#limitMs = limitMs;
  }

  /** Begins to limit a member. */
  add(timed: Timed): void {
    const previous = this.#last;
    timed.sinceMs = this.#clock.steadyMs();
    timed.previous = previous;
    timed.isLimited = true;
    if (previous) previous.next = timed;
    else this.#first = timed;
    this.#last = timed;
    if (!this.#cancelTimer && !this.#isClosed) this.#arm(this.#limitMs);
  }

  /** Removes a member that has ended. Has no effect on any other. */
  remove(timed: Timed): void {
    if (!timed.isLimited) return;
    const { previous, next } = timed;
    if (previous) previous.next = next;
    else this.#first = next;
    if (next) next.previous = previous;
    else this.#last = previous;
    timed.previous = null;
    timed.next = null;
    timed.isLimited = false;
  }

  /** Cancels the timer for good. Members that are not removed are no longer limited. */
  close(): void {
    this.#isClosed = true;
    this.#cancelTimer?.();
    this.#cancelTimer = null;
  }

  #arm(delayMs: number): void {
    this.#cancelTimer = this.#clock.after(delayMs, () => {
      this.#cancelTimer = null;
      const now = this.#clock.steadyMs();
      for (let timed = this.#first; timed; timed = this.#first) {
        const dueMs = timed.sinceMs + this.#limitMs;
        if (dueMs > now) return this.#arm(dueMs - now);
        this.remove(timed);
        timed.timeOut();
      }
    });
  }
}
