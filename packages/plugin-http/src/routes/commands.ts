import type { WorkerInput } from '@worker-runtime/core';
import type { FastifyReply } from 'fastify';
import { bodyOf, optionalBodyOf } from '../wire/json-body.ts';
import { waitMsOf } from '../wire/prefer.ts';
import { pathParameter, type Routes } from './context.ts';
import { idempotencyOf, markReplayed } from './idempotency.ts';

/** Aborted when the caller goes away before it has its answer. To abort for nothing would cost a stack trace each. */
const callerGone = ({ raw }: FastifyReply): AbortSignal => {
  const gone = new AbortController();
  raw.once('close', () => {
    if (!raw.writableFinished) gone.abort();
  });
  return gone.signal;
};

const OPERATE = { config: { permission: 'operate' } } as const;

/** What a Worker is told to do. */
export const commandRoutes: Routes = (app, { runtime }) => {
  app.post('/workers/:w/inputs', OPERATE, async (request, reply) => {
    const waitMs = waitMsOf(request.headers.prefer);
    const waiting = waitMs === 0 ? {} : { waitMs, signal: callerGone(reply) };
    const { replayed, ...receipt } = await runtime.sendInput(
      pathParameter(request, 'w'),
      bodyOf<WorkerInput>(request),
      {
        ...idempotencyOf(request),
        ...waiting,
      },
    );
    markReplayed(reply, replayed);
    if (waitMs > 0) reply.header('preference-applied', `wait=${waitMs / 1_000}`);
    return reply.code(receipt.run === null ? 202 : 200).send(receipt);
  });

  app.post('/workers/:w/cancel', OPERATE, async (request, reply) =>
    reply.send(await runtime.cancelRun(pathParameter(request, 'w'), optionalBodyOf(request))),
  );

  app.post('/workers/:w/stop', OPERATE, async (request, reply) =>
    reply.send(await runtime.stopWorker(pathParameter(request, 'w'), optionalBodyOf(request))),
  );

  app.post('/workers/:w/resume', OPERATE, async (request, reply) =>
    reply.send(await runtime.resumeWorker(pathParameter(request, 'w'), optionalBodyOf(request))),
  );
};
