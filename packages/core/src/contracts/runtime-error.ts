/**
 * The one table of error codes. Codes are stable and part of the public API; titles and messages are free.
 * `retryable` says whether the same call may succeed later without a change by the caller.
 * Transports map codes to their own statuses with a `Record<ErrorCode, …>`, so that a new code cannot be forgotten.
 */
export const ERROR_CODES = {
  // what the caller said
  INVALID_REQUEST: { title: 'The request is not valid', retryable: false },
  LIMIT_TOO_LARGE: { title: 'More was asked for than one answer may carry', retryable: false },
  CURSOR_INVALID: { title: 'The cursor cannot be read', retryable: false },
  CURSOR_FOREIGN: { title: 'The cursor belongs to another log', retryable: false },
  CURSOR_EXPIRED: { title: 'The position of the cursor is gone', retryable: false },
  PAYLOAD_TOO_LARGE: { title: 'The payload is too large', retryable: false },
  UNSUPPORTED_MEDIA_TYPE: { title: 'The media type is not supported', retryable: false },
  NOT_ACCEPTABLE: { title: 'No acceptable representation', retryable: false },
  HEADERS_TOO_LARGE: { title: 'The headers are too large', retryable: false },
  REQUEST_TIMEOUT: { title: 'The request did not arrive in time', retryable: true },
  VERSION_UNSUPPORTED: { title: 'The version is not supported', retryable: false },
  UNAUTHENTICATED: { title: 'Authentication is required', retryable: false },
  FORBIDDEN: { title: 'The permission is missing', retryable: false },
  // what is not there
  RUNTIME_NOT_FOUND: { title: 'No such runtime', retryable: false },
  WORKER_NOT_FOUND: { title: 'No such Worker', retryable: false },
  BUNDLE_NOT_FOUND: { title: 'No such bundle', retryable: false },
  RUN_NOT_FOUND: { title: 'No such run', retryable: false },
  REQUEST_NOT_FOUND: { title: 'No such request', retryable: false },
  ROUTE_NOT_FOUND: { title: 'No such route', retryable: false },
  METHOD_NOT_ALLOWED: { title: 'The method is not allowed here', retryable: false },
  // what does not fit the present state
  WORKER_BUSY: { title: 'The Worker is busy with a run', retryable: true },
  WORKER_STOPPED: { title: 'The Worker is stopped', retryable: false },
  WORKER_NOT_STOPPED: { title: 'The Worker is not stopped', retryable: false },
  WORKER_EXISTS: { title: 'The Worker exists already', retryable: false },
  WORKER_DAMAGED: { title: 'The log of the Worker is damaged', retryable: false },
  RUN_MISMATCH: { title: 'Another run is on', retryable: false },
  REQUEST_RESOLVED: { title: 'The request is resolved already', retryable: false },
  CLAIM_CONFLICT: { title: 'A claim conflicts with that of another Worker', retryable: true },
  OPERATION_UNSUPPORTED: { title: 'The operation is not supported here', retryable: false },
  IDEMPOTENCY_IN_FLIGHT: { title: 'The first call with this idempotency key is still on', retryable: true },
  IDEMPOTENCY_MISMATCH: { title: 'The idempotency key was used for another request', retryable: false },
  // what a creation refers to
  BUNDLE_DIGEST_MISMATCH: { title: 'The bundle does not match its digest', retryable: false },
  PROFILE_INVALID: { title: 'The profile is missing or not valid', retryable: false },
  ENGINE_UNKNOWN: { title: 'No such engine', retryable: false },
  TOOL_UNKNOWN: { title: 'No such tool', retryable: false },
  CONFIG_UNSUPPORTED: { title: 'The configuration is not supported', retryable: false },
  // what the runtime cannot do now
  LIMIT_REACHED: { title: 'A limit is reached', retryable: true },
  RUNTIME_NOT_READY: { title: 'The runtime is not ready', retryable: true },
  RUNTIME_STOPPING: { title: 'The runtime is stopping', retryable: true },
  /** Said by whoever stands between, never by the runtime: what was asked may have been done or not. */
  RUNTIME_UNREACHABLE: { title: 'The runtime cannot be reached', retryable: true },
  ENGINE_UNAVAILABLE: { title: 'The engine is not available', retryable: true },
  STORE_UNAVAILABLE: { title: 'The store is not available', retryable: true },
  STORE_FULL: { title: 'The store is full', retryable: true },
  /** The store belongs to another process, or its place is gone. Another process may serve the same store. */
  STORE_LOST: { title: 'The runtime has lost its store', retryable: false },
  STORE_CORRUPT: { title: 'The store is corrupt', retryable: false },
  STORE_CONFLICT: { title: 'The log is not where the writer expected it', retryable: false },
  INTERNAL: { title: 'An internal error occurred', retryable: false },
  // why a runtime does not start
  STORE_LOCKED: { title: 'Another process uses the store', retryable: true },
  STORE_VERSION: { title: 'The store has another format version', retryable: false },
  PLUGIN_UNKNOWN: { title: 'No such plugin', retryable: false },
  PLUGIN_CONFLICT: { title: 'Two plugins provide the same thing', retryable: false },
  PLUGIN_FAILED: { title: 'A plugin failed', retryable: false },
  PLUGIN_TIMEOUT: { title: 'A plugin took too long', retryable: true },
  // why a run failed
  ENGINE_FAILED: { title: 'The engine failed', retryable: false },
  EXECUTION_LOST: { title: 'The execution was lost', retryable: true },
  RUN_DEADLINE: { title: 'The run took too long', retryable: false },
  OUTPUT_TOO_LARGE: { title: 'The engine produced too much', retryable: false },
  CONTEXT_LIMIT: { title: 'The context of the model is full', retryable: false },
} as const satisfies Record<string, { readonly title: string; readonly retryable: boolean }>;

