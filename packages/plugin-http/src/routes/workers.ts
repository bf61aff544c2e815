import type { CreateWorker, UpdateWorker, WorkerStatus } from '@worker-runtime/core';
import type { ForkWorker } from '@worker-runtime/core/plugin-kit';
import { bodyOf, optionalBodyOf } from '../wire/json-body.ts';
import { sendPage } from '../wire/page.ts';
import { defined, Query } from '../wire/query.ts';
import { callOf } from './caller.ts';
import { pathParameter, type Routes } from './context.ts';
import { idempotencyOf, markReplayed } from './idempotency.ts';

export const STATUSES: Readonly<Record<WorkerStatus, true>> = {
  idle: true,
  running: true,
  waiting: true,
  stopped: true,
};

/** Adds the routes to create, list, read, update and delete Workers. */
export const workerRoutes: Routes = (app, { reads }) => {
  app.post('/workers', { permission: 'operate' }, async (request, reply) => {
    const { worker, input, replayed } = await request.served.createWorker(bodyOf<CreateWorker>(request), {
      ...idempotencyOf(request),
      ...callOf(request),
    });
    markReplayed(reply, replayed);
    reply
      .code(201)
      // relative, since a proxy may serve the API below a prefix
      .header('location', `workers/${encodeURIComponent(worker.workerId)}`);
    if (input === null) return reply.send(worker);
    // only this answer has the receipt: its cursor is where the first run can be followed from
    const { replayed: _, ...initialInput } = input;
    return reply.send({ ...worker, initialInput });
  });

  app.get(
    '/workers',
    { permission: 'observe', query: ['after', 'limit', 'status', 'label', 'parent', 'include'] },
    async (request, reply) => {
      const query = new Query(request);
      const page = await reads.run(() =>
        request.served.listWorkers(
          defined({
            after: query.text('after'),
            limit: query.limit(request.served.limits),
            status: query.oneOf('status', Object.keys(STATUSES) as WorkerStatus[]),
            labels: query.pairs('label'),
            parent: query.text('parent'),
            include: query.oneOf('include', ['overview']),
          }),
        ),
      );
      return sendPage(request, reply, page);
    },
  );

  app.get('/workers/:w', { permission: 'observe' }, async (request, reply) => {
    return reply.send(await request.served.getWorker(pathParameter(request, 'w')));
  });

  app.post('/workers/:w/fork', { permission: 'operate' }, async (request, reply) => {
    const { worker, replayed } = await request.served.forkWorker(
      pathParameter(request, 'w'),
      optionalBodyOf<ForkWorker>(request),
      { ...idempotencyOf(request), ...callOf(request) },
    );
    markReplayed(reply, replayed);
    // relative to this path, as that of a creation
    return reply
      .code(201)
      .header('location', `../${encodeURIComponent(worker.workerId)}`)
      .send(worker);
  });

  app.on('PATCH', '/workers/:w', { permission: 'operate' }, async (request, reply) =>
    reply.send(
      await request.served.updateWorker(
        pathParameter(request, 'w'),
        bodyOf<UpdateWorker>(request),
        callOf(request),
      ),
    ),
  );

  app.on('DELETE', '/workers/:w', { permission: 'admin' }, async (request, reply) => {
    await request.served.deleteWorker(pathParameter(request, 'w'), callOf(request));
    return reply.code(204).send();
  });
};
