import { setMaxListeners } from 'node:events';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { clientOf, isRetryable, type Scene, view } from './clients.ts';
import { Oracle } from './oracle.ts';
import type { Random } from './random.ts';
import { Server } from './server.ts';

/** The number of Workers that are created at the same time. */
const CREATIONS = 50;
/** One of so many Workers has a reader. */
const VIEWED = 40;
const WORDS = Array.from({ length: 20 }, (_, at) => `word-${at}`).join(' ');

/** The number of finished runs, and of calls that were sent again because they failed. */
interface Progress {
  finished: number;
  retries: number;
}

/** Keeps one Worker busy: sends an input, waits for its run, sends the next one. */
const keepBusy = async (
  { url, oracle, signal }: Scene,
  workerId: string,
  progress: Progress,
): Promise<void> => {
  const api = clientOf(url, 'sse');
  for (let at = 0; !signal.aborted; ) {
    const idempotencyKey = `${workerId}-${at}`;
    try {
      const { waited } = await api.sendInput(
        workerId,
        { text: WORDS, whenBusy: 'queue' },
        { idempotencyKey, waitMs: 30_000 },
      );
      oracle.recordAcknowledged(workerId, idempotencyKey);
      if (waited === 'finished') progress.finished += 1;
      at += 1;
    } catch (error) {
      if (!isRetryable(error)) throw error;
      progress.retries += 1;
      await delay(200);
    }
  }
};

/** Measures how long the server takes for a trivial answer, each second. Returns the longest time in milliseconds. */
const worstResponse = async ({ url, signal }: Scene): Promise<number> => {
  let worst = 0;
  while (!signal.aborted) {
    const begin = performance.now();
    // A failure counts as the time until it came.
    await fetch(`${url}/livez`)
      .then((answer) => answer.text())
      .catch(() => {});
    worst = Math.max(worst, performance.now() - begin);
    await delay(1_000, undefined, { signal }).catch(() => {});
  }
  return worst;
};

/** Runs the real server with many Workers that are busy all the time, and checks it against the acknowledgements. */
export const soakBusy = async (
  folder: string,
  random: Random,
  { minutes, workers }: { readonly minutes: number; readonly workers: number },
): Promise<{ readonly line: string; readonly hasPassed: boolean }> => {
  const plugins = ['fs-store', 'http', 'ws', 'echo'].flatMap((name) => ['--plugin', name]);
  const server = await Server.at(
    join(folder, 'server.log'),
    ...plugins,
    '--fs-store.dir',
    join(folder, 'store'),
  );
  const soak = async (): Promise<{ readonly line: string; readonly hasPassed: boolean }> => {
    await server.start();
    const { url } = server;
    const api = clientOf(url, 'sse');
    const workerIds = Array.from({ length: workers }, (_, at) => `w${at}`);
    const left = workerIds.values();
    await Promise.all(
      Array.from({ length: CREATIONS }, async () => {
        for (const workerId of left)
          await api.createWorker({ workerId, engine: 'echo', config: { delayMs: 20 } });
      }),
    );
    const oracle = new Oracle();
    const end = new AbortController();
    setMaxListeners(0, end.signal);
    const scene: Scene = { url, workerIds, oracle, random, signal: end.signal };
    const progress: Progress = { finished: 0, retries: 0 };
    const running = Promise.all(workerIds.map((workerId) => keepBusy(scene, workerId, progress)));
    const viewers = Promise.all(
      workerIds.filter((_, at) => at % VIEWED === 0).map((workerId) => view(scene, workerId, 'ws')),
    );
    const slowest = worstResponse(scene);
    await Promise.race([delay(minutes * 60_000), running, viewers]);
    end.abort();
    await running;
    await viewers;
    const { finished, retries } = progress;
    const worst = await slowest;
    const exitCode = await server.end('SIGTERM');
    await server.start();
    await oracle.checkStatus(api);
    const { acknowledged, lost, duplicated, misread, wrongStatus } = await oracle.judge(api, workerIds);
    await server.end('SIGTERM');
    return {
      line:
        `${workers} busy Workers: ${(finished / minutes / 60).toFixed(0)} runs/s, acknowledged ${acknowledged}, lost ${lost}, ` +
        `duplicated ${duplicated}, wrong status ${wrongStatus}, misread ${misread}, ${retries} calls repeated, exit code ${exitCode}, ` +
        `slowest answer of /livez ${worst.toFixed(0)} ms`,
      hasPassed: finished > 0 && lost + duplicated + wrongStatus + misread === 0 && exitCode === 0,
    };
  };
  try {
    return await Promise.race([soak(), server.died]);
  } finally {
    await server.end('SIGKILL');
  }
};
