import test from 'ava';
import { silentLogger } from '../src/contracts/logger.ts';
import type { ErrorCode } from '../src/contracts/runtime-error.ts';
import { RuntimeError } from '../src/contracts/runtime-error.ts';
import type { Batch, LogHead, StoreHost } from '../src/contracts/store.ts';
import { memoryStore } from '../src/memory-store/memory-store.ts';
import { type FaultyStore, faultyStore, type StoreFault } from '../src/testing/faulty-store.ts';
import { testStore } from '../src/testing/test-store.ts';

testStore(
  test,
  async () => {
    const store = faultyStore(memoryStore());
    return { open: async () => store, dispose: async () => {} };
  },
  {
    kill: 'what is in memory ends with its process',
    meter: 'reading memory cannot be counted',
  },
);

const host: StoreHost = {
  log: silentLogger,
  configuration: null,
  keptKeys: 1_000,
  snapshotOf: () => undefined,
  report: () => {},
};

const batchOf = (seq: number): Batch => ({ lines: Buffer.from(`{"seq":${seq}}\n`), count: 1 });
const headOf = (seq: number): LogHead => ({ seq, bytes: seq * 10 });
const begin = { workerId: 'worker', record: null };

/** An open store with `log_a` and `log_b`, one line each. */
const openStore = async (): Promise<FaultyStore> => {
  const store = faultyStore(memoryStore());
  await store.open(host);
  for (const log of ['log_a', 'log_b']) await store.create(log, begin, batchOf(1));
  return store;
};

const codeOf = async (call: Promise<unknown>): Promise<ErrorCode | 'none'> => {
  try {
    await call;
    return 'none';
  } catch (error) {
    return RuntimeError.from(error).code;
  }
};

/** Whether a promise is still open after everything that is ready to run did. */
const isPending = async (call: Promise<unknown>): Promise<boolean> => {
  let settled = false;
  const note = (): void => {
    settled = true;
  };
  call.then(note, note);
  await new Promise((resolve) => setImmediate(resolve));
  return !settled;
};

const faults: Record<StoreFault, { code: ErrorCode; seqAfter: number }> = {
  full: { code: 'STORE_FULL', seqAfter: 1 },
  conflict: { code: 'STORE_CONFLICT', seqAfter: 1 },
  'unavailable-lost': { code: 'STORE_UNAVAILABLE', seqAfter: 1 },
  'unavailable-done': { code: 'STORE_UNAVAILABLE', seqAfter: 2 },
};

for (const [fault, { code, seqAfter }] of Object.entries(faults)) {
  test(`${fault}: one append fails with ${code} and the log then ends at ${seqAfter}`, async (t) => {
    const store = await openStore();
    store.failNext('append', fault as StoreFault);
    t.is(await codeOf(store.append('log_a', headOf(1), batchOf(2))), code);
    t.deepEqual(await store.head('log_a'), headOf(seqAfter));
    await store.append('log_a', headOf(seqAfter), batchOf(seqAfter + 1));
    t.deepEqual(await store.head('log_a'), headOf(seqAfter + 1));
  });
}

test('a creation in doubt that was not done is WORKER_NOT_FOUND, one that was done is there', async (t) => {
  const store = await openStore();
  store.failNext('create', 'unavailable-lost');
  t.is(await codeOf(store.create('log_c', begin, batchOf(1))), 'STORE_UNAVAILABLE');
  t.is(await codeOf(store.head('log_c')), 'WORKER_NOT_FOUND');
  store.failNext('create', 'unavailable-done');
  t.is(await codeOf(store.create('log_c', begin, batchOf(1))), 'STORE_UNAVAILABLE');
  t.deepEqual(await store.head('log_c'), headOf(1));
});

test('failAt counts the writes from now on, and only those', async (t) => {
  const store = await openStore();
  store.failAt(3, 'full');
  await store.append('log_a', headOf(1), batchOf(2));
  await store.head('log_a');
  await store.keys('log_a');
  await store.putBundle({ digest: 'd', body: new Uint8Array(1) });
  t.is(await codeOf(store.remove('log_a')), 'STORE_FULL');
  await store.remove('log_a');
});

