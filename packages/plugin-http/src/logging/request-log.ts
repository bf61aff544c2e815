import type { Logger } from '@worker-runtime/core';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { traceIdOf } from './trace-context.ts';

/** The longest path that is logged. */
const PATH_CHARS = 512;

/** Returns the path without the query, which may hold private text. */
const pathOf = ({ url }: FastifyRequest): string => (url.split('?', 1)[0] ?? '').slice(0, PATH_CHARS);

/** Returns the log fields that identify a request and its caller. They never hold a token. */
export const fieldsOf = (request: FastifyRequest): Readonly<Record<string, string>> => {
  const traceId = traceIdOf(request.headers.traceparent);
  return {
    correlationId: request.id,
    ...(traceId !== null && { traceId }),
    ...(request.from !== null && { from: request.from }),
    ...(request.caller.name !== null && { caller: request.caller.name }),
    method: request.method,
    path: pathOf(request),
  };
};

/** Logs one line for a successful request: a command as `info`, a read as `debug`. */
export const logAnswer = (log: Logger, request: FastifyRequest, reply: FastifyReply): void => {
  const isRead = request.method === 'GET' || request.method === 'HEAD';
  const durationMs = Math.round(reply.elapsedTime * 10) / 10;
  const line = { ...fieldsOf(request), status: reply.statusCode, durationMs };
  log[isRead ? 'debug' : 'info'](line, 'answered');
};
