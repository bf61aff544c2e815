import type { SteadyClock } from '../steady-clock.ts';
import type { Workers } from './workers.ts';

const sweep = (workers: Workers, before: number): void => {
  for (const worker of workers) {
    const { live } = worker;
    if (live && live.activeAt <= before && !live.isBusy) workers.unload(worker);
  }
};

/**
 * Unloads Workers that have been idle for `idleMs`. Runs every `idleMs` and costs one look at each Worker. Returns a function that cancels the sweep.
 */
export const sweepIdle = (workers: Workers, clock: SteadyClock, idleMs: number): (() => void) => {
  const round = (): void => {
    sweep(workers, clock.steadyMs() - idleMs);
    cancelTimer = clock.after(idleMs, round);
  };
  let cancelTimer = clock.after(idleMs, round);
  return () => cancelTimer();
};
