import type { Clock } from '../contracts/clock.ts';

interface Timer {
  readonly due: number;
  readonly callback: () => void;
}

/** A clock whose time changes only when a test advances it. */
export interface ManualClock extends Clock {
  /** The number of timers that are pending: neither called nor cancelled. */
  readonly timers: number;
  /**
   * Advances the time by `ms` milliseconds and calls each timer that becomes due, in order of due time, then of
   * creation. Before the first timer and after each one it yields to the event loop a few times, so that pending work
   * runs: promises, and chains of up to four `setImmediate`. The same call also runs a timer that such work sets, if
   * it becomes due within `ms`. Rejects with the error of a callback that throws; the time then stays at that
   * timer's due time. Calls must not overlap.
   */
  advance(ms: number): Promise<void>;
}

/** One turn of the event loop per link of a chain of `setImmediate`, and one more in case ours runs first. */
const TURNS = 5;

const settle = async (): Promise<void> => {
  for (let turn = 0; turn < TURNS; turn += 1) await new Promise((resolve) => setImmediate(resolve));
};

class SteppedClock implements ManualClock {
  readonly #timers = new Set<Timer>();
  #now: number;

  constructor(start: number) {
    this.#now = start;
  }

  get timers(): number {
    return this.#timers.size;
  }

  now(): number {
    return this.#now;
  }

  after(delayMs: number, callback: () => void): () => void {
    const timer = { due: this.#now + Math.max(0, delayMs), callback };
    this.#timers.add(timer);
    return () => {
      this.#timers.delete(timer);
    };
  }

  async advance(ms: number): Promise<void> {
    if (!(ms >= 0)) throw new RangeError(`A clock cannot go back: advance(${ms})`);
    const target = this.#now + ms;
    await settle();
    for (let timer = this.#earliest(target); timer; timer = this.#earliest(target)) {
      this.#timers.delete(timer);
      this.#now = timer.due;
      timer.callback();
      await settle();
    }
    this.#now = target;
  }

  /** Returns the timer that is due first, at or before `target`. The Set iterates in the order of creation. */
  #earliest(target: number): Timer | undefined {
    let earliest: Timer | undefined;
    for (const timer of this.#timers) {
      if (timer.due <= target && timer.due < (earliest?.due ?? Number.POSITIVE_INFINITY)) earliest = timer;
    }
    return earliest;
  }
}

/**
 * Makes a clock that a test advances by hand. `start` is its first time, in milliseconds since the epoch; the default
 * is the beginning of 2026, UTC.
 */
export const manualClock = (start: number = Date.UTC(2026, 0, 1)): ManualClock => new SteppedClock(start);
