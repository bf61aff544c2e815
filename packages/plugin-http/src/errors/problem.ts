import { ERROR_CODES, type ErrorCode, type ErrorDetails, type RuntimeError } from '@worker-runtime/core';
import { STATUS_OF } from '@worker-runtime/core/plugin-kit';

export const PROBLEM_TYPE = 'application/problem+json';

/** The body of an error answer, after RFC 9457. The contract of RuntimeError makes `detail` and `details` public. */
export interface Problem {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  readonly code: ErrorCode;
  readonly retryable: boolean;
  readonly details: ErrorDetails;
  readonly correlationId: string;
}

/** Returns the public part of an error. For INTERNAL that is the correlation id only: the cause is in the operator's log. */
export const problemOf = (error: RuntimeError, correlationId: string): Problem => {
  const { code } = error;
  const { title, retryable } = ERROR_CODES[code];
  const isInternal = code === 'INTERNAL';
  return {
    type: `urn:worker-runtime:error:${code.toLowerCase().replaceAll('_', '-')}`,
    title,
    status: STATUS_OF[code],
    detail: isInternal ? title : error.message,
    code,
    retryable,
    details: isInternal ? {} : error.details,
    correlationId,
  };
};

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