export type ErrorCode = keyof typeof ERROR_CODES;

const isErrorCode = (code: unknown): code is ErrorCode =>
  typeof code === 'string' && Object.hasOwn(ERROR_CODES, code);

/** Ids, limits and JSON pointers that help the caller; never a path, a token or foreign text. */
export type ErrorDetails = Readonly<Record<string, unknown>>;

export interface RuntimeErrorOptions {
  readonly details?: ErrorDetails;
  /** The full story, for the operator's log. Never serialized into an answer. */
  readonly cause?: unknown;
}

/** The same in every copy of this package. */
const MARK = Symbol.for('@worker-runtime/core RuntimeError');

/**
 * The one error class of the public API. `code`, `message` and `details` are safe to show to anyone;
 * what is not safe travels in `cause`. Anything else that is thrown (`TypeError`) is a programmer's mistake.
 */
export class RuntimeError extends Error {
  override readonly name = 'RuntimeError';
  readonly code: ErrorCode;
  readonly details: ErrorDetails;

  constructor(code: ErrorCode, message: string = ERROR_CODES[code].title, options: RuntimeErrorOptions = {}) {
    super(message, 'cause' in options ? { cause: options.cause } : undefined);
    this.code = code;
    this.details = options.details ?? {};
  }

  get retryable(): boolean {
    return ERROR_CODES[this.code].retryable;
  }

  static {
    Object.defineProperty(RuntimeError.prototype, MARK, { value: true });
  }

  /** True for those of another copy of this package too, as a plugin may bring along, if their code is known here. */
  static override [Symbol.hasInstance](value: unknown): value is RuntimeError {
    // biome-ignore lint/complexity/noThisInStatic: a class that extends this one inherits the method, and means itself
    if (this !== RuntimeError) return super[Symbol.hasInstance](value);
    return (
      typeof value === 'object' &&
      value !== null &&
      MARK in value &&
      'code' in value &&
      isErrorCode(value.code)
    );
  }

  /** The error itself if it is typed, else INTERNAL with the original as its cause. */
  static from(error: unknown, code: ErrorCode = 'INTERNAL'): RuntimeError {
    return error instanceof RuntimeError ? error : new RuntimeError(code, undefined, { cause: error });
  }
}
