/** The source of time of a runtime. `manualClock` of `@worker-runtime/core/testing` is one for tests. */
export interface Clock {
  /** Returns the time in milliseconds since the epoch. */
  now(): number;
  /** Calls `callback` once, `delayMs` milliseconds from now. Returns the function that cancels the timer. */
  after(delayMs: number, callback: () => void): () => void;
}

/** The clock of the operating system. */
export const systemClock: Clock = {
  now: () => Date.now(),
  after(delayMs, callback) {
    const timer = setTimeout(callback, Math.min(delayMs, 2_147_483_647));
    return () => clearTimeout(timer);
  },
};
