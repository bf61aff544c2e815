import { fork } from 'node:child_process';
import { once } from 'node:events';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { BusyReport } from './busy-workers.ts';
import { clientOf } from './clients.ts';
import { Oracle } from './oracle.ts';
import { Server } from './server.ts';

/** The longest time without a finished job, and the longest duration of 99 of 100 jobs, that pass. */
const PAUSE_MS = 1_000;
const P99_MS = 1_500;
/** The space for new objects that docs/operating.md recommends for thousands of busy Workers. */
const NEW_SPACE_MIB = 64;
/** The most that a start after the kill may have to look at: four segments of the write-ahead log. */
const REPLAY_BYTES = 4 * 67_108_864;
/** One of so many Workers is compared with the acknowledgements. */
const JUDGED = 20;

/** The results of the busy process, up to its kill. */
interface Results {
  /** For each Worker, the number of acknowledged jobs. */
  readonly acknowledged: readonly number[];
  readonly finished: number;
  readonly p99: number;
  readonly pauseMs: number;
}

/** Runs busy Workers in a process of their own, and kills it amid the load. */
const runBusyProcess = async (store: string, workers: number, minutes: number): Promise<Results> => {
  const child = fork(fileURLToPath(new URL('busy-workers.ts', import.meta.url)), [store, String(workers)], {
    execArgv: [`--max-semi-space-size=${NEW_SPACE_MIB}`, '--import', import.meta.resolve('tsx')],
  });
  const exited = once(child, 'exit').then(([code, signal]) => {
    throw new Error(`The busy process ended by itself (${String(code ?? signal)})`);
  });
  exited.catch(() => {});
  await Promise.race([once(child, 'message'), exited]);
  const acknowledged = new Array<number>(workers).fill(0);
  const times: number[] = [];
  let pauseMs = 0;
  child.on('message', (report: BusyReport) => {
    for (const at of report.jobs) acknowledged[at] = (acknowledged[at] ?? 0) + 1;
    for (const time of report.times) times.push(time);
    ({ pauseMs } = report);
  });
  const timer = new Promise((resolve) => setTimeout(resolve, minutes * 60_000));
  await Promise.race([timer, exited]);
  const ended = once(child, 'exit');
  child.kill('SIGKILL');
  await ended;
  times.sort((a, b) => a - b);
  const p99 = times[Math.floor(0.99 * times.length)] ?? Number.POSITIVE_INFINITY;
  return { acknowledged, finished: times.length, p99, pauseMs };
};

/** The size of the write-ahead log, which a start after a kill replays. */
const replayBytes = async (store: string): Promise<number> => {
  const folder = join(store, 'wal');
  const files = await Promise.all((await readdir(folder)).map((name) => stat(join(folder, name))));
  return files.reduce((sum, { size }) => sum + size, 0);
};

/**
 * Lets many Workers do one job after the other without a pause, kills their process amid the load, and starts the server on
 * their store. Passes if jobs ended in every second, checkpoints kept the replay short, and nothing acknowledged is lost.
 */
export const soakBusy = async (
  folder: string,
  { minutes, workers }: { readonly minutes: number; readonly workers: number },
): Promise<{ readonly line: string; readonly hasPassed: boolean }> => {
  const store = join(folder, 'store');
  const { acknowledged, finished, p99, pauseMs } = await runBusyProcess(store, workers, minutes);
  const replayed = await replayBytes(store);
  const plugins = ['fs-store', 'http', 'echo'].flatMap((name) => ['--plugin', name]);
  const server = await Server.at(join(folder, 'server.log'), ...plugins, '--fs-store.dir', store);
  try {
    const startedAt = performance.now();
    await server.start();
    const startMs = performance.now() - startedAt;
    const oracle = new Oracle();
    const judged = acknowledged.flatMap((jobs, at) =>
      at % JUDGED === 0 ? [{ workerId: `w${at}`, jobs }] : [],
    );
    for (const { workerId, jobs } of judged)
      for (let at = 0; at < jobs; at += 1) oracle.recordAcknowledged(workerId, `${workerId}-${at}`);
    const workerIds = judged.map(({ workerId }) => workerId);
    const { lost, duplicated, misread } = await oracle.judge(clientOf(server.url, 'sse'), workerIds);
    const exitCode = await server.end('SIGTERM');
    return {
      line:
        `${workers} busy Workers: ${(finished / minutes / 60).toFixed(0)} jobs/s, p99 ${p99.toFixed(0)} ms, ` +
        `longest pause ${pauseMs.toFixed(0)} ms; after the kill ${(replayed / 1_048_576).toFixed(0)} MiB replayed, ` +
        `ready in ${startMs.toFixed(0)} ms; of ${judged.length} Workers lost ${lost}, duplicated ${duplicated}, ` +
        `misread ${misread}; exit code ${exitCode}`,
      hasPassed:
        finished > 0 &&
        pauseMs <= PAUSE_MS &&
        p99 <= P99_MS &&
        replayed <= REPLAY_BYTES &&
        lost + duplicated + misread === 0 &&
        exitCode === 0,
    };
  } finally {
    await server.end('SIGKILL');
  }
};
