import type { Logger } from '@worker-runtime/core';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { traceIdOf } from './trace.ts';

/** Without the query, and no longer than a log line bears. */
const pathOf = ({ url }: FastifyRequest): string => (url.split('?', 1)[0] ?? '').slice(0, 512);

/** What finds a request in the log, and whose it was: never a token. */
export const fieldsOf = (request: FastifyRequest): Readonly<Record<string, string>> => {
  const traceId = traceIdOf(request.headers.traceparent);
  return {
    correlationId: request.id,
    ...(traceId !== null && { traceId }),
    ...(request.callerName !== null && { caller: request.callerName }),
    method: request.method,
    path: pathOf(request),
  };
};

/** One line for each request that was served: commands for everybody, reads for whoever looks closer. */
export const logAnswer = (log: Logger, request: FastifyRequest, reply: FastifyReply): void => {
  const isRead = request.method === 'GET' || request.method === 'HEAD';
  const durationMs = Math.round(reply.elapsedTime * 10) / 10;
  const line = { ...fieldsOf(request), status: reply.statusCode, durationMs };
  log[isRead ? 'debug' : 'info'](line, 'answered');
};
