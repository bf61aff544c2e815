import type { Clock } from '../contracts/clock.ts';
import type { Live, Worker } from './worker.ts';

/** Whether something needs the live part whatever the time. */
const isNeeded = ({ isTurning, attaching, stopping, stall, holds, wakes }: Live): boolean =>
  isTurning || attaching !== null || stopping !== null || stall !== null || holds > 0 || wakes.size > 0;

const sweep = (workers: Iterable<Worker>, before: number): void => {
  for (const worker of workers) {
    const { live } = worker;
    if (!live || live.activeAt > before || isNeeded(live)) continue;
    if (live.execution === null) worker.live = null;
    else if (worker.state.run === null) {
      live.tail.clear();
      live.keys = null;
    }
  }
};

/** Workers that nothing happens to for so long fall back to their record. Returns how to call that off. */
export const sweepIdle = (workers: Iterable<Worker>, clock: Clock, idleMs: number): (() => void) => {
  const round = (): void => {
    sweep(workers, clock.now() - idleMs);
    callOff = clock.after(idleMs, round);
  };
  let callOff = clock.after(idleMs, round);
  return () => callOff();
};
