import { RuntimeError, type WorkerEvent } from '@worker-runtime/core';
import {
  type LogEnd,
  observeOrQuiet,
  QUIET_FRAME,
  readLogEnd,
  sseAnswer,
} from '@worker-runtime/core/plugin-kit';
import type { AgUiEvent } from './ag-ui-event.ts';
import type { AgUiRuntime } from './ag-ui-runtime.ts';
import { messagesInOrder, messagesOfLog } from './history.ts';
import { interruptOf } from './interrupts.ts';
import { WorkerFold } from './worker-fold.ts';

export interface RunToStream {
  readonly runtime: AgUiRuntime;
  readonly workerId: string;
  /** The run whose end ends the answer; null if no run is active. */
  readonly followed: string | null;
  readonly log: LogEnd;
  /** The ids of the messages that the client holds, in its order. */
  readonly held: readonly string[];
  readonly threadId: string;
  readonly runId: string;
  /** Aborts when the client disconnects. */
  readonly signal: AbortSignal;
  /** Aborts when the answer has to end. Its reason is the error that the client gets. */
  readonly ending: AbortSignal | null;
}

const frame = (event: AgUiEvent): string => `data: ${JSON.stringify(event)}\n\n`;

const errorFrame = (error: unknown): string => {
  const { code, message } = RuntimeError.from(error);
  return frame({ type: 'RUN_ERROR', code, message });
};

type RunEnd = Extract<WorkerEvent, { readonly type: 'run.finished' }>;

const isEndOf = (event: WorkerEvent, run: string | null): event is RunEnd =>
  event.type === 'run.finished' && event.run === run;

const endOf = ({ threadId, runId }: RunToStream, end: RunEnd | null): AgUiEvent => {
  const outcome = end?.data.outcome ?? 'completed';
  const error = end?.data.error;
  if (outcome === 'failed' && error !== undefined)
    return { type: 'RUN_ERROR', code: error.code, message: error.message };
  if (outcome === 'failed' || outcome === 'interrupted')
    return {
      type: 'RUN_ERROR',
      code: 'EXECUTION_LOST',
      message: 'The run was interrupted, because the runtime stopped or crashed',
    };
  const type = outcome === 'cancelled' ? outcome : 'success';
  return { type: 'RUN_FINISHED', threadId, runId, outcome: { type } };
};

const snapshotUpTo = async ({ runtime, workerId }: RunToStream, seq: number): Promise<AgUiEvent> => {
  const { events, isAll } = await readLogEnd(runtime, workerId);
  const messages = messagesOfLog({ events: events.filter((event) => event.seq <= seq), isAll });
  return { type: 'MESSAGES_SNAPSHOT', messages };
};

async function* framesOf(run: RunToStream, left: AbortSignal): AsyncGenerator<string> {
  const { runtime, workerId, threadId, runId, followed, held, log, signal, ending } = run;
  yield frame({
    type: 'RUN_STARTED',
    threadId,
    runId,
    protocolVersion: '1.0',
    metadata: { workerId, ...(followed !== null && { run: followed }) },
  });
  const messages = messagesOfLog(log);
  const inOrder = messagesInOrder(messages, held);
  if (inOrder !== null) yield frame({ type: 'MESSAGES_SNAPSHOT', messages: inOrder });
  yield frame({ type: 'MESSAGES_SNAPSHOT', messages });
  const end = log.events.find((event): event is RunEnd => isEndOf(event, followed)) ?? null;
  if (followed === null || end !== null) {
    yield frame(endOf(run, end));
    return;
  }
  const fold = new WorkerFold(log.events);
  const { items: requests } = await runtime.listRequests(workerId);
  fold.setRequests(requests);
  for (const event of fold.begin()) yield frame(event);
  const observed = observeOrQuiet({
    runtime,
    workerId,
    after: fold.lastSeq === 0 ? 'start' : `@${fold.lastSeq}`,
    left: [left, signal],
    ending,
    state: () => (fold.isAsking ? (fold.isBlocked ? 'blocked' : 'waiting') : 'active'),
  });
  for await (const item of observed) {
    if (item === 'quiet') {
      if (!fold.isAsking) {
        yield QUIET_FRAME;
        continue;
      }
      const { items } = await runtime.listRequests(workerId);
      fold.setRequests(items);
      if (items.length === 0) continue;
      for (const event of fold.close()) yield frame(event);
      const outcome = { type: 'interrupt', interrupts: items.map(interruptOf) } as const;
      yield frame({ type: 'RUN_FINISHED', threadId, runId, outcome });
      return;
    }
    for (const event of fold.apply(item))
      yield frame(event === 'snapshot' ? await snapshotUpTo(run, fold.lastSeq) : event);
    if (item.type === 'event' && isEndOf(item.event, followed)) {
      for (const event of fold.close()) yield frame(event);
      yield frame(endOf(run, item.event));
      return;
    }
  }
}

/** Streams a run until it ends or waits for people. */
export const streamRun = (run: RunToStream): Response =>
  sseAnswer({ frames: (left) => framesOf(run, left), failed: errorFrame });
