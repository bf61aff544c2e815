import type { Clock } from '../contracts/clock.ts';

interface Timer {
  readonly due: number;
  readonly callback: () => void;
}

/** A clock that stands still until a test moves it. */
export interface ManualClock extends Clock {
  /** Timers that wait to be due. */
  readonly timers: number;
  /**
   * Moves on by `ms`, and calls what falls due on the way, in order of time, then of setting. Before the first timer
   * and after each one the event loop turns a few times, so that what is ready runs: promises, and chains of up to
   * four `setImmediate`. A timer that such work sets within `ms` is called by the same move. Rejects with what a callback throws; the clock then stays
   * where it was called. One move at a time.
   */
  advance(ms: number): Promise<void>;
}

/** A turn of ours may come just before what a callback has set going; one more turn per link of a chain. */
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
    if (!(ms >= 0)) throw new RangeError(`A clock does not go back: advance(${ms})`);
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

  /** The timer that falls due first, no later than `target`. A set keeps the order in which timers were set. */
  #earliest(target: number): Timer | undefined {
    let earliest: Timer | undefined;
    for (const timer of this.#timers) {
      if (timer.due <= target && timer.due < (earliest?.due ?? Number.POSITIVE_INFINITY)) earliest = timer;
    }
    return earliest;
  }
}

/** A clock that is moved by hand, at first at `start`: without one, at a fixed time in 2026. */
export const manualClock = (start: number = Date.UTC(2026, 0, 1)): ManualClock => new SteppedClock(start);
