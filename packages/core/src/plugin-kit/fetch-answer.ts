import { ERROR_CODES, type ErrorCode, payloadTooLarge, RuntimeError } from '../contracts/runtime-error.ts';

/** The statuses of errors that clients of HTTP tell apart. Any other one is 500. */
const STATUSES: Readonly<Partial<Record<ErrorCode, number>>> = {
  INVALID_REQUEST: 400,
  LIMIT_TOO_LARGE: 400,
  CURSOR_INVALID: 400,
  CURSOR_FOREIGN: 400,
  CONFIG_UNSUPPORTED: 400,
  ENGINE_UNKNOWN: 400,
  TOOL_UNKNOWN: 400,
  UNAUTHENTICATED: 401,
  AUTHORITY_EXPIRED: 401,
  FORBIDDEN: 403,
  WORKER_NOT_FOUND: 404,
  RUN_NOT_FOUND: 404,
  REQUEST_NOT_FOUND: 404,
  FILE_NOT_FOUND: 404,
  ROUTE_NOT_FOUND: 404,
  METHOD_NOT_ALLOWED: 405,
  WORKER_BUSY: 409,
  WORKER_EXISTS: 409,
  WORKER_STOPPED: 409,
  WORKER_NOT_STOPPED: 409,
  WORKER_DAMAGED: 409,
  RUN_MISMATCH: 409,
  REQUEST_RESOLVED: 409,
  CLAIM_CONFLICT: 409,
  IDEMPOTENCY_IN_FLIGHT: 409,
  OPERATION_UNSUPPORTED: 409,
  CURSOR_EXPIRED: 410,
  PAYLOAD_TOO_LARGE: 413,
  IDEMPOTENCY_MISMATCH: 422,
  LIMIT_REACHED: 429,
  RUNTIME_NOT_READY: 503,
  RUNTIME_STOPPING: 503,
  RUNTIME_MOVED: 503,
  RUNTIME_UNREACHABLE: 503,
  ENGINE_UNAVAILABLE: 503,
  STORE_UNAVAILABLE: 503,
  STORE_LOST: 503,
};

/** Returns the status of HTTP with which a façade answers an error. */
export const statusOfError = (code: ErrorCode): number => STATUSES[code] ?? 500;

/** Returns the answer of a façade for an error: a problem of RFC 9457, without a foreign message. */
export const problemAnswer = (error: unknown): Response => {
  const { code, message: detail, retryable } = RuntimeError.from(error);
  const status = statusOfError(code);
  const { title } = ERROR_CODES[code] ?? { title: code };
  const type = `urn:worker-runtime:error:${code.toLowerCase().replaceAll('_', '-')}`;
  return new Response(JSON.stringify({ type, title, status, detail, code, retryable }), {
    status,
    headers: { 'content-type': 'application/problem+json' },
  });
};

/** Reads the body of a request as JSON. @throws PAYLOAD_TOO_LARGE · INVALID_REQUEST */
export const jsonBody = async ({ body }: Request, bodyBytes: number): Promise<unknown> => {
  const pieces: Uint8Array[] = [];
  let bytes = 0;
  if (body)
    for await (const piece of body) {
      bytes += piece.length;
      if (bytes > bodyBytes) throw payloadTooLarge('bodyBytes', bodyBytes);
      pieces.push(piece);
    }
  try {
    // a byte order mark is left out; other bytes would be replaced without a word, and stored so
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(Buffer.concat(pieces)));
  } catch {
    throw refusal('', 'must be JSON in UTF-8');
  }
};

/** Creates an INVALID_REQUEST error about the part of a body at a JSON pointer. */
export const refusal = (pointer: string, message: string): RuntimeError =>
  new RuntimeError('INVALID_REQUEST', `${pointer || 'The body'} ${message}`, {
    details: { issues: [{ pointer, message }] },
  });
