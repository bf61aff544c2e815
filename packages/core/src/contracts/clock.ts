/** Where the runtime gets its time from. `@worker-runtime/core/testing` has one that is moved by hand. */
export interface Clock {
  /** Milliseconds since the epoch. */
  now(): number;
  /** Calls `callback` once, `delayMs` from now. Returns the function that calls it off. */
  after(delayMs: number, callback: () => void): () => void;
}

export const systemClock: Clock = {
  now: () => Date.now(),
  after(delayMs, callback) {
    const timer = setTimeout(callback, Math.min(delayMs, 2_147_483_647));
    return () => clearTimeout(timer);
  },
};
