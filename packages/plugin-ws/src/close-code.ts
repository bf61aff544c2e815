import type { ErrorCode } from '@worker-runtime/core';

// the close codes of RFC 6455 and the IANA registry
const goingAway = 1001;
const policy = 1008;
const tooBig = 1009;
const internal = 1011;
const tryAgainLater = 1013;

/** The close code for every error code. 1013 means that a new connection may succeed later. */
export const CLOSE_CODE_OF: Readonly<Record<ErrorCode, number>> = {
  INVALID_REQUEST: policy,
  LIMIT_TOO_LARGE: policy,
  CURSOR_INVALID: policy,
  CURSOR_FOREIGN: policy,
  CURSOR_EXPIRED: policy,
  UNSUPPORTED_MEDIA_TYPE: policy,
  NOT_ACCEPTABLE: policy,
  VERSION_UNSUPPORTED: policy,
  UNAUTHENTICATED: policy,
  FORBIDDEN: policy,
  RUNTIME_NOT_FOUND: policy,
  WORKER_NOT_FOUND: policy,
  BUNDLE_NOT_FOUND: policy,
  FILE_NOT_FOUND: policy,
  RUN_NOT_FOUND: policy,
  REQUEST_NOT_FOUND: policy,
  ROUTE_NOT_FOUND: policy,
  METHOD_NOT_ALLOWED: policy,
  WORKER_STOPPED: policy,
  WORKER_NOT_STOPPED: policy,
  WORKER_EXISTS: policy,
  RUN_MISMATCH: policy,
  REQUEST_RESOLVED: policy,
  OPERATION_UNSUPPORTED: policy,
  IDEMPOTENCY_MISMATCH: policy,
  BUNDLE_DIGEST_MISMATCH: policy,
  PROFILE_INVALID: policy,
  ENGINE_UNKNOWN: policy,
  TOOL_UNKNOWN: policy,
  CONFIG_UNSUPPORTED: policy,

  PAYLOAD_TOO_LARGE: tooBig,
  HEADERS_TOO_LARGE: tooBig,
  OUTPUT_TOO_LARGE: tooBig,

  RUNTIME_STOPPING: goingAway,
  RUNTIME_MOVED: goingAway,
  STORE_LOST: goingAway,

  REQUEST_TIMEOUT: tryAgainLater,
  AUTHORITY_EXPIRED: tryAgainLater,
  LOGIN_UNAVAILABLE: tryAgainLater,
  WORKER_BUSY: tryAgainLater,
  CLAIM_CONFLICT: tryAgainLater,
  IDEMPOTENCY_IN_FLIGHT: tryAgainLater,
  LIMIT_REACHED: tryAgainLater,
  RUNTIME_NOT_READY: tryAgainLater,
  RUNTIME_UNREACHABLE: tryAgainLater,
  ENGINE_UNAVAILABLE: tryAgainLater,
  STORE_UNAVAILABLE: tryAgainLater,
  STORE_FULL: tryAgainLater,
  STORE_LOCKED: tryAgainLater,
  PLUGIN_TIMEOUT: tryAgainLater,
  EXECUTION_LOST: tryAgainLater,

  WORKER_DAMAGED: internal,
  STORE_CORRUPT: internal,
  STORE_CONFLICT: internal,
  STORE_VERSION: internal,
  STORE_INCOMPLETE: internal,
  ARCHIVE_CORRUPT: internal,
  INTERNAL: internal,
  PLUGIN_UNKNOWN: internal,
  PLUGIN_CONFLICT: internal,
  PLUGIN_FAILED: internal,
  ENGINE_FAILED: internal,
  RUN_DEADLINE: internal,
  CONTEXT_LIMIT: internal,
};
