import type { Clock } from '../contracts/clock.ts';
import type { Worker } from './worker.ts';

const sweep = (workers: Iterable<Worker>, before: number): void => {
  for (const worker of workers) {
    const { live } = worker;
    if (!live || live.activeAt > before || live.isBusy) continue;
    if (!live.execution?.isConnected) worker.live = null;
    else if (worker.state.run === null) {
      live.readers.tail.clear();
      live.keys = null;
    }
  }
};

/**
 * Frees the live state of Workers that have been idle for `idleMs`; a Worker with an attached engine loses its tail and
 * keys only. Runs every `idleMs` and costs one look at each Worker. Returns a function that cancels the sweep.
 */
export const sweepIdle = (workers: Iterable<Worker>, clock: Clock, idleMs: number): (() => void) => {
  const round = (): void => {
    sweep(workers, clock.now() - idleMs);
    cancelTimer = clock.after(idleMs, round);
  };
  let cancelTimer = clock.after(idleMs, round);
  return () => cancelTimer();
};
