import type { ErrorCode, ErrorDetails, RuntimeError } from '@worker-runtime/core';

export interface RemoteErrorOptions {
  readonly details?: ErrorDetails;
  readonly retryable?: boolean;
  readonly correlationId?: string | null;
  readonly retryAfterMs?: number | null;
  /** The local cause, for the log of the caller. It may contain addresses. */
  readonly cause?: unknown;
}

/**
 * Codes that are retryable by default. The last frame of a stream carries only a code; every other answer states
 * whether it is retryable.
 */
const RETRYABLE: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'RUNTIME_UNREACHABLE',
  'RUNTIME_NOT_READY',
  'RUNTIME_STOPPING',
  'RUNTIME_MOVED',
  'AUTHORITY_EXPIRED',
  'LIMIT_REACHED',
  'ENGINE_UNAVAILABLE',
  'STORE_UNAVAILABLE',
  'STORE_FULL',
]);

/**
 * The symbol by which core's `RuntimeError` recognizes errors of other copies of core. It is repeated here, because the
 * client imports only types from core.
 */
const RUNTIME_ERROR = Symbol.for('@worker-runtime/core RuntimeError');

/**
 * An error that a remote runtime returned, or a failure to reach one. `error instanceof RuntimeError` is true with core's
 * class, if that version of core knows the code. A newer runtime may send codes that this version does not know.
 * `message` and `details` are safe to show to anyone; addresses and tokens can appear only in `cause`.
 */
export class RemoteError extends Error implements RuntimeError {
  override readonly name = 'RuntimeError';
  readonly code: ErrorCode;
  readonly details: ErrorDetails;
  readonly retryable: boolean;
  /** The id that finds the details in the log of the runtime. Null if no runtime answered. */
  readonly correlationId: string | null;
  /** The time after which the answer asks to try again, in milliseconds. Null if it does not say. */
  readonly retryAfterMs: number | null;

  constructor(code: ErrorCode, message: string, options: RemoteErrorOptions = {}) {
    super(message, 'cause' in options ? { cause: options.cause } : undefined);
    this.code = code;
    this.details = options.details ?? {};
    this.retryable = options.retryable ?? RETRYABLE.has(code);
    this.correlationId = options.correlationId ?? null;
    this.retryAfterMs = options.retryAfterMs ?? null;
  }

  static {
    Object.defineProperty(RemoteError.prototype, RUNTIME_ERROR, { value: true });
  }
}

/** Creates the error for a missing or incomplete answer. The runtime may or may not have executed the call. */
export const unreachable = (message: string, cause?: unknown): RemoteError =>
  new RemoteError('RUNTIME_UNREACHABLE', message, { cause });

/** Creates the error for an answer that does not follow the protocol of this version. */
export const notARuntime = (status: number, cause?: unknown): RemoteError =>
  new RemoteError(
    'VERSION_UNSUPPORTED',
    `The server is not a runtime (it answered with ${status}); check the address`,
    {
      details: { status, protocol: 1 },
      cause,
    },
  );

/** True if something else than a runtime answered, such as a proxy that knows no runtime while a new version is rolled out. */
export const isOfNoRuntime = ({ code, correlationId }: RemoteError): boolean =>
  code === 'VERSION_UNSUPPORTED' && correlationId === null;

/** Creates the error for a stream that reconnected to another runtime than it began with. */
export const runtimeReplaced = (runtimeId: string): RemoteError =>
  new RemoteError('RUNTIME_NOT_FOUND', 'Another runtime answers at this address now', {
    details: { runtimeId },
  });

/** Creates the error for a request that HTTP cannot carry. */
export const invalidRequest = (pointer: string, message: string): RemoteError =>
  new RemoteError('INVALID_REQUEST', 'The request is not valid', {
    details: { issues: [{ pointer, message }] },
  });
