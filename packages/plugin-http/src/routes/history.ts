import { invalidRequest } from '@worker-runtime/core/plugin-kit';
import { EVENT_TYPES } from '@worker-runtime/core/views';
import { negotiate, SSE_TYPE } from '../wire/accept.ts';
import { sendLines, sendPage } from '../wire/page.ts';
import { defined, Query } from '../wire/query.ts';
import { pathParameter, type Routes } from './context.ts';
import { closingOfWorkerStream, MEDIA_TYPES, openWorkerStream, resumePositionOf } from './worker-stream.ts';

/** @throws INVALID_REQUEST a parameter that a stream would have to ignore, although it selects other events */
const assertForPages = (parameters: Readonly<Record<string, unknown>>): void => {
  const [name] = Object.entries(parameters).find(([, value]) => value !== undefined) ?? [];
  if (name === undefined) return;
  throw invalidRequest([{ pointer: `?${name}`, message: 'is for pages; a stream has every event' }]);
};

/** Adds the routes to read a Worker's events (as pages or as a stream), its transcript and its overview. */
export const historyRoutes: Routes = (app, context) => {
  const { reads } = context;

  app.get(
    '/workers/:w/events',
    {
      permission: 'observe',
      query: ['after', 'before', 'limit', 'types', 'deltas'],
      closing: closingOfWorkerStream,
    },
    async (request, reply) => {
      // the document offers every parameter with every media type, so all are checked, also those without an effect
      const query = new Query(request);
      const after = resumePositionOf(request, query);
      const before = query.text('before');
      const types = query.listOf('types', EVENT_TYPES);
      const limit = query.limit(request.served.limits);
      const deltas = query.oneOf('deltas', ['0', '1']) !== '0';
      if (negotiate(request.headers.accept, MEDIA_TYPES) === SSE_TYPE) {
        assertForPages({ before, types });
        return openWorkerStream(request, reply, context, { after, deltas });
      }
      const page = await reads.run(() =>
        request.served.readEvents(pathParameter(request, 'w'), defined({ after, before, types, limit })),
      );
      return sendLines(request, reply, page);
    },
  );

  app.get(
    '/workers/:w/transcript',
    { permission: 'observe', query: ['after', 'before', 'limit'] },
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

  app.get('/workers/:w/overview', { permission: 'observe' }, async (request, reply) =>
    reply.send(await request.served.overview(pathParameter(request, 'w'))),
  );
};
