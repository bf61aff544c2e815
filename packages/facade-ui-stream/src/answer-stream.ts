import { type RuntimeApi, RuntimeError } from '@worker-runtime/core';
import { orQuiet } from '@worker-runtime/core/plugin-kit';
import type { Chunk, Progress } from './chunk.ts';
import { errorText } from './problem.ts';
import { RunChunks } from './run-chunks.ts';

export interface RunToStream {
  readonly runtime: Pick<RuntimeApi, 'observe' | 'listRequests'>;
  readonly workerId: string;
  readonly runId: string;
  /** The position before the run. */
  readonly cursor: string;
  /** The part that the client has already; null if it has nothing. */
  readonly progress: Progress | null;
  /** Aborts when the client disconnects. */
  readonly signal: AbortSignal;
  /** Aborts when the answer has to end. Its reason is the error that the client gets. */
  readonly ending: AbortSignal | null;
}

/** The time without news after which an answer ends, if its run waits for people and for nothing else. */
const BLOCKED_MS = 100;
/** The same, if calls of the run are in progress, as far as the log says. An engine may begin them after the answer. */
const WAITING_MS = 1_000;
/** The time after which a quiet stream sends a comment, so that proxies do not close it. */
const COMMENT_MS = 15_000;

const encoder = new TextEncoder();
const frame = (chunk: Chunk | '[DONE]'): Uint8Array =>
  encoder.encode(`data: ${chunk === '[DONE]' ? chunk : JSON.stringify(chunk)}\n\n`);
const COMMENT = encoder.encode(': quiet\n\n');

async function* framesOf(run: RunToStream, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  const { runtime, workerId, runId, cursor, progress } = run;
  const chunks = new RunChunks(runId, progress);
  yield frame(chunks.start);
  const observations = runtime.observe(workerId, { after: cursor, signal })[Symbol.asyncIterator]();
  let next = observations.next();
  /** True if a request that the stream has shown is open now, and not only in the part of the log that was read. */
  let isWaiting = false;
  try {
    for (;;) {
      const quietMs = isWaiting ? (chunks.isBlocked ? BLOCKED_MS : WAITING_MS) : COMMENT_MS;
      const item = await orQuiet(next, quietMs);
      if (item === 'quiet') {
        if (!isWaiting) {
          yield COMMENT;
          continue;
        }
        for (const chunk of chunks.pause()) yield frame(chunk);
        return;
      }
      if (item.done) return;
      next = observations.next();
      const { value } = item;
      if (value.type === 'ended') throw new RuntimeError(value.code);
      for (const chunk of chunks.apply(value)) yield frame(chunk);
      if (chunks.isFinished) return;
      if (value.type === 'event' && value.event.type.startsWith('request.'))
        isWaiting = await isOpen(run, chunks.requests);
    }
  } finally {
    next.catch(() => {});
    void observations.return?.();
  }
}

const isOpen = async ({ runtime, workerId }: RunToStream, requests: readonly string[]): Promise<boolean> => {
  if (requests.length === 0) return false;
  const { items } = await runtime.listRequests(workerId);
  return items.some(({ requestId }) => requests.includes(requestId));
};

/** Streams a run to a client until it ends or waits for people. The next frame is made when the client has taken the last one. */
export const streamRun = (run: RunToStream): ReadableStream<Uint8Array> => {
  const left = new AbortController();
  const { signal, ending } = run;
  const all = AbortSignal.any([left.signal, signal, ...(ending === null ? [] : [ending])]);
  const frames = framesOf(run, all);
  let isDone = false;
  return new ReadableStream<Uint8Array>(
    {
      async pull(stream) {
        if (isDone) return stream.close();
        try {
          const { done, value } = await frames.next();
          if (!done) return stream.enqueue(value);
          // an observation that was aborted ends without an error
          if (ending?.aborted) stream.enqueue(frame({ type: 'error', errorText: errorText(ending.reason) }));
        } catch (error) {
          stream.enqueue(frame({ type: 'error', errorText: errorText(error) }));
        }
        isDone = true;
        stream.enqueue(frame('[DONE]'));
      },
      cancel: () => left.abort(),
    },
    { highWaterMark: 0 },
  );
};
