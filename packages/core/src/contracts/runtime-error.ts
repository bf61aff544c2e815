/**
 * All error codes. Codes are stable and part of the public API; titles and messages may change. `retryable` is true if
 * the same call may succeed later without a change by the caller. Transports map codes to their own statuses with a
 * `Record<ErrorCode, …>`, so that the compiler reports a code that is missing there.
 */
export const ERROR_CODES = {
  // errors in the request
  INVALID_REQUEST: { title: 'The request is not valid', retryable: false },
  LIMIT_TOO_LARGE: { title: 'The requested number of items exceeds the limit of a page', retryable: false },
  CURSOR_INVALID: { title: 'The cursor cannot be read', retryable: false },
  CURSOR_FOREIGN: { title: 'The cursor belongs to another log', retryable: false },
  CURSOR_EXPIRED: { title: 'The position of the cursor is no longer available', retryable: false },
  PAYLOAD_TOO_LARGE: { title: 'The payload is too large', retryable: false },
  UNSUPPORTED_MEDIA_TYPE: { title: 'The media type is not supported', retryable: false },
  NOT_ACCEPTABLE: { title: 'No acceptable representation is available', retryable: false },
  HEADERS_TOO_LARGE: { title: 'The headers are too large', retryable: false },
  REQUEST_TIMEOUT: { title: 'The request did not arrive in time', retryable: true },
  VERSION_UNSUPPORTED: { title: 'The version is not supported', retryable: false },
  AUTHORITY_EXPIRED: { title: 'The authority of the caller has ended', retryable: true },
  UNAUTHENTICATED: { title: 'Authentication is required', retryable: false },
  /** Reported by a server that lets an identity provider identify people. */
  LOGIN_UNAVAILABLE: { title: 'The login is not available', retryable: true },
  FORBIDDEN: { title: 'The required permission is missing', retryable: false },
  // things that do not exist
  RUNTIME_NOT_FOUND: { title: 'No such runtime', retryable: false },
  WORKER_NOT_FOUND: { title: 'No such Worker', retryable: false },
  BUNDLE_NOT_FOUND: { title: 'No such bundle', retryable: false },
  FILE_NOT_FOUND: { title: 'No such file', retryable: false },
  RUN_NOT_FOUND: { title: 'No such run', retryable: false },
  REQUEST_NOT_FOUND: { title: 'No such request', retryable: false },
  ROUTE_NOT_FOUND: { title: 'No such route', retryable: false },
  METHOD_NOT_ALLOWED: { title: 'The method is not allowed here', retryable: false },
  // conflicts with the current state
  WORKER_BUSY: { title: 'The Worker is busy with a run', retryable: true },
  WORKER_STOPPED: { title: 'The Worker is stopped', retryable: false },
  WORKER_NOT_STOPPED: { title: 'The Worker is not stopped', retryable: false },
  WORKER_EXISTS: { title: 'A Worker with this id already exists', retryable: false },
  WORKER_DAMAGED: { title: 'The log of the Worker is damaged', retryable: false },
  RUN_MISMATCH: { title: 'Another run is active', retryable: false },
  REQUEST_RESOLVED: { title: 'The request is already resolved', retryable: false },
  CLAIM_CONFLICT: { title: 'A claim conflicts with a claim of another Worker', retryable: true },
  OPERATION_UNSUPPORTED: { title: 'The operation is not supported here', retryable: false },
  IDEMPOTENCY_IN_FLIGHT: {
    title: 'The first call with this idempotency key is still in progress',
    retryable: true,
  },
  IDEMPOTENCY_MISMATCH: { title: 'The idempotency key was used for another request', retryable: false },
  // references of a creation that cannot be resolved
  BUNDLE_DIGEST_MISMATCH: { title: 'The bundle does not match its digest', retryable: false },
  PROFILE_INVALID: { title: 'The profile is missing or not valid', retryable: false },
  ENGINE_UNKNOWN: { title: 'No such engine', retryable: false },
  TOOL_UNKNOWN: { title: 'No such tool', retryable: false },
  CONFIG_UNSUPPORTED: { title: 'The configuration is not supported', retryable: false },
  // conditions of the runtime, its engine or its store
  LIMIT_REACHED: { title: 'A limit is reached', retryable: true },
  RUNTIME_NOT_READY: { title: 'The runtime is not ready', retryable: true },
  /** Another process serves the runtime now, or will soon. The call was not executed. */
  RUNTIME_MOVED: { title: 'The runtime is served elsewhere now', retryable: true },
  RUNTIME_STOPPING: { title: 'The runtime is stopping', retryable: true },
  /** Reported by a client or a proxy, never by the runtime. The command may or may not have taken effect. */
  RUNTIME_UNREACHABLE: { title: 'The runtime cannot be reached', retryable: true },
  ENGINE_UNAVAILABLE: { title: 'The engine is not available', retryable: true },
  STORE_UNAVAILABLE: { title: 'The store is not available', retryable: true },
  STORE_FULL: { title: 'The store is full', retryable: true },
  /** The store belongs to another process, or its place is gone. Another process may serve the same store. */
  STORE_LOST: { title: 'The runtime has lost its store', retryable: false },
  STORE_CORRUPT: { title: 'The store is corrupt', retryable: false },
  STORE_CONFLICT: { title: 'The log does not end where the writer expected', retryable: false },
  ARCHIVE_CORRUPT: { title: 'The archive is not whole', retryable: false },
  INTERNAL: { title: 'An internal error occurred', retryable: false },
  // failures to start
  STORE_LOCKED: { title: 'Another process has the store open', retryable: true },
  STORE_INCOMPLETE: { title: 'An import into the store did not end', retryable: false },
  STORE_VERSION: { title: 'The store has another format version', retryable: false },
  PLUGIN_UNKNOWN: { title: 'No such plugin', retryable: false },
  PLUGIN_CONFLICT: { title: 'Two plugins provide the same thing', retryable: false },
  PLUGIN_FAILED: { title: 'A plugin failed', retryable: false },
  PLUGIN_TIMEOUT: { title: 'A plugin took too long', retryable: true },
  // failures of a run
  ENGINE_FAILED: { title: 'The engine failed', retryable: false },
  EXECUTION_LOST: { title: 'The execution was lost', retryable: true },
  RUN_DEADLINE: { title: 'The run took too long', retryable: false },
  OUTPUT_TOO_LARGE: { title: 'The engine produced too much output', retryable: false },
  CONTEXT_LIMIT: { title: 'The context of the model is full', retryable: false },
} as const satisfies Record<string, { readonly title: string; readonly retryable: boolean }>;

