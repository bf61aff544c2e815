import { closeSync, fdatasync, openSync, write } from 'node:fs';
import { join } from 'node:path';
import { fsStore } from '@worker-runtime/plugin-fs-store';
import { BareLog } from './bare-log.ts';
import { type Bench, perSecond } from './measurement.ts';
import { inScratch } from './scratch.ts';
import { forAll, JOB, MESSAGE, startTalkers, WORKERS } from './workload.ts';

const EVENTS_PER_RUN = 1_000;
const JOBS = 150;
const LONE_JOBS = 200;

/** Durable events through command, journal and store, against bytes that are merely written and synced in groups. */
export const durableEvents: Bench = {
  id: 'B1',
  what: `durable events of ${WORKERS} Workers, file store, vs a bare log of the same bytes`,
  unit: 'events/s',
  better: 'more',
  goal: 0.5,
  floor: () =>
    inScratch(async (folder) => {
      const log = new BareLog(folder);
      const rate = await perSecond(WORKERS * EVENTS_PER_RUN, () =>
        forAll(EVENTS_PER_RUN, () => log.append(MESSAGE)),
      );
      log.close();
      return rate;
    }),
  figure: () =>
    inScratch(async (dir) => {
      const { runtime, job } = await startTalkers(EVENTS_PER_RUN, fsStore({ dir }));
      const rate = await perSecond(WORKERS * EVENTS_PER_RUN, () => forAll(1, job));
      await runtime.stop();
      return rate;
    }),
};

/** Whole jobs, three durable commits each. */
export const durableJobs: Bench = {
  id: 'B2',
  what: `durable jobs of ${WORKERS} Workers, file store, vs three commits of the same bytes each in a bare log`,
  unit: 'jobs/s',
  better: 'more',
  goal: 0.4,
  floor: () =>
    inScratch(async (folder) => {
      const log = new BareLog(folder);
      const rate = await perSecond(WORKERS * JOBS, () =>
        forAll(JOBS, async () => {
          for (const bytes of JOB) await log.append(bytes);
        }),
      );
      log.close();
      return rate;
    }),
  figure: () =>
    inScratch(async (dir) => {
      const { runtime, job } = await startTalkers(1, fsStore({ dir }));
      const rate = await perSecond(WORKERS * JOBS, () => forAll(JOBS, job));
      await runtime.stop();
      return rate;
    }),
};

const writeAndSync = (fd: number, bytes: Uint8Array): Promise<void> =>
  new Promise((resolve, reject) => {
    const end = (error: Error | null): void => (error ? reject(error) : resolve());
    write(fd, bytes, 0, bytes.length, null, (error) => (error ? end(error) : fdatasync(fd, end)));
  });

/** One job alone: its latency is three syncs and what the runtime adds. */
export const loneJobs: Bench = {
  id: 'B3',
  what: 'one durable job alone, file store, vs three bare writes with a sync each',
  unit: 'jobs/s',
  better: 'more',
  goal: 0.5,
  floor: () =>
    inScratch(async (folder) => {
      const fd = openSync(join(folder, 'bare.log'), 'a', 0o600);
      const rate = await perSecond(LONE_JOBS, async () => {
        for (let at = 0; at < LONE_JOBS; at++) for (const bytes of JOB) await writeAndSync(fd, bytes);
      });
      closeSync(fd);
      return rate;
    }),
  figure: () =>
    inScratch(async (dir) => {
      const { runtime, job } = await startTalkers(1, fsStore({ dir }));
      const rate = await perSecond(LONE_JOBS, async () => {
        for (let at = 0; at < LONE_JOBS; at++) await job('worker-0');
      });
      await runtime.stop();
      return rate;
    }),
};
