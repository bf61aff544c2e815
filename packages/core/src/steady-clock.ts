import { type Clock, systemClock } from './contracts/clock.ts';

/** A clock with a second time, which never goes back. Durations are measured with it, because the first one may be set. */
export interface SteadyClock extends Clock {
  /** Returns the milliseconds since a moment that stays the same. */
  steadyMs(): number;
}

/** Adds a steady time to a clock. That of any other clock than the system's follows from its time and from its timers. */
export const steadyClock = (clock: Clock): SteadyClock => {
  if (clock === systemClock) return { ...clock, steadyMs: () => performance.now() };
  let lastMs = clock.now();
  let lostMs = 0;
  const steadyMs = (): number => {
    const nowMs = clock.now();
    if (nowMs < lastMs) lostMs += lastMs - nowMs;
    lastMs = nowMs;
    return nowMs + lostMs;
  };
  return {
    now: () => clock.now(),
    after(delayMs, callback) {
      const dueMs = steadyMs() + delayMs;
      return clock.after(delayMs, () => {
        // a timer shows how much time has passed, also if the clock was set back in between
        const missingMs = dueMs - steadyMs();
        if (missingMs > 0) lostMs += missingMs;
        callback();
      });
    },
    steadyMs,
  };
};
