import test from 'ava';
import { silentLogger } from '../../src/contracts/logger.ts';
import type { LogHead, RuntimeStore, StoreHost } from '../../src/contracts/store.ts';
import { memoryStore } from '../../src/memory-store/memory-store.ts';
import { storedLogs } from '../../src/testing/stored-logs.ts';
import { testStore } from '../../src/testing/test-store.ts';

testStore(
  test,
  async () => {
    const store = memoryStore();
    return { open: async () => store, dispose: async () => {} };
  },
  {
    kill: 'memory does not survive its process',
    meter: 'reads of memory are not counted; a test below measures their time',
    takeover: 'one process has the memory',
  },
);

const host: StoreHost = {
  log: silentLogger,
  configuration: null,
  keptKeys: 1_000,
  lost: () => {},
  snapshotOf: () => undefined,
  report: () => {},
};

const openStore = async (): Promise<RuntimeStore> => {
  const store = memoryStore();
  await store.open(host);
  return store;
};

const lineOf = (seq: number): Uint8Array => Buffer.from(`{"seq":${seq}}\n`);

/** Writes a log with one line per batch, and returns its head. */
const writeLog = async (store: RuntimeStore, log: string, count: number): Promise<LogHead> => {
  const first = lineOf(1);
  await store.create(log, { workerId: log, record: null }, { lines: first, count: 1 });
  let head = { seq: 1, bytes: first.length };
  while (head.seq < count) {
    const lines = lineOf(head.seq + 1);
    await store.append(log, head, { lines, count: 1 });
    head = { seq: head.seq + 1, bytes: head.bytes + lines.length };
  }
  return head;
};

test('the memory store reports that it is not durable', async (t) => {
  const store = await openStore();
  t.is(store.kind, 'memory');
  t.false(store.isDurable);
});

test('a slice of one batch shares the appended bytes, without a copy', async (t) => {
  const store = await openStore();
  const lines = Buffer.concat([lineOf(1), lineOf(2), lineOf(3)]);
  await store.create('log_a', { workerId: 'a', record: null }, { lines, count: 3 });
  const position = { seq: 2, offset: lineOf(1).length };
  const slice = await store.read('log_a', position, { count: 5, bytes: 1_000, direction: 'forward' });
  t.is(slice.lines.buffer, lines.buffer);
  t.is(slice.count, 2);
});

test('a closed store may be closed again, and opened', async (t) => {
  const store = await openStore();
  await store.close();
  await store.close();
  t.deepEqual(await storedLogs(store.open(host)), []);
});

test('the tail of a reopened log is at most 64 KiB', async (t) => {
  const store = await openStore();
  const head = await writeLog(store, 'log_a', 20_000);
  await store.close();
  const [found] = await storedLogs(store.open(host));
  t.deepEqual(found?.head, head);
  t.true((found?.tail.length ?? 0) > 0);
  t.true((found?.tail.length ?? 0) <= 65_536);
});

test('P21: a page takes about the same time in a log that is 400 times as long', async (t) => {
  const store = await openStore();
  const lengths = { log_short: 500, log_long: 200_000 };
  const heads = new Map<string, LogHead>();
  for (const [log, count] of Object.entries(lengths)) heads.set(log, await writeLog(store, log, count));
  const fastest = new Map([...heads.keys()].map((log) => [log, Number.POSITIVE_INFINITY]));
  // The logs are read alternately, and only the fastest read of each counts, so other load of the machine cancels out.
  for (let round = 0; round < 300; round += 1) {
    for (const [log, head] of heads) {
      const begin = performance.now();
      await store.read(
        log,
        { seq: head.seq, offset: 0 },
        { count: 100, bytes: 10_000, direction: 'backward' },
      );
      fastest.set(log, Math.min(fastest.get(log) ?? 0, performance.now() - begin));
    }
  }
  const [short = 0, long = 0] = fastest.values();
  t.true(long < 20 * short, `${long} ms in the long log, ${short} ms in the short one`);
});
