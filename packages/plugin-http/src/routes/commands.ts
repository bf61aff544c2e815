import type { Socket } from 'node:net';
import type { InputReceipt, WorkerInput } from '@worker-runtime/core';
import { whenAuthorityEnds } from '../access/caller.ts';
import { traceOf } from '../logging/trace-context.ts';
import type { HttpReply } from '../message/http-reply.ts';
import type { HttpRequest } from '../message/http-request.ts';
import { bodyOf, optionalBodyOf } from '../wire/json-body.ts';
import { waitMsOf } from '../wire/prefer.ts';
import { callOf } from './caller.ts';
import { pathParameter, type Routes } from './context.ts';
import { idempotencyOf, markReplayed } from './idempotency.ts';

const OBSERVE = { permission: 'observe' } as const;
const OPERATE = { permission: 'operate' } as const;

/** Returns the body of the answer to an input. The answer says in a header if it is that of an earlier call. */
const bodyOfReceipt = ({
  inputId,
  runId,
  seq,
  cursor,
  queued,
  run,
  waited,
}: InputReceipt): Omit<InputReceipt, 'replayed'> => ({ inputId, runId, seq, cursor, queued, run, waited });

/** Adds the routes of the commands to a Worker. */
export const commandRoutes: Routes = (app, { connections }) => {
  /** One for all requests of a connection, because making one takes longer than the rest of a wait. */
  const disconnections = new WeakMap<Socket, AbortController>();
  const disconnectionOf = (socket: Socket): AbortController => {
    const known = disconnections.get(socket);
    if (known !== undefined) return known;
    const made = new AbortController();
    disconnections.set(socket, made);
    return made;
  };

  /**
   * Counts a request that waits for a run, until it is answered. Returns a signal that aborts when the caller disconnects
   * before it has its answer, or when its authority ends, or null at the limit.
   */
  const beginWait = ({ raw: { socket }, caller }: HttpRequest, { raw }: HttpReply): AbortSignal | null => {
    const release = connections.hold(caller);
    if (release === null) return null;
    const disconnected = disconnectionOf(socket);
    const forget = whenAuthorityEnds(caller, () => {
      // the next request of the connection may be one of another caller
      disconnections.delete(socket);
      disconnected.abort();
    });
    raw.on('close', () => {
      release();
      forget();
      if (!raw.writableFinished) disconnected.abort();
    });
    return disconnected.signal;
  };

  app.post('/workers/:w/inputs', OPERATE, async (request, reply) => {
    const waitMs = waitMsOf(request.headers.prefer);
    // at the limit the input is accepted without the wait, which is a preference only
    const signal = waitMs > 0 ? beginWait(request, reply) : null;
    const options = {
      ...idempotencyOf(request),
      ...callOf(request),
      ...traceOf(request.headers.traceparent),
    };
    const receipt = await request.served.sendInput(
      pathParameter(request, 'w'),
      bodyOf<WorkerInput>(request),
      signal ? Object.assign(options, { waitMs, signal }) : options,
    );
    markReplayed(reply, receipt.replayed);
    if (signal) reply.header('preference-applied', `wait=${waitMs / 1_000}`);
    return reply.code(receipt.run === null ? 202 : 200).send(bodyOfReceipt(receipt));
  });

  app.get('/workers/:w/runs/:run', OBSERVE, async (request, reply) => {
    const waitMs = waitMsOf(request.headers.prefer);
    const signal = waitMs > 0 ? beginWait(request, reply) : null;
    if (waitMs > 0 && !signal) throw connections.heldErrorFor(request.caller);
    const waiting = { waitMs, ...(signal && { signal }) };
    if (signal) reply.header('preference-applied', `wait=${waitMs / 1_000}`);
    return reply.send(
      await request.served.waitForRun(pathParameter(request, 'w'), pathParameter(request, 'run'), waiting),
    );
  });

  app.get('/workers/:w/runs/:run/info', OBSERVE, async (request, reply) =>
    reply.send(await request.served.getRun(pathParameter(request, 'w'), pathParameter(request, 'run'))),
  );

  app.post('/workers/:w/cancel', OPERATE, async (request, reply) =>
    reply.send(
      await request.served.cancelRun(pathParameter(request, 'w'), optionalBodyOf(request), callOf(request)),
    ),
  );

  app.post('/workers/:w/stop', OPERATE, async (request, reply) =>
    reply.send(
      await request.served.stopWorker(pathParameter(request, 'w'), optionalBodyOf(request), callOf(request)),
    ),
  );

  app.post('/workers/:w/resume', OPERATE, async (request, reply) =>
    reply.send(
      await request.served.resumeWorker(
        pathParameter(request, 'w'),
        optionalBodyOf(request),
        callOf(request),
      ),
    ),
  );
};
