import type { RequestResponse } from '@worker-runtime/core';
import { bodyOf } from '../wire/json-body.ts';
import { sendPage } from '../wire/page.ts';
import { defined, Query } from '../wire/query.ts';
import { callOf } from './caller.ts';
import { pathParameter, type Routes } from './context.ts';

/** Adds the routes of the requests that runs wait for. */
export const requestRoutes: Routes = (app, { reads }) => {
  app.get('/requests', { permission: 'observe', query: ['after', 'limit'] }, async (request, reply) => {
    const query = new Query(request);
    const page = await reads.run(() =>
      request.served.listOpenRequests(
        defined({ after: query.text('after'), limit: query.limit(request.served.limits) }),
      ),
    );
    return sendPage(request, reply, page);
  });

  app.get('/workers/:w/requests', { permission: 'observe' }, async (request, reply) => {
    return sendPage(
      request,
      reply,
      await reads.run(() => request.served.listRequests(pathParameter(request, 'w'))),
    );
  });

  app.post('/workers/:w/requests/:q/response', { permission: 'answer' }, async (request, reply) =>
    reply.send(
      await request.served.respond(
        pathParameter(request, 'w'),
        pathParameter(request, 'q'),
        bodyOf<RequestResponse>(request),
        callOf(request),
      ),
    ),
  );
};
