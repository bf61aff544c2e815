import { StreamableHTTPError } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { ErrorCode, McpError } from '@modelcontextprotocol/sdk/types.js';
import { RuntimeError } from '@worker-runtime/core';

/**
 * The state of a request that failed:
 * - `session`: the server no longer knows the connection, and did not take the request.
 * - `unsent`: the request did not reach the server.
 * - `refused`: the server did not take the request.
 * - `unknown`: the server may have taken the request.
 */
export type McpFailure = 'session' | 'unsent' | 'refused' | 'unknown';

/** The statuses that can mean that the session has ended, or that it belongs to a key that was changed. */
const SESSION_STATUSES = new Set<number | undefined>([401, 403, 404, 410]);
/** The codes that servers use for an unknown session. */
const SESSION_CODES = new Set<number>([
  ErrorCode.RequestTimeout,
  ErrorCode.ConnectionClosed,
  ErrorCode.InvalidRequest,
]);
const SESSION_MESSAGE = /\bsession\b|\bnot initialized\b/i;
const REFUSAL_CODES = new Set<number>([
  ErrorCode.ParseError,
  ErrorCode.InvalidRequest,
  ErrorCode.MethodNotFound,
  ErrorCode.InvalidParams,
]);

interface SystemError {
  readonly code?: unknown;
  readonly syscall?: unknown;
  readonly message?: unknown;
  readonly cause?: unknown;
  readonly errors?: readonly unknown[];
}

/** True if a request failed before its connection was established. */
const isUnsent = (error: unknown, depth = 0): boolean => {
  if (typeof error !== 'object' || error === null || depth > 5) return false;
  const { code, syscall, message, cause, errors } = error as SystemError;
  if (syscall === 'connect' || syscall === 'getaddrinfo' || code === 'UND_ERR_CONNECT_TIMEOUT') return true;
  if (typeof code === 'string' && /CERT|SELF_SIGNED|UNABLE_TO_|ERR_TLS/.test(code)) return true;
  if (message === 'unexpected redirect') return true;
  if (Array.isArray(errors) && errors.length > 0) return errors.every((each) => isUnsent(each, depth + 1));
  return isUnsent(cause, depth + 1);
};

/** Judges the error of a request. `sessionId` is that of its connection, if the server gave it one. */
export const mcpFailure = (error: unknown, sessionId: string | undefined): McpFailure => {
  // The only failures of the runtime itself: the key of the server is missing, or its answer is too large.
  if (error instanceof RuntimeError) return error.code === 'ENGINE_UNAVAILABLE' ? 'unsent' : 'unknown';
  if (error instanceof StreamableHTTPError) {
    const { code = 0 } = error;
    if (SESSION_STATUSES.has(code)) return 'session';
    // Older servers answer 400 to a session that they do not know.
    if (code === 400 && sessionId !== undefined) return 'session';
    return code >= 400 && code < 500 ? 'refused' : 'unknown';
  }
  if (error instanceof McpError) {
    if (sessionId !== undefined && SESSION_CODES.has(error.code) && SESSION_MESSAGE.test(error.message))
      return 'session';
    return REFUSAL_CODES.has(error.code) ? 'refused' : 'unknown';
  }
  // The message of the SDK for a connection that was closed before the request.
  if (error instanceof Error && error.message === 'Not connected') return 'session';
  return isUnsent(error) ? 'unsent' : 'unknown';
};

/** Returns the reason for which a server refused a request. */
export const refusalOf = (error: unknown): string =>
  error instanceof McpError
    ? error.message.replace(/^MCP error -?\d+: /, '')
    : `status ${(error as StreamableHTTPError).code}`;
