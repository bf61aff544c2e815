import { DEFAULT_LIMITS, type WorkerStatus } from '@worker-runtime/core';
import type { DirectoryOfSeveral } from '../directory.ts';
import { defined, Query } from '../wire/query.ts';
import type { Routes } from './context.ts';
import { STATUSES } from './workers.ts';

/** Adds the lists across all runtimes of a directory. */
export const acrossRoutes =
  (directory: DirectoryOfSeveral): Routes =>
  (app) => {
    const limits = directory.limits ?? DEFAULT_LIMITS;
    app.get(
      '/v1/workers',
      {
        permission: 'observe',
        query: ['after', 'limit', 'status', 'label', 'include', 'runtime'],
      },
      async (request, reply) => {
        const query = new Query(request);
        const runtimes = query.all('runtime');
        return reply.send(
          await directory.workers(
            defined({
              after: query.text('after'),
              limit: query.limit(limits),
              status: query.oneOf('status', Object.keys(STATUSES) as WorkerStatus[]),
              labels: query.pairs('label'),
              include: query.oneOf('include', ['overview']),
              runtimes: runtimes.length === 0 ? undefined : runtimes,
            }),
            request.caller,
          ),
        );
      },
    );

    app.get('/v1/requests', { permission: 'observe', query: ['after', 'limit'] }, async (request, reply) => {
      const query = new Query(request);
      return reply.send(
        await directory.requests(
          defined({ after: query.text('after'), limit: query.limit(limits) }),
          request.caller,
        ),
      );
    });
  };
