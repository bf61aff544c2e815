import type { RuntimeApi } from '@worker-runtime/core';
import { observeOrQuiet, QUIET_FRAME, sseAnswer } from '@worker-runtime/core/plugin-kit';
import type { Chunk, Progress } from './chunk.ts';
import { errorText } from './error-text.ts';
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

const frame = (chunk: Chunk): string => `data: ${JSON.stringify(chunk)}\n\n`;
const DONE = 'data: [DONE]\n\n';

async function* framesOf(run: RunToStream, left: AbortSignal): AsyncGenerator<string> {
  const { runtime, workerId, runId, cursor, progress, signal, ending } = run;
  const chunks = new RunChunks(runId, progress);
  yield frame(chunks.start);
  /** True if a request that the stream has shown is open now, and not only in the part of the log that was read. */
  let isWaiting = false;
  const observed = observeOrQuiet({
    runtime,
    workerId,
    after: cursor,
    left: [left, signal],
    ending,
    state: () => (isWaiting ? (chunks.isBlocked ? 'blocked' : 'waiting') : 'active'),
  });
  for await (const item of observed) {
    if (item === 'quiet') {
      if (!isWaiting) {
        yield QUIET_FRAME;
        continue;
      }
      for (const chunk of chunks.pause()) yield frame(chunk);
      break;
    }
    for (const chunk of chunks.apply(item)) yield frame(chunk);
    if (chunks.isFinished) break;
    if (item.type === 'event' && item.event.type.startsWith('request.'))
      isWaiting = await isOpen(run, chunks.requests);
  }
  yield DONE;
}

const isOpen = async ({ runtime, workerId }: RunToStream, requests: readonly string[]): Promise<boolean> => {
  if (requests.length === 0) return false;
  const { items } = await runtime.listRequests(workerId);
  return items.some(({ requestId }) => requests.includes(requestId));
};

/** Streams a run to a client until it ends or waits for people. */
export const streamRun = (run: RunToStream): Response =>
  sseAnswer({
    frames: (left) => framesOf(run, left),
    failed: (error) => frame({ type: 'error', errorText: errorText(error) }) + DONE,
    headers: { 'x-vercel-ai-ui-message-stream': 'v1' },
  });
