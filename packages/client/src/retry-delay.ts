import type { Timing } from './options.ts';

/**
 * Returns the delay before the next try, after a number of failures in a row. It doubles with each failure up to a bound.
 * Jitter spreads it over its upper half, so that the clients of a restarted runtime do not reconnect all at once. It begins after the
 * time that the last answer asked for.
 */
export const retryDelayMs = (
  failures: number,
  { retryMs, retryMaxMs }: Pick<Timing, 'retryMs' | 'retryMaxMs'>,
  retryAfterMs = 0,
  random: () => number = Math.random,
): number => {
  const delayMs = Math.min(retryMaxMs, retryMs * 2 ** Math.min(failures - 1, 30));
  return retryAfterMs + delayMs * (0.5 + random() / 2);
};

/** Resolves after the delay, or as soon as the signal aborts. */
export const delay = (ms: number, signal?: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal?.aborted) return resolve();
    const finish = (): void => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', finish);
      resolve();
    };
    const timer = setTimeout(finish, ms);
    signal?.addEventListener('abort', finish, { once: true });
  });
