import type { ErrorCode, ErrorDetails, RuntimeError } from '@worker-runtime/core';

export interface RemoteErrorOptions {
  readonly details?: ErrorDetails;
  readonly retryable?: boolean;
  readonly correlationId?: string | null;
  /** What happened on this side, for the caller's own log: it may name addresses. */
  readonly cause?: unknown;
}

/**
 * Codes of trouble that passes, for where only the code is said: in the last frame of a stream. An answer says itself
 * whether it is retryable.
 */
const PASSING: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'RUNTIME_UNREACHABLE',
  'RUNTIME_NOT_READY',
  'RUNTIME_STOPPING',
  'LIMIT_REACHED',
  'ENGINE_UNAVAILABLE',
  'STORE_UNAVAILABLE',
  'STORE_FULL',
]);

/**
 * What a remote runtime refused with, or why it could not be asked. It has the shape of core's `RuntimeError` without
 * being that class, so tell errors by `code`. A newer runtime may say codes that this version has no name for.
 * `message` and `details` are safe to show to anyone: an address or a token is at most in `cause`.
 */
export class RemoteError extends Error implements RuntimeError {
  override readonly name = 'RuntimeError';
  readonly code: ErrorCode;
  readonly details: ErrorDetails;
  readonly retryable: boolean;
  /** Finds the full story in the log of the runtime's operator; null where no runtime answered. */
  readonly correlationId: string | null;

  constructor(code: ErrorCode, message: string, options: RemoteErrorOptions = {}) {
    super(message, 'cause' in options ? { cause: options.cause } : undefined);
    this.code = code;
    this.details = options.details ?? {};
    this.retryable = options.retryable ?? PASSING.has(code);
    this.correlationId = options.correlationId ?? null;
  }
}

/** Nothing came back, or not all of it: whether the runtime did what it was asked is not known. */
export const unreachable = (message: string, cause?: unknown): RemoteError =>
  new RemoteError('RUNTIME_UNREACHABLE', message, { cause });

/** Something answered that does not speak as a runtime of this version does. */
export const foreign = (status: number, cause?: unknown): RemoteError =>
  new RemoteError('VERSION_UNSUPPORTED', `What answers (with ${status}) is no runtime: check the address`, {
    details: { status, protocol: 1 },
    cause,
  });

/** What was begun with one runtime cannot go on with another. */
export const replaced = (runtimeId: string): RemoteError =>
  new RemoteError('RUNTIME_NOT_FOUND', 'Another runtime answers at this address now', {
    details: { runtimeId },
  });

/** A request that HTTP cannot carry. */
export const invalid = (pointer: string, message: string): RemoteError =>
  new RemoteError('INVALID_REQUEST', 'The request is not valid', {
    details: { issues: [{ pointer, message }] },
  });
