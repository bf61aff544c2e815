import type { Logger } from '@worker-runtime/core';
import type { HttpRequest } from '../message/http-request.ts';
import { traceIdOf } from './trace-context.ts';

/** The longest path that is logged. */
const PATH_CHARS = 512;

/** Returns the path without the query, which may hold private text. */
const pathOf = ({ url }: HttpRequest): string => {
  const end = url.indexOf('?');
  return url.slice(0, end === -1 ? PATH_CHARS : Math.min(end, PATH_CHARS));
};

/** Returns the log fields that identify a request and its caller. They never hold a token. */
export const fieldsOf = (request: HttpRequest): Record<string, string | number> => {
  const fields: Record<string, string> = { correlationId: request.id };
  const traceId = traceIdOf(request.headers.traceparent);
  if (traceId !== null) fields.traceId = traceId;
  if (request.from !== null) fields.from = request.from;
  if (request.caller.name !== null) fields.caller = request.caller.name;
  fields.method = request.method;
  fields.path = pathOf(request);
  return fields;
};

/** Logs one line for a successful request: a command as `info`, a read as `debug`. */
export const logAnswer = (log: Logger, request: HttpRequest, status: number, durationMs: number): void => {
  const level = request.isRead ? 'debug' : 'info';
  if (log.isLevelEnabled?.(level) === false) return;
  const line = fieldsOf(request);
  line.status = status;
  line.durationMs = Math.round(durationMs * 10) / 10;
  log[level](line, 'answered');
};
