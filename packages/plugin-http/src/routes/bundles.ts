import type { JsonValue } from '@worker-runtime/core';
import { bodyOf } from '../wire/json-body.ts';
import { sendPage } from '../wire/page.ts';
import { defined, Query } from '../wire/query.ts';
import { pathParameter, type Routes } from './context.ts';

/** Adds the routes of config bundles, which are addressed by the digest of their content. */
export const bundleRoutes: Routes = (app, { reads }) => {
  app.on('PUT', '/bundles/:digest', { permission: 'admin' }, async (request, reply) =>
    reply.send(await request.served.putBundle(pathParameter(request, 'digest'), bodyOf<JsonValue>(request))),
  );

  // the content of a bundle is private configuration: the permission `observe` is not enough
  app.get('/bundles/:digest', { permission: 'admin' }, async (request, reply) => {
    return reply.send(await reads.run(() => request.served.getBundle(pathParameter(request, 'digest'))));
  });

  app.get('/bundles', { permission: 'observe', query: ['after', 'limit'] }, async (request, reply) => {
    const query = new Query(request);
    const page = await reads.run(() =>
      request.served.listBundles(
        defined({ after: query.text('after'), limit: query.limit(request.served.limits) }),
      ),
    );
    return sendPage(request, reply, page);
  });
};
