import type { ErrorCode, Logger, RuntimeError } from '@worker-runtime/core';
import { allowOf, PROBLEM_TYPE, STATUS_OF } from '@worker-runtime/core/plugin-kit';
import { challengeOf } from '../access/access.ts';
import { fieldsOf } from '../logging/request-log.ts';
import type { HttpReply } from '../message/http-reply.ts';
import type { HttpRequest } from '../message/http-request.ts';
import { correlatedProblem, isTransient, retryAfterOf } from './problem.ts';

/**
 * Logs an error that was sent to a client; the correlation id of the answer finds the line. The stack is logged only
 * for an error of the server or one with a cause: otherwise the message is enough.
 */
export const logRefusal = (log: Logger, error: RuntimeError, fields: object): void => {
  const { code, message, cause } = error;
  const status = STATUS_OF[code];
  const isServerError = status >= 500 && !isTransient(code);
  const report = isServerError || cause !== undefined ? { err: error } : { detail: message };
  // a transient error, such as a full disk, may still need the operator
  const level = isServerError ? 'error' : status >= 500 ? 'warn' : 'info';
  log[level]({ ...fields, code, status, ...report }, 'refused');
};

/** True if the connection is closed after this error. */
const closesConnection = (code: ErrorCode): boolean => code === 'RUNTIME_STOPPING' || code === 'STORE_LOST';

/** Answers a failed request with a problem. A stream request with a transient error gets 200 and a closing frame. */
export const answerError = (
  log: Logger,
  error: RuntimeError,
  request: HttpRequest,
  reply: HttpReply,
): HttpReply => {
  const { code } = error;
  const correlationId = request.id;
  request.refusal = code;
  logRefusal(log, error, fieldsOf(request));
  if (isTransient(code)) {
    const closing = request.route?.closing?.(request.headers.accept, code);
    if (closing) return reply.code(200).type(closing.contentType).send(closing.text);
  }
  const retryAfter = retryAfterOf(code);
  const challenge = challengeOf(error);
  if (challenge !== null) reply.header('www-authenticate', challenge);
  if (retryAfter !== null) reply.header('retry-after', String(retryAfter));
  if (closesConnection(code)) reply.header('connection', 'close');
  reply.headers(allowOf(error));
  const problem = correlatedProblem(error, correlationId);
  return reply.code(problem.status).type(PROBLEM_TYPE).send(JSON.stringify(problem));
};
