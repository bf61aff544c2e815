import type { Timing } from './options.ts';

/**
 * How long to pause before a try, after so many failures in a row: doubled each time up to a bound, and spread over
 * its upper half, so that the clients of a runtime that comes back do not all come at once.
 */
export const pauseMs = (
  failures: number,
  { retryMs, retryMaxMs }: Pick<Timing, 'retryMs' | 'retryMaxMs'>,
  random: () => number = Math.random,
): number => {
  const whole = Math.min(retryMaxMs, retryMs * 2 ** Math.min(failures - 1, 30));
  return whole * (0.5 + random() / 2);
};

/** Resolves after the pause, or at once when the signal is aborted. */
export const pause = (ms: number, signal?: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal?.aborted) return resolve();
    const over = (): void => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', over);
      resolve();
    };
    const timer = setTimeout(over, ms);
    signal?.addEventListener('abort', over, { once: true });
  });
