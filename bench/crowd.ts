import { fsStore } from '@worker-runtime/plugin-fs-store';
import { type Bench, median, milliseconds } from './measurement.ts';
import { inScratch } from './scratch.ts';
import { startTalkers, WORKERS } from './workload.ts';

/*
 * Measures many Workers that are all busy. Each has a file of its own, and the write-ahead log takes lines faster than so
 * many files do. The figures show if Workers ever wait for files.
 */

const MANY = 2_000;
const SECONDS = 20;
const PAIRS = 3;

interface Crowd {
  /** The durations of all jobs in milliseconds, sorted. */
  readonly times: readonly number[];
  /** The longest time in which no job ended, in milliseconds. */
  readonly pause: number;
}

/** Lets a number of Workers do one job after the other. */
const measureCrowd = (workers: number, seconds: number): Promise<Crowd> =>
  inScratch(async (dir) => {
    const { runtime, job } = await startTalkers(1, fsStore({ dir }));
    const workerIds = Array.from({ length: workers }, (_, index) => `busy-${index}`);
    await Promise.all(workerIds.map((workerId) => runtime.createWorker({ engine: 'talker', workerId })));
    const times: number[] = [];
    let pause = 0;
    let last = performance.now();
    const end = last + seconds * 1_000;
    await Promise.all(
      workerIds.map(async (workerId) => {
        while (performance.now() < end) {
          times.push(await milliseconds(() => job(workerId)));
          const now = performance.now();
          pause = Math.max(pause, now - last);
          last = now;
        }
      }),
    );
    await runtime.stop();
    return { times: times.sort((a, b) => a - b), pause };
  });

/** P22: Workers do not stand still while files are written. */
export const crowdPause: Bench = {
  id: 'B14',
  what: `longest pause without a finished job while ${MANY.toLocaleString('en')} Workers are busy for ${SECONDS} s, file store, vs one second`,
  unit: 'ms',
  better: 'less',
  goal: 1,
  pairs: PAIRS,
  floor: async () => 1_000,
  figure: async () => (await measureCrowd(MANY, SECONDS)).pause,
};

/** P22: the slowest jobs of many Workers take as long as the number of Workers explains. */
export const crowdTail: Bench = {
  id: 'B14t',
  what: `p99 duration of a job of ${MANY.toLocaleString('en')} busy Workers, file store, vs the median of ${WORKERS} busy Workers times ${MANY / WORKERS}`,
  unit: 'ms',
  better: 'less',
  goal: 3,
  pairs: PAIRS,
  floor: async () => (median((await measureCrowd(WORKERS, 5)).times) * MANY) / WORKERS,
  async figure() {
    const { times } = await measureCrowd(MANY, SECONDS);
    return times[Math.floor(0.99 * times.length)] as number;
  },
};
