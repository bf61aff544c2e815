import type { ErrorCode, Logger, RuntimeError } from '@worker-runtime/core';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { challengeOf } from '../access/access.ts';
import { fieldsOf } from '../logging/request-log.ts';
import { isTransient, PROBLEM_TYPE, problemOf, retryAfterOf, STATUS_OF } from './problem.ts';

/**
 * Writes the full story where the operator finds it by the correlation id of the answer. A refusal without a cause
 * has no other story than its words, so its stack is left out.
 */
export const logRefusal = (log: Logger, error: RuntimeError, fields: object): void => {
  const { code, message, cause } = error;
  const status = STATUS_OF[code];
  const isOurs = status >= 500 && !isTransient(code);
  const story = isOurs || cause !== undefined ? { err: error } : { detail: message };
  // what passes by itself, such as a full disk, may still need somebody's hand
  const level = isOurs ? 'error' : status >= 500 ? 'warn' : 'info';
  log[level]({ ...fields, code, status, ...story }, 'refused');
};

const connectionEnds = (code: ErrorCode): boolean =>
  code === 'RUNTIME_STOPPING' || code === 'PAYLOAD_TOO_LARGE';

/** Answers a request with what it failed with: as a problem, or, to a stream, as its closing frame. */
export const answerError = (
  log: Logger,
  error: RuntimeError,
  request: FastifyRequest,
  reply: FastifyReply,
): FastifyReply => {
  const { code } = error;
  const correlationId = request.id;
  logRefusal(log, error, fieldsOf(request));
  if (isTransient(code)) {
    const closing = request.routeOptions.config.closing?.(request.headers.accept, code);
    if (closing) return reply.code(200).type(closing.contentType).send(closing.text);
  }
  const retryAfter = retryAfterOf(code);
  const challenge = challengeOf(error);
  if (challenge !== null) reply.header('www-authenticate', challenge);
  if (retryAfter !== null) reply.header('retry-after', String(retryAfter));
  if (connectionEnds(code)) reply.header('connection', 'close');
  const problem = problemOf(error, correlationId);
  return reply.code(problem.status).type(PROBLEM_TYPE).send(JSON.stringify(problem));
};
