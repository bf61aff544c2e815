import { type Observation, RuntimeError, type WorkerEvent } from '@worker-runtime/core';
import { orQuiet } from '@worker-runtime/core/plugin-kit';
import type { AgUiEvent } from './ag-ui-event.ts';
import type { AgUiRuntime } from './ag-ui-runtime.ts';
import { type LogEnd, messagesInOrder, messagesOfLog, readLogEnd } from './history.ts';
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

/** The time without news after which an answer ends, if the Worker waits for people and for nothing else. */
const BLOCKED_MS = 100;
/** The same, if calls are in progress, as far as the log says. An engine may begin them after the answer. */
const WAITING_MS = 1_000;
/** The time after which a quiet stream sends a comment, so that proxies do not close it. */
const COMMENT_MS = 15_000;

const HEADERS = {
  'content-type': 'text/event-stream',
  'cache-control': 'no-cache',
  'x-accel-buffering': 'no',
};
const COMMENT = ': quiet\n\n';
const encoder = new TextEncoder();
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

async function* observed(
  run: RunToStream,
  fold: WorkerFold,
  signal: AbortSignal,
): AsyncGenerator<Observation | 'quiet'> {
  const after = fold.lastSeq === 0 ? 'start' : `@${fold.lastSeq}`;
  const observations = run.runtime.observe(run.workerId, { after, signal })[Symbol.asyncIterator]();
  let next = observations.next();
  try {
    for (;;) {
      const item = await orQuiet(
        next,
        fold.isAsking ? (fold.isBlocked ? BLOCKED_MS : WAITING_MS) : COMMENT_MS,
      );
      if (item === 'quiet') {
        yield item;
        continue;
      }
      if (item.done) return;
      next = observations.next();
      yield item.value;
    }
  } finally {
    next.catch(() => {});
    void observations.return?.();
  }
}

/** Yields the frames of an answer. Returns true if the client knows its end. */
async function* framesOf(
  run: RunToStream,
  log: LogEnd,
  signal: AbortSignal,
): AsyncGenerator<string, boolean> {
  const { runtime, workerId, threadId, runId, followed, held } = run;
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
    return true;
  }
  const fold = new WorkerFold(log.events);
  const { items: requests } = await runtime.listRequests(workerId);
  fold.setRequests(requests);
  for (const event of fold.begin()) yield frame(event);
  for await (const item of observed(run, fold, signal)) {
    if (item === 'quiet') {
      if (!fold.isAsking) {
        yield COMMENT;
        continue;
      }
      const { items } = await runtime.listRequests(workerId);
      fold.setRequests(items);
      if (items.length === 0) continue;
      for (const event of fold.close()) yield frame(event);
      const outcome = { type: 'interrupt', interrupts: items.map(interruptOf) } as const;
      yield frame({ type: 'RUN_FINISHED', threadId, runId, outcome });
      return true;
    }
    if (item.type === 'ended') throw new RuntimeError(item.code);
    for (const event of fold.apply(item))
      yield frame(event === 'snapshot' ? await snapshotUpTo(run, fold.lastSeq) : event);
    if (item.type === 'event' && isEndOf(item.event, followed)) {
      for (const event of fold.close()) yield frame(event);
      yield frame(endOf(run, item.event));
      return true;
    }
  }
  return false;
}

/** Streams a run until it ends or waits for people. The next frame is made when the client has taken the last one. */
export const streamRun = (run: RunToStream): Response => {
  const left = new AbortController();
  const { signal, ending, log } = run;
  const all = AbortSignal.any([left.signal, signal, ...(ending === null ? [] : [ending])]);
  const frames = framesOf(run, log, all);
  let isDone = false;
  const body = new ReadableStream<Uint8Array>(
    {
      async pull(stream) {
        if (isDone) return stream.close();
        const send = (text: string): void => stream.enqueue(encoder.encode(text));
        try {
          const next = await frames.next();
          if (!next.done) return send(next.value);
          isDone = true;
          // an observation that was aborted ends without an error
          return ending?.aborted && !next.value ? send(errorFrame(ending.reason)) : stream.close();
        } catch (error) {
          isDone = true;
          return send(errorFrame(error));
        }
      },
      cancel: () => left.abort(),
    },
    { highWaterMark: 0 },
  );
  return new Response(body, { headers: HEADERS });
};
