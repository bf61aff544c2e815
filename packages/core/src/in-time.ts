import type { Clock } from './contracts/clock.ts';
import { type ErrorCode, RuntimeError } from './contracts/runtime-error.ts';

/**
 * Waits for an attempt, not longer than `limitMs`. What comes later is dropped: it cannot be called off.
 * @throws as the attempt · `code` it took too long
 */
export const inTime = <T>(
  clock: Clock,
  limitMs: number,
  attempt: Promise<T>,
  code: ErrorCode,
  message: string,
): Promise<T> =>
  new Promise((resolve, reject) => {
    const callOff = clock.after(limitMs, () => reject(new RuntimeError(code, message)));
    attempt.then(
      (value) => {
        callOff();
        resolve(value);
      },
      (error: unknown) => {
        callOff();
        reject(error);
      },
    );
  });

export const LATE = 'The store did not answer in time';

/** @throws as the attempt · STORE_UNAVAILABLE */
export const storeInTime = <T>(clock: Clock, limitMs: number, attempt: Promise<T>): Promise<T> =>
  inTime(clock, limitMs, attempt, 'STORE_UNAVAILABLE', LATE);
