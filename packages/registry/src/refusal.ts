import { RuntimeError } from '@worker-runtime/core';

/** The difference of clocks that runtimes allow. */
const CLOCK_TOLERANCE_MS = 30_000;

/**
 * Returns the error for a runtime that does not accept the credentials of the registry. If the `Date` of its answer shows that the
 * clocks differ, which makes every signed token invalid, the message says what to do, and `details` has the difference.
 */
export const refusedBy = (runtimeId: string, date: string | null | undefined): RuntimeError => {
  const offsetMs = Date.parse(date ?? '') - Date.now();
  const details = { runtimeId, reason: 'refused' };
  if (!(Math.abs(offsetMs) > CLOCK_TOLERANCE_MS))
    return new RuntimeError(
      'RUNTIME_UNREACHABLE',
      'The runtime does not accept the credentials of this server',
      { details },
    );
  const seconds = Math.round(Math.abs(offsetMs) / 1_000);
  return new RuntimeError(
    'RUNTIME_UNREACHABLE',
    `The runtime does not accept the credentials of this server, and its clock is ${seconds} s ${offsetMs > 0 ? 'ahead' : 'behind'}: synchronize both clocks`,
    { details: { ...details, clockOffsetMs: seconds * 1_000 * Math.sign(offsetMs) } },
  );
};
