import { ERROR_CODES, type ErrorCode, type RuntimeError } from '@worker-runtime/core';
import { type Problem, problemOf, STATUS_OF } from '@worker-runtime/core/plugin-kit';

/** A problem with the id of its request, by which the operator's log has the cause. */
export interface CorrelatedProblem extends Problem {
  readonly correlationId: string;
}

/** Returns the body of the answer for an error. */
export const correlatedProblem = (error: RuntimeError, correlationId: string): CorrelatedProblem => ({
  ...problemOf(error),
  correlationId,
});

/** Returns the seconds to wait before a retry; null if waiting does not help. */
export const retryAfterOf = (code: ErrorCode): number | null => {
  if (code === 'WORKER_BUSY') return 1;
  const status = STATUS_OF[code];
  if (status === 429) return 5;
  return status === 503 && ERROR_CODES[code].retryable ? 1 : null;
};

/**
 * True if the error can go away by itself. A stream then sends `closing` instead of an error status, after which an
 * EventSource would never reconnect.
 */
export const isTransient = (code: ErrorCode): boolean =>
  STATUS_OF[code] === 429 || STATUS_OF[code] === 503 || STATUS_OF[code] === 507;
