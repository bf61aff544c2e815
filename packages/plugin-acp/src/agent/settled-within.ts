import { setTimeout as delay } from 'node:timers/promises';

/** Resolves when the promise has resolved, or after `ms` milliseconds. */
export const settledWithin = async (promise: Promise<unknown>, ms: number): Promise<void> => {
  const timer = new AbortController();
  await Promise.race([promise, delay(ms, undefined, { signal: timer.signal }).catch(() => {})]);
  timer.abort();
};
