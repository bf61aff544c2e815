import test from 'ava';
import { silentLogger } from '../../src/contracts/logger.ts';
import type { ErrorCode } from '../../src/contracts/runtime-error.ts';
import { RuntimeError } from '../../src/contracts/runtime-error.ts';
import type { Batch, LogHead, StoreHost } from '../../src/contracts/store.ts';
import { memoryStore } from '../../src/memory-store/memory-store.ts';
import { type FaultyStore, faultyStore, type StoreFault } from '../../src/testing/faulty-store.ts';
import { storedLogs } from '../../src/testing/stored-logs.ts';
import { testStore } from '../../src/testing/test-store.ts';

testStore(
  test,
  async () => {
    const store = faultyStore(memoryStore());
    return { open: async () => store, dispose: async () => {} };
  },
  {
    kill: 'memory does not survive its process',
    meter: 'reads of memory are not counted',
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

const batchOf = (seq: number): Batch => ({ lines: Buffer.from(`{"seq":${seq}}\n`), count: 1 });
const headOf = (seq: number): LogHead => ({ seq, bytes: seq * 10 });
const begin = { workerId: 'worker', record: null };

/** Opens a store with `log_a` and `log_b`, which have one line each. */
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

/** True if the promise is still pending after one turn of the event loop. */
const isPending = async (call: Promise<unknown>): Promise<boolean> => {
  let settled = false;
  const markSettled = (): void => {
    settled = true;
  };
  call.then(markSettled, markSettled);
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
  test(`${fault}: one append fails with ${code}, and the log then ends at line ${seqAfter}`, async (t) => {
    const store = await openStore();
    store.failNext('append', fault as StoreFault);
    t.is(await codeOf(store.append('log_a', headOf(1), batchOf(2))), code);
    t.deepEqual(await store.head('log_a'), headOf(seqAfter));
    await store.append('log_a', headOf(seqAfter), batchOf(seqAfter + 1));
    t.deepEqual(await store.head('log_a'), headOf(seqAfter + 1));
  });
}

test('after a creation in doubt, head fails with WORKER_NOT_FOUND or returns the head', async (t) => {
  const store = await openStore();
  store.failNext('create', 'unavailable-lost');
  t.is(await codeOf(store.create('log_c', begin, batchOf(1))), 'STORE_UNAVAILABLE');
  t.is(await codeOf(store.head('log_c')), 'WORKER_NOT_FOUND');
  store.failNext('create', 'unavailable-done');
  t.is(await codeOf(store.create('log_c', begin, batchOf(1))), 'STORE_UNAVAILABLE');
  t.deepEqual(await store.head('log_c'), headOf(1));
});

test('failAt counts only writes, from the call on', async (t) => {
  const store = await openStore();
  store.failAt(3, 'full');
  await store.append('log_a', headOf(1), batchOf(2));
  await store.head('log_a');
  await store.keys('log_a');
  await store.putBundle({ digest: 'd', body: new Uint8Array(1) });
  t.is(await codeOf(store.remove('log_a')), 'STORE_FULL');
  await store.remove('log_a');
});

test('faults apply in the order in which they were planned, and failAt still counts failed writes', async (t) => {
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

test('failWhile applies until heal', async (t) => {
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

test('a stalled append holds head of its log, but no other call', async (t) => {
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

test('a stalled write that is released as lost fails and is not executed', async (t) => {
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

test('heal executes the held calls in order', async (t) => {
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

test('close fails the held calls', async (t) => {
  const store = await openStore();
  store.stall('append');
  const append = codeOf(store.append('log_a', headOf(1), batchOf(2)));
  await store.close();
  t.is(await append, 'STORE_UNAVAILABLE');
  t.deepEqual(
    (await storedLogs(store.open(host))).map((log) => log.head),
    [headOf(1), headOf(1)],
  );
});

test('open can fail, and close can be held', async (t) => {
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

test('all calls are recorded in order, including failed ones', async (t) => {
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
