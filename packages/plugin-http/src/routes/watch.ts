import type { Closing } from '../message/route-facts.ts';
import { ndjsonWatch, sseWatch, WatchSource } from '../streams/watch-source.ts';
import { NDJSON_TYPE, negotiate, preferred, SSE_TYPE } from '../wire/accept.ts';
import { Query } from '../wire/query.ts';
import type { Routes } from './context.ts';
import { resumePositionOf } from './worker-stream.ts';

const WATCH_TYPES = [SSE_TYPE, NDJSON_TYPE] as const;
const FORMATS = { [SSE_TYPE]: sseWatch, [NDJSON_TYPE]: ndjsonWatch };

/** Returns a watch that closes at once. */
const closing: Closing = (accept, reason) => {
  const type = preferred(accept, WATCH_TYPES);
  if (type === null) return null;
  const format = FORMATS[type]();
  return { contentType: type, text: format.opening + format.closing(reason) };
};

/** Adds the watch: every Worker in its current state, then every change. */
export const watchRoute: Routes = (app, { streams }) => {
  app.get('/watch', { permission: 'observe', query: ['after'], closing }, async (request, reply) => {
    const format = FORMATS[negotiate(request.headers.accept, WATCH_TYPES)]();
    const after = resumePositionOf(request, new Query(request));
    const stream = request.served.openWatch(after === undefined ? {} : { after });
    reply.header('runtime-id', request.served.runtimeId);
    return streams.open(request, reply, new WatchSource(stream, format));
  });
};
