import { ERROR_CODES, type ErrorCode, type ErrorDetails, type RuntimeError } from '@worker-runtime/core';

/** The HTTP status of every error code. The type makes a new code of core a compile error until it has one. */
export const STATUS_OF: Readonly<Record<ErrorCode, number>> = {
  INVALID_REQUEST: 400,
  LIMIT_TOO_LARGE: 400,
  CURSOR_INVALID: 400,
  CURSOR_FOREIGN: 400,
  UNAUTHENTICATED: 401,
  AUTHORITY_EXPIRED: 401,
  FORBIDDEN: 403,
  RUNTIME_NOT_FOUND: 404,
  WORKER_NOT_FOUND: 404,
  BUNDLE_NOT_FOUND: 404,
  FILE_NOT_FOUND: 404,
  RUN_NOT_FOUND: 404,
  REQUEST_NOT_FOUND: 404,
  ROUTE_NOT_FOUND: 404,
  METHOD_NOT_ALLOWED: 405,
  NOT_ACCEPTABLE: 406,
  REQUEST_TIMEOUT: 408,
  WORKER_BUSY: 409,
  WORKER_STOPPED: 409,
  WORKER_NOT_STOPPED: 409,
  WORKER_EXISTS: 409,
  WORKER_DAMAGED: 409,
  RUN_MISMATCH: 409,
  REQUEST_RESOLVED: 409,
  IDEMPOTENCY_IN_FLIGHT: 409,
  CLAIM_CONFLICT: 409,
  STORE_CONFLICT: 409,
  OPERATION_UNSUPPORTED: 409,
  CURSOR_EXPIRED: 410,
  PAYLOAD_TOO_LARGE: 413,
  UNSUPPORTED_MEDIA_TYPE: 415,
  IDEMPOTENCY_MISMATCH: 422,
  BUNDLE_DIGEST_MISMATCH: 422,
  PROFILE_INVALID: 422,
  ENGINE_UNKNOWN: 422,
  TOOL_UNKNOWN: 422,
  CONFIG_UNSUPPORTED: 422,
  VERSION_UNSUPPORTED: 426,
  LIMIT_REACHED: 429,
  HEADERS_TOO_LARGE: 431,
  INTERNAL: 500,
  RUNTIME_NOT_READY: 503,
  RUNTIME_STOPPING: 503,
  RUNTIME_MOVED: 503,
  RUNTIME_UNREACHABLE: 503,
  LOGIN_UNAVAILABLE: 503,
  ENGINE_UNAVAILABLE: 503,
  STORE_UNAVAILABLE: 503,
  STORE_LOST: 503,
  STORE_CORRUPT: 503,
  STORE_FULL: 507,
  // these refuse a start or end a run; as the answer to a request they are server errors
  STORE_LOCKED: 503,
  STORE_VERSION: 500,
  STORE_INCOMPLETE: 500,
  ARCHIVE_CORRUPT: 400,
  PLUGIN_UNKNOWN: 500,
  PLUGIN_CONFLICT: 500,
  PLUGIN_FAILED: 500,
  PLUGIN_TIMEOUT: 500,
  ENGINE_FAILED: 500,
  EXECUTION_LOST: 500,
  RUN_DEADLINE: 500,
  OUTPUT_TOO_LARGE: 500,
  CONTEXT_LIMIT: 500,
};

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
