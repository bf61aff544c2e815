import { engine, Runtime, type RuntimePlugin, type RuntimeStore, silentLogger } from '@worker-runtime/core';
import { mintId } from '@worker-runtime/core/plugin-kit';
import { fileStore, fsStore } from '@worker-runtime/plugin-fs-store';
import { heldBytes } from './held-bytes.ts';
import { type Bench, median, milliseconds } from './measurement.ts';
import { once } from './once.ts';
import { processFolder } from './scratch.ts';
import { TEXT } from './workload.ts';

/*
 * Measures the cost of stored data: pages of long logs, and many idle Workers. The stores are created once, before the
 * measurement.
 */

const PAGE = { count: 100, bytes: 1_048_576, direction: 'forward' } as const;
const READS = 200;
const SHORT = 1_000;
const LONG = 1_000_000;
const BATCH = 1_000;

interface LongLog {
  readonly store: RuntimeStore;
  readonly log: string;
  readonly offsets: readonly number[];
}

/** Creates a log of `lines` lines. Returns it with the offset of each line. */
const longLog = async (lines: number): Promise<LongLog> => {
  const store = fileStore({ dir: processFolder(), durability: { intervalMs: 1_000 } });
  const host = {
    log: silentLogger,
    configuration: {},
    keptKeys: 1_000,
    lost: () => {},
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
    for (; seq < first + BATCH && seq <= lines; seq++) {
      const line = `{"seq":${seq},"type":"message.completed","data":{"text":"${TEXT}"}}\n`;
      offsets.push(bytes);
      bytes += line.length;
      text += line;
    }
    const batch = { lines: Buffer.from(text), count: seq - first };
    if (first === 1) await store.create(log, { workerId: 'w', record: {} }, batch);
    else await store.append(log, head, batch);
  }
  // Opened again, so that reads do not come from memory.
  await store.close();
  await store.open(host);
  return { store, log, offsets };
};

/** Returns the median microseconds of reading a page, each at another position. */
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

/** P21: the cost of a page does not depend on the amount of stored data. */
export const longPages: Bench = {
  id: 'B4',
  what: 'reading 100 events from a log of a million events, file store, vs from a log of a thousand events',
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

const startQuiet = (dir: string, closingMs: number): Promise<Runtime> =>
  Runtime.start({ plugins: [fsStore({ dir, durability: { intervalMs: 1_000 }, closingMs }), quiet] });

/** Creates a store with many Workers and closes it, with the given time to write the files of the Workers. */
const makeWorkers = async (closingMs: number): Promise<string> => {
  const dir = processFolder();
  const runtime = await startQuiet(dir, closingMs);
  const create = async (lane: number): Promise<void> => {
    for (let at = lane; at < WORKERS; at += BATCH) {
      await runtime.createWorker({ engine: 'quiet', workerId: `worker-${at}` });
    }
  };
  await Promise.all(Array.from({ length: BATCH }, (_, lane) => create(lane)));
  await runtime.stop({ deadlineMs: 1_200_000 });
  return dir;
};

const manyWorkers = once(() => makeWorkers(3_600_000));
/** The write-ahead log has almost all of them, because their creation took less time than their files would. */
const newWorkers = once(() => makeWorkers(0));

const openManyWorkers = async (): Promise<Runtime> =>
  Runtime.start({ plugins: [fsStore({ dir: await manyWorkers() }), quiet] });

/** Records of about 300 bytes, the least that a catalog needs to have for each Worker. */
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

/** Measures opening a store. The cost is in proportion to the number of Workers, and small for each one. */
export const opening: Bench = {
  id: 'B6',
  what: `opening a file store with ${WORKERS.toLocaleString('en')} idle Workers, vs JSON.parse of as many records of 300 bytes`,
  unit: 'ms',
  better: 'less',
  goal: 2,
  pairs: 3,
  floor: () => milliseconds(async () => JSON.parse(records)),
  async figure() {
    await manyWorkers();
    let runtime: Runtime | null = null;
    const time = await milliseconds(async () => {
      runtime = await openManyWorkers();
    });
    await (runtime as Runtime | null)?.stop();
    return time;
  },
};

/** Measures a restart just after many Workers were created, which replays them from the write-ahead log. */
export const openingNew: Bench = {
  id: 'B6n',
  what: `opening a file store with ${WORKERS.toLocaleString('en')} Workers that were just created, vs 1 s`,
  unit: 'ms',
  better: 'less',
  goal: 1,
  pairs: 3,
  floor: async () => 1_000,
  async figure() {
    const dir = await newWorkers();
    let runtime: Runtime | null = null;
    const time = await milliseconds(async () => {
      runtime = await startQuiet(dir, 0);
    });
    // at once and without time for files, so that the next open finds the same
    await (runtime as Runtime | null)?.stop();
    return time;
  },
};

/** Measures the memory of an idle Worker, which is that of its record. */
export const idleMemory: Bench = {
  id: 'B7',
  what: `memory per idle Worker, with ${WORKERS.toLocaleString('en')} of them, vs 1.5 KiB`,
  unit: 'bytes',
  better: 'less',
  goal: 1,
  pairs: 1,
  floor: async () => 1_536,
  async figure() {
    await manyWorkers();
    const before = await heldBytes();
    const runtime = await openManyWorkers();
    const bytes = ((await heldBytes()) - before) / WORKERS;
    await runtime.stop();
    return bytes;
  },
};
