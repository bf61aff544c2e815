import { defined, Query } from '../wire/query.ts';
import type { Routes } from './context.ts';

/** Adds the usage of all Workers of a runtime. */
export const usageRoute: Routes = (app, { reads }) => {
  app.get('/usage', { permission: 'observe', query: ['days', 'label', 'limit'] }, async (request, reply) => {
    const query = new Query(request);
    const { served } = request;
    const report = await reads.run(() =>
      served.usage(
        defined({
          days: query.wholeNumber('days'),
          labels: query.pairs('label'),
          limit: query.limit(served.limits),
        }),
      ),
    );
    return reply.send(report);
  });
};
