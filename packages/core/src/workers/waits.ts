import type { WorkerWait } from '../contracts/worker.ts';
import type { Worker } from './worker.ts';

const NOTHING: readonly WorkerWait[] = [];

/** Returns what the work of a Worker waits for. It follows from the state, and from the error that keeps an engine from attaching. */
export const waitsOf = ({ state, live }: Worker): readonly WorkerWait[] => {
  const { run, queue, requests, updatedAt } = state;
  const since = run?.quietSince ?? updatedAt;
  if (run === null || run.isDetached === true)
    return run === null && queue.length === 0
      ? NOTHING
      : [{ for: 'execution', since, error: live?.execution?.blockedBy ?? null }];
  const waits: WorkerWait[] = requests.map(({ requestId, openedAt }) => ({
    for: 'answer',
    since: openedAt,
    requestId,
  }));
  if (waits.length === 0)
    waits.push(run.calls ? { for: 'tools', since, calls: run.calls } : { for: 'engine', since });
  if (queue.length > 0)
    waits.push({ for: 'run', since: run.startedAt, runId: run.runId, inputs: queue.length });
  return waits;
};
