import type { WorkerInput } from '@worker-runtime/core';
import type { FastifyReply } from 'fastify';
import { bodyOf, optionalBodyOf } from '../wire/json-body.ts';
import { waitMsOf } from '../wire/prefer.ts';
import { pathParameter, type Routes } from './context.ts';
import { idempotencyOf, markReplayed } from './idempotency.ts';

/**
 * Returns a signal that aborts when the caller disconnects before it has its answer. It does not abort after an answer,
 * since each abort creates an error with a stack trace.
 */
const disconnectSignal = ({ raw }: FastifyReply): AbortSignal => {
  const disconnected = new AbortController();
  raw.once('close', () => {
    if (!raw.writableFinished) disconnected.abort();
  });
  return disconnected.signal;
};

const OBSERVE = { config: { permission: 'observe' } } as const;
const OPERATE = { config: { permission: 'operate' } } as const;

/** Adds the routes of the commands to a Worker. */
export const commandRoutes: Routes = (app, { runtime, connections }) => {
  /** Counts a request that waits for a run. Returns false at the limit. */
  const mayWait = ({ raw }: FastifyReply): boolean => {
    const release = connections.hold();
    if (release !== null) raw.once('close', release);
    return release !== null;
  };

  app.post('/workers/:w/inputs', OPERATE, async (request, reply) => {
    const preferredMs = waitMsOf(request.headers.prefer);
    // at the limit the input is accepted without the wait, which is a preference only
    const waitMs = preferredMs > 0 && mayWait(reply) ? preferredMs : 0;
    const waiting = waitMs === 0 ? {} : { waitMs, signal: disconnectSignal(reply) };
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

  app.get('/workers/:w/runs/:run', OBSERVE, async (request, reply) => {
    const waitMs = waitMsOf(request.headers.prefer);
    if (waitMs > 0 && !mayWait(reply)) throw connections.heldError;
    const waiting = waitMs === 0 ? { waitMs } : { waitMs, signal: disconnectSignal(reply) };
    if (waitMs > 0) reply.header('preference-applied', `wait=${waitMs / 1_000}`);
    return reply.send(
      await runtime.waitForRun(pathParameter(request, 'w'), pathParameter(request, 'run'), waiting),
    );
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
