import { ERROR_CODES, type ErrorCode, RuntimeError } from '@worker-runtime/core';

/** The statuses of errors that clients tell apart. Any other one is 409 if the request conflicts with a state, and else 500. */
const STATUSES: Readonly<Partial<Record<ErrorCode, number>>> = {
  INVALID_REQUEST: 400,
  UNAUTHENTICATED: 401,
  AUTHORITY_EXPIRED: 401,
  FORBIDDEN: 403,
  WORKER_NOT_FOUND: 404,
  RUN_NOT_FOUND: 404,
  ROUTE_NOT_FOUND: 404,
  METHOD_NOT_ALLOWED: 405,
  WORKER_BUSY: 409,
  WORKER_STOPPED: 409,
  WORKER_DAMAGED: 409,
  IDEMPOTENCY_IN_FLIGHT: 409,
  OPERATION_UNSUPPORTED: 409,
  PAYLOAD_TOO_LARGE: 413,
  IDEMPOTENCY_MISMATCH: 422,
  LIMIT_REACHED: 429,
  RUNTIME_NOT_READY: 503,
  RUNTIME_STOPPING: 503,
  RUNTIME_UNREACHABLE: 503,
  ENGINE_UNAVAILABLE: 503,
  STORE_UNAVAILABLE: 503,
  STORE_LOST: 503,
};

/** Returns the text with which a stream reports an error: a stable code, and a sentence for people. It has no foreign message. */
export const errorText = (error: unknown): string => {
  const { code, message } = RuntimeError.from(error);
  return `${code}: ${message}`;
};

/** Returns the answer for an error. Its body is a problem of RFC 9457, whose text `useChat` shows as the message of its error. */
export const problemOf = (error: unknown): Response => {
  const { code, message: detail, retryable } = RuntimeError.from(error);
  const status = STATUSES[code] ?? 500;
  const { title } = ERROR_CODES[code] ?? { title: code };
  const type = `urn:worker-runtime:error:${code.toLowerCase().replaceAll('_', '-')}`;
  return new Response(JSON.stringify({ type, title, status, detail, code, retryable }), {
    status,
    headers: { 'content-type': 'application/problem+json' },
  });
};

/** @throws INVALID_REQUEST always, about the part of the body at `pointer` */
export const refuse = (pointer: string, message: string): never => {
  throw new RuntimeError('INVALID_REQUEST', `${pointer || 'The body'} ${message}`, {
    details: { issues: [{ pointer, message }] },
  });
};
