import type { WorkerSummary } from '@worker-runtime/core';
import { createContext, useContext } from 'react';
import type { ConnectedRuntime } from '../live/backend.ts';
import type { Thread } from '../live/thread.ts';

/** The Worker that a page is about. */
export interface CurrentWorker {
  readonly runtime: ConnectedRuntime;
  readonly workerId: string;
  /** Null until the watch has delivered it, and after its deletion. */
  readonly worker: WorkerSummary | null;
  readonly thread: Thread;
}

export const WorkerContext = createContext<CurrentWorker | null>(null);

/** Returns the Worker of the page. */
export const useWorker = (): CurrentWorker => {
  const current = useContext(WorkerContext);
  if (current === null) throw new TypeError('The component is not part of the page of a Worker');
  return current;
};
