import { type ErrorCode, RuntimeError } from '@worker-runtime/core';

const CODES: Readonly<Record<string, ErrorCode>> = {
  FST_ERR_CTP_INVALID_MEDIA_TYPE: 'UNSUPPORTED_MEDIA_TYPE',
  FST_ERR_CTP_BODY_TOO_LARGE: 'PAYLOAD_TOO_LARGE',
  FST_ERR_ROUTE_MISSING_HANDLER: 'ROUTE_NOT_FOUND',
};

const MESSAGES: Readonly<Record<string, string>> = {
  FST_ERR_CTP_INVALID_MEDIA_TYPE: 'Send the body as application/json, and a file with its own media type',
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: 'The length of the body differs from Content-Length',
  FST_ERR_CTP_INVALID_JSON_BODY: 'The body is not valid JSON',
  FST_ERR_BAD_URL: 'The URL is not valid',
};

/**
 * Converts any error of a request to a RuntimeError. A client error of fastify gets the matching code and message; any
 * other untyped error is a defect of the server and becomes INTERNAL, with the original as its cause.
 */
export const typedError = (error: unknown, bodyBytes: number): RuntimeError => {
  if (typeof error !== 'object' || error === null || !('code' in error) || typeof error.code !== 'string') {
    return RuntimeError.from(error);
  }
  if (!error.code.startsWith('FST_ERR_')) return RuntimeError.from(error);
  const status = 'statusCode' in error && typeof error.statusCode === 'number' ? error.statusCode : 500;
  if (status < 400 || status >= 500) return RuntimeError.from(error);
  const code = CODES[error.code] ?? 'INVALID_REQUEST';
  const details = code === 'PAYLOAD_TOO_LARGE' ? { limit: 'bodyBytes', value: bodyBytes } : {};
  return new RuntimeError(code, MESSAGES[error.code], { cause: error, details });
};
