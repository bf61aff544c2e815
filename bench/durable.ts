import { closeSync, fdatasync, openSync, write } from 'node:fs';
import { join } from 'node:path';
import { fsStore } from '@worker-runtime/plugin-fs-store';
import { type Bench, perSecond } from './measurement.ts';
import { MinimalLog } from './minimal-log.ts';
import { inScratch } from './scratch.ts';
import { forAll, JOB, MESSAGE, startTalkers, WORKERS } from './workload.ts';

const EVENTS_PER_RUN = 1_000;
const JOBS = 150;
const SERIAL_JOBS = 200;

/** Measures durable events through command, journal and store. The floor only writes and syncs the bytes in groups. */
export const durableEvents: Bench = {
  id: 'B1',
  what: `durable events of ${WORKERS} Workers, file store, vs a minimal log of the same bytes`,
  unit: 'events/s',
  better: 'more',
  goal: 0.5,
  floor: () =>
    inScratch(async (folder) => {
      const log = new MinimalLog(folder);
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

/** Measures jobs with three durable commits each. */
export const durableJobs: Bench = {
  id: 'B2',
  what: `durable jobs of ${WORKERS} Workers, file store, vs three commits of the same bytes per job to a minimal log`,
  unit: 'jobs/s',
  better: 'more',
  goal: 0.4,
  floor: () =>
    inScratch(async (folder) => {
      const log = new MinimalLog(folder);
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

/** Measures jobs one at a time. The latency of a job is that of three syncs, plus the time of the runtime. */
export const serialJobs: Bench = {
  id: 'B3',
  what: 'durable jobs one at a time, file store, vs three writes per job, each with its own sync',
  unit: 'jobs/s',
  better: 'more',
  goal: 0.5,
  floor: () =>
    inScratch(async (folder) => {
      const fd = openSync(join(folder, 'minimal.log'), 'a', 0o600);
      const rate = await perSecond(SERIAL_JOBS, async () => {
        for (let at = 0; at < SERIAL_JOBS; at++) for (const bytes of JOB) await writeAndSync(fd, bytes);
      });
      closeSync(fd);
      return rate;
    }),
  figure: () =>
    inScratch(async (dir) => {
      const { runtime, job } = await startTalkers(1, fsStore({ dir }));
      const rate = await perSecond(SERIAL_JOBS, async () => {
        for (let at = 0; at < SERIAL_JOBS; at++) await job('worker-0');
      });
      await runtime.stop();
      return rate;
    }),
};
