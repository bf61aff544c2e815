import { type ErrorCode, RuntimeError } from '@worker-runtime/core';
import { STATUS_OF } from '@worker-runtime/core/plugin-kit';

/** The errors that A2A and JSON-RPC define, by the reason that clients get. */
const NUMBERS = {
  TASK_NOT_FOUND: -32001,
  TASK_NOT_CANCELABLE: -32002,
  PUSH_NOTIFICATION_NOT_SUPPORTED: -32003,
  UNSUPPORTED_OPERATION: -32004,
  CONTENT_TYPE_NOT_SUPPORTED: -32005,
  VERSION_NOT_SUPPORTED: -32009,
  INVALID_REQUEST: -32600,
  METHOD_NOT_FOUND: -32601,
  INVALID_PARAMS: -32602,
  INTERNAL_ERROR: -32603,
  PARSE_ERROR: -32700,
} as const;

/** The number of errors that only the runtime knows; their reason is the code. */
const OF_RUNTIME = -32000;

/** An error that A2A or JSON-RPC defines. */
export class A2aError extends Error {
  readonly reason: keyof typeof NUMBERS;

  constructor(reason: keyof typeof NUMBERS, message: string) {
    super(message);
    this.reason = reason;
  }
}

/** Codes of the runtime for which A2A has an error of its own. */
const REASONS: Readonly<Partial<Record<ErrorCode, keyof typeof NUMBERS>>> = {
  WORKER_NOT_FOUND: 'TASK_NOT_FOUND',
  RUN_NOT_FOUND: 'TASK_NOT_FOUND',
  OPERATION_UNSUPPORTED: 'CONTENT_TYPE_NOT_SUPPORTED',
  INTERNAL: 'INTERNAL_ERROR',
};

interface RpcError {
  readonly code: number;
  readonly message: string;
  readonly data: readonly Readonly<Record<string, unknown>>[];
}

const errorInfo = (reason: string, domain: string, metadata?: Readonly<Record<string, string>>) => ({
  '@type': 'type.googleapis.com/google.rpc.ErrorInfo',
  reason,
  domain,
  ...(metadata && { metadata }),
});

/** Describes an error as JSON-RPC does, without a foreign message. */
export const rpcErrorOf = (error: unknown): RpcError => {
  if (error instanceof A2aError) {
    const { reason, message } = error;
    return { code: NUMBERS[reason], message, data: [errorInfo(reason, 'a2a-protocol.org')] };
  }
  const { code, message, details, retryable } = RuntimeError.from(error);
  const reason = REASONS[code] ?? (STATUS_OF[code] === 400 ? 'INVALID_PARAMS' : null);
  const violations = (details.issues ?? []).map(({ pointer, message: description }) => ({
    field: pointer.slice(1).replaceAll('/', '.'),
    description,
  }));
  return {
    code: reason === null ? OF_RUNTIME : NUMBERS[reason],
    message,
    data: [
      ...(reason === null ? [] : [errorInfo(reason, 'a2a-protocol.org')]),
      errorInfo(code, 'worker-runtime', { retryable: String(retryable) }),
      ...(violations.length === 0
        ? []
        : [{ '@type': 'type.googleapis.com/google.rpc.BadRequest', fieldViolations: violations }]),
    ],
  };
};
