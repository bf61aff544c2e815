import { readdir } from 'node:fs/promises';
import { fsStore } from '@worker-runtime/plugin-fs-store';
import { milliseconds } from './measurement.ts';
import { inScratch } from './scratch.ts';
import { startTalkers } from './workload.ts';

/*
 * Lets a number of Workers do one job after the other, in a process of its own, so that its memory and its descriptors are those of
 * the crowd alone.
 */

/** The plan of a measurement. */
export interface CrowdPlan {
  readonly workers: number;
  readonly seconds: number;
}

/** The result of a measurement. */
export interface Crowd {
  readonly jobsPerSecond: number;
  readonly medianMs: number;
  readonly p99Ms: number;
  /** The longest time in which no job ended. */
  readonly pauseMs: number;
  /** The growth of the resident memory of the process since before the Workers were created. */
  readonly grownBytes: number;
  /** The most descriptors that were open at a look. */
  readonly descriptors: number;
}

const LOOK_MS = 250;

const measureCrowd = ({ workers, seconds }: CrowdPlan): Promise<Crowd> =>
  inScratch(async (dir) => {
    const { runtime, job } = await startTalkers(1, fsStore({ dir }));
    const before = process.memoryUsage.rss();
    const workerIds = Array.from({ length: workers }, (_, index) => `busy-${index}`);
    await Promise.all(workerIds.map((workerId) => runtime.createWorker({ engine: 'talker', workerId })));
    let descriptors = 0;
    const looks = setInterval(() => {
      void readdir('/dev/fd').then((open) => {
        descriptors = Math.max(descriptors, open.length);
      });
    }, LOOK_MS);
    const times: number[] = [];
    let pauseMs = 0;
    const begin = performance.now();
    const end = begin + seconds * 1_000;
    let last = begin;
    await Promise.all(
      workerIds.map(async (workerId) => {
        while (performance.now() < end) {
          times.push(await milliseconds(() => job(workerId)));
          const now = performance.now();
          pauseMs = Math.max(pauseMs, now - last);
          last = now;
        }
      }),
    );
    clearInterval(looks);
    const grownBytes = process.memoryUsage.rss() - before;
    await runtime.stop();
    times.sort((a, b) => a - b);
    const percentile = (share: number): number => times[Math.floor(share * times.length)] ?? 0;
    return {
      jobsPerSecond: times.length / ((last - begin) / 1_000),
      medianMs: percentile(0.5),
      p99Ms: percentile(0.99),
      pauseMs,
      grownBytes,
      descriptors,
    };
  });

process.stdout.write(JSON.stringify(await measureCrowd(JSON.parse(process.argv[2] ?? '') as CrowdPlan)));
