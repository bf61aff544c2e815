import { setTimeout as delay } from 'node:timers/promises';

/** Resolves with the promise, or after so long. */
export const settledWithin = async (promise: Promise<unknown>, ms: number): Promise<void> => {
  const over = new AbortController();
  await Promise.race([promise, delay(ms, undefined, { signal: over.signal }).catch(() => {})]);
  over.abort();
};
