import type { WorkerSummary } from '@worker-runtime/core';

export type Condition = WorkerSummary['status'] | 'damaged';

/** Returns the status of a Worker, in which a damaged log counts more than the rest. */
export const conditionOf = ({ status, health }: Pick<WorkerSummary, 'status' | 'health'>): Condition =>
  health === 'damaged' ? 'damaged' : status;

export const CONDITION_WORDS: Readonly<Record<Condition, string>> = {
  waiting: 'Waiting for you',
  running: 'Running',
  idle: 'Idle',
  stopped: 'Stopped',
  damaged: 'Damaged',
};
