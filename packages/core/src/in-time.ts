import type { Clock } from './contracts/clock.ts';
import { type ErrorCode, RuntimeError } from './contracts/runtime-error.ts';

/**
 * Waits for an attempt, at most `limitMs` milliseconds. A later result is ignored; the attempt itself cannot be
 * cancelled.
 * @throws as the attempt · `code` the attempt took too long
 */
export const inTime = <T>(
  clock: Clock,
  limitMs: number,
  attempt: Promise<T>,
  code: ErrorCode,
  message: string,
): Promise<T> =>
  new Promise((resolve, reject) => {
    const cancel = clock.after(limitMs, () => reject(new RuntimeError(code, message)));
    attempt.then(
      (value) => {
        cancel();
        resolve(value);
      },
      (error: unknown) => {
        cancel();
        reject(error);
      },
    );
  });

export const LATE = 'The store did not answer in time';

/** Waits for an answer of the store, at most `limitMs` milliseconds. @throws as the attempt · STORE_UNAVAILABLE */
export const storeInTime = <T>(clock: Clock, limitMs: number, attempt: Promise<T>): Promise<T> =>
  inTime(clock, limitMs, attempt, 'STORE_UNAVAILABLE', LATE);
