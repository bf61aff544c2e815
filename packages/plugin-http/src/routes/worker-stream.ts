import { type Cursor, RuntimeError } from '@worker-runtime/core';
import type { WorkerStream } from '@worker-runtime/core/plugin-kit';
import type { HttpReply } from '../message/http-reply.ts';
import type { HttpRequest } from '../message/http-request.ts';
import type { Closing } from '../message/route-facts.ts';
import { frame, retryLine } from '../streams/sse.ts';
import { WorkerSource } from '../streams/worker-source.ts';
import { JSON_TYPE, NDJSON_TYPE, preferred, SSE_TYPE } from '../wire/accept.ts';
import type { Query } from '../wire/query.ts';
import { pathParameter, type RouteContext } from './context.ts';

/** The media types of a Worker's events. */
export const MEDIA_TYPES = [JSON_TYPE, NDJSON_TYPE, SSE_TYPE] as const;

/** Returns a Worker's stream that closes at once. */
export const closingOfWorkerStream: Closing = (accept, reason) =>
  preferred(accept, MEDIA_TYPES) === SSE_TYPE
    ? { contentType: SSE_TYPE, text: retryLine() + frame('closing', { reason }) }
    : null;

/** Returns the position to resume from. `Last-Event-ID` wins, since an EventSource repeats its first URL for ever. */
export const resumePositionOf = (request: HttpRequest, query: Query): Cursor | undefined => {
  const lastEventId = request.headers['last-event-id'];
  return typeof lastEventId === 'string' && lastEventId !== '' ? lastEventId : query.text('after');
};

/** The parameters of a Worker's stream, which the caller has read from the request. */
export interface WorkerStreamQuery {
  readonly after: Cursor | undefined;
  readonly deltas: boolean;
}

/**
 * Answers with the stream of one Worker. An expired position is not refused, since a refused EventSource would never
 * reconnect: the stream sends `reset` and begins with a snapshot.
 * @throws WORKER_NOT_FOUND · CURSOR_INVALID · CURSOR_FOREIGN
 */
export const openWorkerStream = async (
  request: HttpRequest,
  reply: HttpReply,
  { streams }: RouteContext,
  { after, deltas }: WorkerStreamQuery,
): Promise<HttpReply> => {
  const workerId = pathParameter(request, 'w');
  let stream: WorkerStream;
  let preface = '';
  try {
    stream = await request.served.openStream(workerId, after === undefined ? { deltas } : { after, deltas });
  } catch (error) {
    const { code } = RuntimeError.from(error);
    if (code !== 'CURSOR_EXPIRED') throw error;
    stream = await request.served.openStream(workerId, { deltas });
    preface = frame('reset', { code });
  }
  reply.header('runtime-id', request.served.runtimeId);
  return streams.open(request, reply, new WorkerSource(stream, preface));
};
