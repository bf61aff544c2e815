import { setMaxListeners } from 'node:events';
import { readdir, stat } from 'node:fs/promises';
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

/** The runs a second of all Workers together: half of what the server and these clients can do on two cores. */
const RUNS_A_SECOND = 600;
/** The longest time without a finished run, and the longest duration of 99 of 100 runs, that pass. */
const PAUSE_MS = 1_000;
const P99_MS = 1_500;
/** The most that a start after a kill may have to replay: the log between two checkpoints, and what is being filed. */
const REPLAY_BYTES = 134_217_728;

/** The results of the clients so far. */
class Progress {
  /** The durations of the finished runs, in ms. */
  readonly times: number[] = [];
  /** Calls that were sent again because they failed. */
  retries = 0;
  /** The longest time without a finished run, in ms. */
  pause = 0;
  #last = performance.now();

  finished(durationMs: number): void {
    const now = performance.now();
    this.times.push(durationMs);
    this.pause = Math.max(this.pause, now - this.#last);
    this.#last = now;
  }

  get p99(): number {
    return this.times.sort((a, b) => a - b)[Math.floor(0.99 * this.times.length)] ?? Number.POSITIVE_INFINITY;
  }
}

/** Keeps one Worker busy: sends an input, waits for its run, and sends the next one when its time has come. */
const keepBusy = async (
  { url, oracle, random, signal, workerIds }: Scene,
  workerId: string,
  progress: Progress,
): Promise<void> => {
  const api = clientOf(url, 'sse');
  const everyMs = (workerIds.length / RUNS_A_SECOND) * 1_000;
  let dueMs = performance.now() + random.next() * everyMs;
  for (let at = 0; ; ) {
    await delay(Math.max(0, dueMs - performance.now()), undefined, { signal }).catch(() => {});
    if (signal.aborted) return;
    const idempotencyKey = `${workerId}-${at}`;
    const begin = performance.now();
    try {
      const { waited } = await api.sendInput(
        workerId,
        { text: WORDS, whenBusy: 'queue' },
        { idempotencyKey, waitMs: 30_000 },
      );
      oracle.recordAcknowledged(workerId, idempotencyKey);
      if (waited === 'finished') progress.finished(performance.now() - begin);
      at += 1;
      dueMs += everyMs;
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

/** The size of the write-ahead log, which a start after a kill replays. */
const replayBytes = async (store: string): Promise<number> => {
  const folder = join(store, 'wal');
  const files = await Promise.all((await readdir(folder)).map((name) => stat(join(folder, name))));
  return files.reduce((sum, { size }) => sum + size, 0);
};

/**
 * Runs the real server with many Workers that are busy all the time, kills it amid the load, and
 * checks it against the acknowledgements.
 */
export const soakBusy = async (
  folder: string,
  random: Random,
  { minutes, workers }: { readonly minutes: number; readonly workers: number },
): Promise<{ readonly line: string; readonly hasPassed: boolean }> => {
  const store = join(folder, 'store');
  const plugins = ['fs-store', 'http', 'ws', 'echo'].flatMap((name) => ['--plugin', name]);
  const server = await Server.at(join(folder, 'server.log'), ...plugins, '--fs-store.dir', store);
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
    const progress = new Progress();
    const running = Promise.all(workerIds.map((workerId) => keepBusy(scene, workerId, progress)));
    const viewers = Promise.all(
      workerIds.filter((_, at) => at % VIEWED === 0).map((workerId) => view(scene, workerId, 'ws')),
    );
    const slowest = worstResponse(scene);
    await Promise.race([delay(minutes * 60_000), running, viewers]);
    // amid the load: what is not finished yet counts as acknowledged if its answer has come
    await server.end('SIGKILL');
    const { pause, p99, times, retries } = progress;
    const finished = times.length;
    end.abort();
    const worst = await slowest;
    const replayed = await replayBytes(store);
    const startedAt = performance.now();
    await server.start();
    const startMs = performance.now() - startedAt;
    await running;
    await viewers;
    await oracle.checkStatus(api);
    const { acknowledged, lost, duplicated, misread, wrongStatus } = await oracle.judge(api, workerIds);
    const exitCode = await server.end('SIGTERM');
    const mebibytes = (bytes: number): string => (bytes / 1_048_576).toFixed(0);
    return {
      line:
        `${workers} busy Workers: ${(finished / minutes / 60).toFixed(0)} runs/s, p99 ${p99.toFixed(0)} ms, ` +
        `longest pause ${pause.toFixed(0)} ms, slowest answer of /livez ${worst.toFixed(0)} ms, acknowledged ${acknowledged}, ` +
        `lost ${lost}, duplicated ${duplicated}, wrong status ${wrongStatus}, misread ${misread}, ${retries} calls repeated, ` +
        `${mebibytes(replayed)} MiB replayed after the kill, start ${startMs.toFixed(0)} ms, exit code ${exitCode}`,
      hasPassed:
        finished > 0 &&
        pause <= PAUSE_MS &&
        p99 <= P99_MS &&
        replayed <= REPLAY_BYTES &&
        lost + duplicated + wrongStatus + misread + (exitCode ?? 1) === 0,
    };
  };
  try {
    return await Promise.race([soak(), server.died]);
  } finally {
    await server.end('SIGKILL');
  }
};