export type ErrorCode = keyof typeof ERROR_CODES;

const isErrorCode = (code: unknown): code is ErrorCode =>
  typeof code === 'string' && Object.hasOwn(ERROR_CODES, code);

/** One fault in a request. `pointer` is the JSON pointer (RFC 6901) of the faulty value; `''` is the request itself. */
export interface RequestIssue {
  readonly pointer: string;
  readonly message: string;
}

/**
 * Facts about an error for programs. All fields are optional; which are set depends on the code. They are public: they
 * never hold a path of the host, a token or text of another party.
 */
export interface ErrorDetails {
  /** The limit that was exceeded, by its name in `Limits`, and its value. */
  readonly limit?: string;
  readonly value?: number;
  /** The faults in the request (INVALID_REQUEST), at most 20. */
  readonly issues?: readonly RequestIssue[];
  readonly workerId?: string;
  readonly runId?: string | undefined;
  readonly requestId?: string;
  readonly engine?: string;
  /** The engines that are loaded. */
  readonly engines?: readonly string[];
  readonly profile?: string | null;
  /** The tools that were refused. */
  readonly tools?: readonly string[];
  /** The name of the claim that conflicts, and the Workers that hold what it overlaps. */
  readonly claim?: string;
  readonly workers?: readonly string[];
  readonly plugin?: string;
  readonly hook?: string;
  /** The option of a plugin that was refused. */
  readonly option?: string;
  /** Further facts of one code or one plugin. */
  readonly [name: string]: unknown;
}

export interface RuntimeErrorOptions {
  readonly details?: ErrorDetails;
  /** The original error, for the operator's log. Never part of an answer. */
  readonly cause?: unknown;
}

/** Shared by all copies of this package in one process. */
const MARK = Symbol.for('@worker-runtime/core RuntimeError');

/**
 * The error class of the public API. `code`, `message` and `details` are safe to show to anyone; anything confidential
 * belongs in `cause`. Every other thrown value (such as a `TypeError`) is a bug in the calling program.
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

  /**
   * True also for an error of another copy of this package, which a plugin may depend on, if this copy knows its code.
   */
  static override [Symbol.hasInstance](value: unknown): value is RuntimeError {
    // biome-ignore lint/complexity/noThisInStatic: a class that extends this one inherits the method and must test for itself
    if (this !== RuntimeError) return super[Symbol.hasInstance](value);
    return (
      typeof value === 'object' &&
      value !== null &&
      MARK in value &&
      'code' in value &&
      isErrorCode(value.code)
    );
  }

  /** Returns a RuntimeError as it is, and wraps anything else in one with `code`, with the original as its cause. */
  static from(error: unknown, code: ErrorCode = 'INTERNAL'): RuntimeError {
    return error instanceof RuntimeError ? error : new RuntimeError(code, undefined, { cause: error });
  }
}

const overLimit =
  (code: 'LIMIT_REACHED' | 'PAYLOAD_TOO_LARGE' | 'OUTPUT_TOO_LARGE' | 'LIMIT_TOO_LARGE') =>
  (limit: string, value: number, message?: string, details: ErrorDetails = {}): RuntimeError =>
    new RuntimeError(code, message, { details: { ...details, limit, value } });

/**
 * Creates a LIMIT_REACHED error: no more of something may exist. `limit` is its name in `Limits`, `value` its value.
 */
export const limitReached = overLimit('LIMIT_REACHED');

/** Creates a PAYLOAD_TOO_LARGE error: a part of a request exceeds a limit. */
export const payloadTooLarge = overLimit('PAYLOAD_TOO_LARGE');

/** Creates an OUTPUT_TOO_LARGE error: an engine yielded more than a limit allows. */
export const outputTooLarge = overLimit('OUTPUT_TOO_LARGE');

/** Creates a LIMIT_TOO_LARGE error: a caller asked for more items than one page may hold. */
export const limitTooLarge = overLimit('LIMIT_TOO_LARGE');

const ISSUES_SHOWN = 20;

/**
 * Creates an INVALID_REQUEST error from at least one issue. Without a message, the first issue is the message.
 * `details` adds facts that help to correct the request, such as the values that are allowed.
 */
export const invalidRequest = (
  issues: readonly [RequestIssue, ...RequestIssue[]],
  message = `${issues[0].pointer || 'The request'} ${issues[0].message}`,
  details: ErrorDetails = {},
): RuntimeError =>
  new RuntimeError('INVALID_REQUEST', message, {
    details: { ...details, issues: issues.slice(0, ISSUES_SHOWN) },
  });
