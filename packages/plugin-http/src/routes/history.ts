import { negotiate, SSE_TYPE } from '../wire/accept.ts';
import { sendLines, sendPage } from '../wire/page.ts';
import { defined, Query } from '../wire/query.ts';
import { pathParameter, type Routes } from './context.ts';
import { closingOfWorkerStream, EVENT_TYPES, openWorkerStream, resumePositionOf } from './worker-stream.ts';

/** Adds the routes to read a Worker's events (as pages or as a stream), its transcript and its overview. */
export const historyRoutes: Routes = (app, context) => {
  const { reads } = context;

  app.get(
    '/workers/:w/events',
    {
      config: {
        permission: 'observe',
        query: ['after', 'limit', 'deltas'],
        closing: closingOfWorkerStream,
      },
    },
    async (request, reply) => {
      // the document offers every parameter with every media type, so all are checked, also those without an effect
      const query = new Query(request);
      const after = resumePositionOf(request, query);
      const limit = query.limit(request.served.limits);
      const deltas = query.oneOf('deltas', ['0', '1']) !== '0';
      if (negotiate(request.headers.accept, EVENT_TYPES) === SSE_TYPE)
        return openWorkerStream(request, reply, context, { after, deltas });
      const page = await reads.run(() =>
        request.served.readEvents(pathParameter(request, 'w'), defined({ after, limit })),
      );
      return sendLines(request, reply, page);
    },
  );

  app.get(
    '/workers/:w/transcript',
    { config: { permission: 'observe', query: ['after', 'before', 'limit'] } },
    async (request, reply) => {
      const query = new Query(request);
      const page = await reads.run(() =>
        request.served.transcript(
          pathParameter(request, 'w'),
          defined({
            after: query.text('after'),
            before: query.text('before'),
            limit: query.limit(request.served.limits),
          }),
        ),
      );
      return sendPage(request, reply, page);
    },
  );

  app.get('/workers/:w/overview', { config: { permission: 'observe' } }, async (request, reply) =>
    reply.send(await request.served.overview(pathParameter(request, 'w'))),
  );
};
