import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import {
  engine,
  mintId,
  Runtime,
  type RuntimePlugin,
  type RuntimeStore,
  silentLogger,
} from '@worker-runtime/core';
import { fileStore, fsStore } from '@worker-runtime/plugin-fs-store';
import { type Bench, median, milliseconds } from './measurement.ts';
import { TEXT } from './workload.ts';

/*
 * What standing costs: long logs that are read a page at a time, and many Workers that nothing happens to. The places
 * are made once, before what is measured.
 */

const PAGE = { count: 100, bytes: 1_048_576, direction: 'forward' } as const;
const READS = 200;
const SHORT = 1_000;
const LONG = 1_000_000;
const AT_ONCE = 1_000;

/** A folder for the whole process. */
const folderForGood = (): string => {
  const folder = mkdtempSync(join(import.meta.dirname, '.scratch-'));
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
  return folder;
};

const once = <T>(make: () => Promise<T>): (() => Promise<T>) => {
  let made: Promise<T> | null = null;
  return () => {
    made ??= make();
    return made;
  };
};

interface LongLog {
  readonly store: RuntimeStore;
  readonly log: string;
  readonly offsets: readonly number[];
}

/** A log of so many lines, and where each begins. */
const longLog = async (lines: number): Promise<LongLog> => {
  const store = fileStore({ dir: folderForGood(), durability: { intervalMs: 1_000 } });
  const host = {
    log: silentLogger,
    configuration: {},
    keptKeys: 1_000,
    snapshotOf: () => undefined,
    report: () => {},
  };
  await store.open(host);
  const log = mintId('log');
  const offsets: number[] = [];
  let bytes = 0;
  for (let seq = 1; seq <= lines; ) {
    const head = { seq: seq - 1, bytes };
    let text = '';
    const first = seq;
    for (; seq < first + AT_ONCE && seq <= lines; seq++) {
      const line = `{"seq":${seq},"type":"message.completed","data":{"text":"${TEXT}"}}\n`;
      offsets.push(bytes);
      bytes += line.length;
      text += line;
    }
    const batch = { lines: Buffer.from(text), count: seq - first };
    if (first === 1) await store.create(log, { workerId: 'w', record: {} }, batch);
    else await store.append(log, head, batch);
  }
  // opened again, so that neither is read from what was just written
  await store.close();
  await store.open(host);
  return { store, log, offsets };
};

/** Microseconds of a page at a place that is not the one before. */
const pageTime = async ({ store, log, offsets }: LongLog): Promise<number> => {
  const times: number[] = [];
  for (let read = 0; read < READS; read++) {
    const at =
      Math.floor((((read * 0.618_034) % 1) * (offsets.length - PAGE.count)) / PAGE.count) * PAGE.count;
    const position = { seq: at + 1, offset: offsets[at] as number };
    times.push(await milliseconds(() => store.read(log, position, PAGE)));
  }
  return median(times) * 1_000;
};

const shortLog = once(() => longLog(SHORT));
const millionLog = once(() => longLog(LONG));

/** P21: what a page costs does not depend on what is stored. */
export const longPages: Bench = {
  id: 'B4',
  what: 'page of 100 from a log of a million events, file store, vs from one of a thousand',
  unit: 'µs',
  better: 'less',
  goal: 1.2,
  floor: async () => pageTime(await shortLog()),
  figure: async () => pageTime(await millionLog()),
};

const WORKERS = 100_000;

const quiet: RuntimePlugin = {
  name: 'quiet',
  apply: (host) => host.useEngine(engine('quiet', async function* () {})),
};

/** A store of very many Workers, closed, and at rest: closing had the time to file all of them. */
const manyWorkers = once(async () => {
  const dir = folderForGood();
  const runtime = await Runtime.start({
    plugins: [fsStore({ dir, durability: { intervalMs: 1_000 }, closingMs: 3_600_000 }), quiet],
  });
  const create = async (lane: number): Promise<void> => {
    for (let at = lane; at < WORKERS; at += AT_ONCE) {
      await runtime.createWorker({ engine: 'quiet', workerId: `worker-${at}` });
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, (_, lane) => create(lane)));
  await runtime.stop({ deadlineMs: 1_200_000 });
  return dir;
});

const openAgain = async (): Promise<Runtime> =>
  Runtime.start({ plugins: [fsStore({ dir: await manyWorkers() }), quiet] });

/** A record of about 300 bytes, as a catalog would hold it at the least. */
const records = `[${Array.from({ length: WORKERS }, (_, at) =>
  JSON.stringify({
    workerId: `worker-${at}`,
    log: mintId('log'),
    engine: 'quiet',
    status: 'idle',
    createdAt: '2026-01-01T00:00:00.000Z',
    updatedAt: '2026-01-01T00:00:00.000Z',
    head: { seq: 2, offset: 300, end: 450, sum: 1_234_567_890 },
    labels: {},
    tally: { inputs: 0, messages: 0, toolCalls: 0 },
  }),
).join(',')}]`;

/** Opening costs the number of Workers, and little each. */
export const opening: Bench = {
  id: 'B6',
  what: `opening ${WORKERS.toLocaleString('en')} Workers, file store at rest, vs JSON.parse of so many records of 300 bytes`,
  unit: 'ms',
  better: 'less',
  goal: 2,
  pairs: 3,
  floor: () => milliseconds(async () => JSON.parse(records)),
  async figure() {
    await manyWorkers();
    let runtime: Runtime | null = null;
    const time = await milliseconds(async () => {
      runtime = await openAgain();
    });
    await (runtime as Runtime | null)?.stop();
    return time;
  },
};

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

const heldBytes = (): number => {
  collect();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
};

/** A Worker that nothing happens to costs its record. */
export const idleMemory: Bench = {
  id: 'B7',
  what: `memory a Worker, ${WORKERS.toLocaleString('en')} idle ones, vs 1.5 KiB`,
  unit: 'bytes',
  better: 'less',
  goal: 1,
  pairs: 1,
  floor: async () => 1_536,
  async figure() {
    await manyWorkers();
    const before = heldBytes();
    const runtime = await openAgain();
    const bytes = (heldBytes() - before) / WORKERS;
    await runtime.stop();
    return bytes;
  },
};
