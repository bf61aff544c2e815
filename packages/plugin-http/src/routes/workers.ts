import type { CreateWorker, UpdateWorker, WorkerStatus } from '@worker-runtime/core';
import { bodyOf } from '../wire/json-body.ts';
import { sendPage } from '../wire/page.ts';
import { defined, Query } from '../wire/query.ts';
import { pathParameter, type Routes } from './context.ts';
import { idempotencyOf, markReplayed } from './idempotency.ts';

const STATUSES: Readonly<Record<WorkerStatus, true>> = {
  idle: true,
  running: true,
  waiting: true,
  stopped: true,
};

/** Adds the routes to create, list, read, update and delete Workers. */
export const workerRoutes: Routes = (app, { runtime, reads }) => {
  app.post('/workers', { config: { permission: 'operate' } }, async (request, reply) => {
    const { worker, input, replayed } = await runtime.createWorker(
      bodyOf<CreateWorker>(request),
      idempotencyOf(request),
    );
    markReplayed(reply, replayed);
    reply
      .code(201)
      .header('location', `/v1/runtimes/${worker.runtimeId}/workers/${encodeURIComponent(worker.workerId)}`);
    if (input === null) return reply.send(worker);
    // only this answer has the receipt: its cursor is where the first run can be followed from
    const { replayed: _, ...initialInput } = input;
    return reply.send({ ...worker, initialInput });
  });

  app.get(
    '/workers',
    { config: { permission: 'observe', query: ['after', 'limit', 'status', 'label', 'parent'] } },
    async (request, reply) => {
      const query = new Query(request);
      const page = await reads.run(() =>
        runtime.listWorkers(
          defined({
            after: query.text('after'),
            limit: query.limit(runtime.limits),
            status: query.oneOf('status', Object.keys(STATUSES) as WorkerStatus[]),
            labels: query.pairs('label'),
            parent: query.text('parent'),
          }),
        ),
      );
      return sendPage(request, reply, page);
    },
  );

  app.get('/workers/:w', { config: { permission: 'observe' } }, async (request, reply) => {
    return reply.send(await runtime.getWorker(pathParameter(request, 'w')));
  });

  app.patch('/workers/:w', { config: { permission: 'operate' } }, async (request, reply) =>
    reply.send(await runtime.updateWorker(pathParameter(request, 'w'), bodyOf<UpdateWorker>(request))),
  );

  app.delete('/workers/:w', { config: { permission: 'admin' } }, async (request, reply) => {
    await runtime.deleteWorker(pathParameter(request, 'w'));
    return reply.code(204).send();
  });
};
