import type { PendingInput, WorkerState } from './state.ts';

/** Returns the number of the event before an input; 0 for an input of an old snapshot, whose position is not known. */
const before = ({ seq }: PendingInput): number => Math.max(0, seq - 1);

/**
 * Returns the number of the last event that may be removed. Later ones are needed: by the run in progress and its open requests, by queued
 * inputs, and by an engine that reads the conversation after its last summary. The last event of a log always stays.
 */
export const historyFloor = (
  { head, run, queue, historyFrom }: WorkerState,
  readsHistory: boolean,
): number => {
  const needed = [head.seq - 1, ...queue.map(before)];
  if (run) needed.push(run.from?.seq ?? 0, ...(run.input ? [before(run.input)] : []));
  if (readsHistory) needed.push(historyFrom?.at.seq ?? 0);
  return Math.max(0, Math.min(...needed));
};
