/*
 * A process with many Workers that are busy all the time: each does one job after the other. It reports to its parent what
 * was acknowledged, until it is killed.
 */
import { engine, inputText, Runtime } from '@worker-runtime/core';
import { fsStore } from '@worker-runtime/plugin-fs-store';

/** A report of this process. The first one has no jobs and says that all Workers exist. */
export interface BusyReport {
  /** For each finished job, the index of its Worker. */
  readonly jobs: readonly number[];
  /** For each finished job, its duration in ms. */
  readonly times: readonly number[];
  /** The longest time without a finished job so far, in ms. */
  readonly pauseMs: number;
}

const REPORT_MS = 200;
const TEXT = 'word '.repeat(20);

const [dir = '', count = '0'] = process.argv.slice(2);
const echo = engine('echo', async function* (run) {
  yield { type: 'text', text: inputText(run.input) };
  yield { type: 'message' };
});
const runtime = await Runtime.start({ engines: [echo], plugins: [fsStore({ dir })] });
const workerIds = Array.from({ length: Number(count) }, (_, at) => `w${at}`);
await Promise.all(workerIds.map((workerId) => runtime.createWorker({ workerId, engine: 'echo' })));

let jobs: number[] = [];
let times: number[] = [];
let pauseMs = 0;
const report = (): void => {
  process.send?.({ jobs, times, pauseMs } satisfies BusyReport);
  jobs = [];
  times = [];
};
report();
setInterval(report, REPORT_MS);

let last = performance.now();
const work = async (workerId: string, index: number): Promise<never> => {
  for (let at = 0; ; at += 1) {
    const begin = performance.now();
    const options = { idempotencyKey: `${workerId}-${at}`, waitMs: 60_000 };
    const { waited } = await runtime.sendInput(workerId, { text: TEXT }, options);
    if (waited !== 'finished') throw new Error(`A job of ${workerId} was not finished in time`);
    const now = performance.now();
    jobs.push(index);
    times.push(now - begin);
    pauseMs = Math.max(pauseMs, now - last);
    last = now;
  }
};
await Promise.all(workerIds.map(work));