test('faults are taken in the order of planning, and do not shift each other', async (t) => {
  const store = await openStore();
  store.failNext('append', 'full');
  store.failNext('append', 'unavailable-lost');
  store.failAt(4, 'conflict');
  const codes: string[] = [];
  let seq = 1;
  for (let call = 0; call < 5; call += 1) {
    const code = await codeOf(store.append('log_a', headOf(seq), batchOf(seq + 1)));
    codes.push(code);
    if (code === 'none') seq += 1;
  }
  t.deepEqual(codes, ['STORE_FULL', 'STORE_UNAVAILABLE', 'none', 'STORE_CONFLICT', 'none']);
});

test('failWhile lasts until heal', async (t) => {
  const store = await openStore();
  store.failWhile((call) => call.log === 'log_a' && call.isWrite, 'full');
  for (let round = 0; round < 3; round += 1) {
    t.is(await codeOf(store.append('log_a', headOf(1), batchOf(2))), 'STORE_FULL');
  }
  await store.append('log_b', headOf(1), batchOf(2));
  store.heal();
  await store.append('log_a', headOf(1), batchOf(2));
  t.deepEqual(await store.head('log_a'), headOf(2));
});

test('a stalled append hangs, and head of its log with it; other calls do not', async (t) => {
  const store = await openStore();
  const stall = store.stall((call) => call.method === 'append' && call.log === 'log_a');
  const append = store.append('log_a', headOf(1), batchOf(2));
  await stall.reached;
  const head = store.head('log_a');
  t.true(await isPending(append));
  t.true(await isPending(head));
  t.is(stall.held, 1);
  t.deepEqual(await store.head('log_b'), headOf(1));
  await store.append('log_b', headOf(1), batchOf(2));
  const slice = await store.read(
    'log_a',
    { seq: 1, offset: 0 },
    { count: 9, bytes: 99, direction: 'forward' },
  );
  t.is(slice.count, 1);
  stall.release('done');
  await append;
  t.deepEqual(await head, headOf(2));
});

test('a stalled write that is released as lost never happens', async (t) => {
  const store = await openStore();
  const stall = store.stall('create');
  const create = store.create('log_c', begin, batchOf(1));
  const head = store.head('log_c');
  stall.release('lost');
  t.is(await codeOf(create), 'STORE_UNAVAILABLE');
  t.is(await codeOf(head), 'WORKER_NOT_FOUND');
  stall.release('done');
  await store.create('log_c', begin, batchOf(1));
  t.is(stall.held, 0);
});

test('heal lets what hangs happen, in order', async (t) => {
  const store = await openStore();
  store.stall((call) => call.isWrite);
  const writes = [
    store.append('log_a', headOf(1), batchOf(2)),
    store.remove('log_b'),
    store.create('log_c', begin, batchOf(1)),
  ];
  t.true(await isPending(Promise.race(writes)));
  store.heal();
  await Promise.all(writes);
  t.deepEqual(await store.head('log_a'), headOf(2));
  t.is(await codeOf(store.head('log_b')), 'WORKER_NOT_FOUND');
});

test('closing loses what hangs', async (t) => {
  const store = await openStore();
  store.stall('append');
  const append = codeOf(store.append('log_a', headOf(1), batchOf(2)));
  await store.close();
  t.is(await append, 'STORE_UNAVAILABLE');
  const { logs } = await store.open(host);
  t.deepEqual(
    [...logs].map((log) => log.head),
    [headOf(1), headOf(1)],
  );
});

test('any method can fail or hang, open and close too', async (t) => {
  const store = faultyStore(memoryStore());
  store.failNext('open', 'unavailable-lost');
  t.is(await codeOf(store.open(host)), 'STORE_UNAVAILABLE');
  await store.open(host);
  const stall = store.stall('close');
  const close = store.close();
  t.true(await isPending(close));
  stall.release('done');
  await close;
  t.is(await codeOf(store.bundles()), 'STORE_UNAVAILABLE');
});

test('calls are recorded as they came in, the failed ones too', async (t) => {
  const store = await openStore();
  store.failNext('append', 'full');
  const batch = batchOf(2);
  await codeOf(store.append('log_a', headOf(1), batch));
  await store.bundles();
  t.deepEqual(
    store.calls.map((call) => call.method),
    ['open', 'create', 'create', 'append', 'bundles'],
  );
  t.like(store.calls[3], { log: 'log_a', isWrite: true });
  t.is(store.calls[3]?.batch, batch);
});
