import { type CallToolResult, ErrorCode, McpError } from '@modelcontextprotocol/sdk/types.js';
import { RuntimeError } from '@worker-runtime/core';

/** The code with which the protocol names a resource that does not exist. */
const RESOURCE_NOT_FOUND = -32_002;
const MISSING: ReadonlySet<string> = new Set(['WORKER_NOT_FOUND', 'FILE_NOT_FOUND', 'ROUTE_NOT_FOUND']);
const WRONG: ReadonlySet<string> = new Set(['INVALID_REQUEST', 'CURSOR_INVALID', 'CURSOR_FOREIGN']);

const protocolCode = (code: string): number => {
  if (MISSING.has(code)) return RESOURCE_NOT_FOUND;
  return WRONG.has(code) ? ErrorCode.InvalidParams : ErrorCode.InternalError;
};

/** Settles as a call of the runtime does, with its error in the form of the protocol, without a foreign message. */
export const answered = async <T>(call: Promise<T>): Promise<T> => {
  try {
    return await call;
  } catch (error) {
    if (error instanceof McpError) throw error;
    const { code, message, retryable } = RuntimeError.from(error);
    throw new McpError(protocolCode(code), `${code}: ${message}`, { code, retryable });
  }
};

/** Returns the result of a call that failed. A model can read it and act on it, so it is no error of the protocol. */
export const failure = (error: unknown): CallToolResult => {
  const { code, message, retryable } = RuntimeError.from(error);
  return {
    isError: true,
    content: [{ type: 'text', text: `${code}: ${message}` }],
    structuredContent: { error: { code, message, retryable } },
  };
};

/** Returns the result of a call as JSON, for models and for programs. */
export const jsonResult = (value: Readonly<Record<string, unknown>>): CallToolResult => ({
  content: [{ type: 'text', text: JSON.stringify(value) }],
  structuredContent: value,
});
