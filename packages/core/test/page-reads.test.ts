import test, { type ExecutionContext } from 'ava';
import type { Cursor } from '../src/contracts/cursor.ts';
import { type EngineOutput, engine } from '../src/contracts/engine.ts';
import type { WorkerStream } from '../src/contracts/stream.ts';
import { memoryStore } from '../src/memory-store/memory-store.ts';
import type { Runtime } from '../src/runtime/runtime.ts';
import { faultyStore } from '../src/testing/faulty-store.ts';
import { codeOf, logOf, startRig } from './fixtures/rig.ts';

const notice: EngineOutput = {
  type: 'notice',
  severity: 'info',
  code: 'tick',
  message: 'tick '.repeat(100),
};
const chatty = engine('chatty', async function* () {
  for (let count = 0; count < 60; count += 1)
    yield [notice, { type: 'message', parts: [{ type: 'text', text: `${count}` }] }];
});

interface Scene {
  readonly runtime: Runtime;
  /** Counts the reads of the store during a call. */
  readonly readsOf: (call: () => Promise<unknown>) => Promise<number>;
}

/** A Worker `w` with a log that is much longer than its tail in memory. */
const startLong = async (t: ExecutionContext): Promise<Scene> => {
  const store = faultyStore(memoryStore());
  const { runtime } = await startRig(t, { store, engines: [chatty], limits: { tailBytes: 4_096 } });
  await runtime.createWorker({ workerId: 'w', engine: 'chatty' });
  await runtime.sendInput('w', { text: 'go' }, { waitMs: 5_000 });
  const reads = (): number => store.calls.filter(({ method }) => method === 'read').length;
  return {
    runtime,
    readsOf: async (call) => {
      const before = reads();
      await call();
      return reads() - before;
    },
  };
};

/** A cursor far outside the tail. */
const farCursor = async (runtime: Runtime): Promise<Cursor> =>
  (await runtime.events('w', { after: 'start', limit: 20 })).asOf;

test('P21: a page of events after a cursor outside the tail costs one read of the store', async (t) => {
  const { runtime, readsOf } = await startLong(t);
  const after = await farCursor(runtime);
  const log = await logOf(runtime, 'w');
  const reads = await readsOf(async () => {
    t.deepEqual((await runtime.events('w', { after, limit: 20 })).items, log.slice(20, 40));
  });
  t.is(reads, 1);
});

test('P21: a page of events before a position costs one read of the store, and one of chosen types scans forward and back', async (t) => {
  const { runtime, readsOf } = await startLong(t);
  const cursor = await farCursor(runtime);
  const log = await logOf(runtime, 'w');
  const reads = await readsOf(async () => {
    t.deepEqual((await runtime.events('w', { before: cursor, limit: 10 })).items, log.slice(10, 20));
  });
  t.is(reads, 1);
  const types = ['message.completed'] as const;
  const messages = log.filter(({ type }) => type === 'message.completed');
  const chosen = await readsOf(async () => {
    t.deepEqual(
      (await runtime.events('w', { before: cursor, types })).items,
      messages.filter(({ seq }) => seq <= 20),
    );
    t.deepEqual(
      (await runtime.events('w', { after: cursor, types, limit: 9 })).items,
      messages.filter(({ seq }) => seq > 20).slice(0, 9),
    );
  });
  t.is(chosen, 2);
});

test('P21: a position by number costs one more read of one line', async (t) => {
  const { runtime, readsOf } = await startLong(t);
  const log = await logOf(runtime, 'w');
  const reads = await readsOf(async () => {
    t.deepEqual((await runtime.events('w', { after: '@20', limit: 10 })).items, log.slice(20, 30));
    t.deepEqual((await runtime.events('w', { before: '@20', limit: 10 })).items, log.slice(10, 20));
  });
  t.is(reads, 4);
});

test('P21: a page of the transcript after or before a cursor outside the tail costs one read of the store', async (t) => {
  const { runtime, readsOf } = await startLong(t);
  const cursor = await farCursor(runtime);
  const { items } = await runtime.transcript('w');
  const later = items.filter(({ seq }) => seq > 20).slice(0, 5);
  const earlier = items.filter(({ seq }) => seq <= 20).slice(-5);
  const forward = await readsOf(async () => {
    t.deepEqual((await runtime.transcript('w', { after: cursor, limit: 5 })).items, later);
  });
  const backward = await readsOf(async () => {
    t.deepEqual((await runtime.transcript('w', { before: cursor, limit: 5 })).items, earlier);
  });
  t.deepEqual({ forward, backward }, { forward: 1, backward: 1 });
});

test('P6: a page continues at an event that is longer than a read', async (t) => {
  const limits = { tailBytes: 4_096 };
  const sizes = [300_000, 10, 900_000, 900_000, 10, 300_000];
  const long = engine('long', async function* () {
    for (const size of sizes) yield { type: 'message', parts: [{ type: 'text', text: 'x'.repeat(size) }] };
    yield Array.from({ length: 60 }, () => notice);
  });
  const { runtime } = await startRig(t, { engines: [long], limits });
  await runtime.createWorker({ workerId: 'w', engine: 'long' });
  await runtime.sendInput('w', { text: 'go' }, { waitMs: 5_000 });
  const all = await logOf(runtime, 'w');
  for (const query of [{}, { types: ['message.completed'] }] as const) {
    const wanted = all.filter(({ type }) => !('types' in query) || type === 'message.completed');
    for (const limit of [1, 2, 1_000]) {
      const read: unknown[] = [];
      for (let after: Cursor | null = 'start'; after !== null; ) {
        const page: Awaited<ReturnType<typeof runtime.events>> = await runtime.events('w', {
          after,
          limit,
          ...query,
        });
        read.push(...page.items);
        after = page.next;
      }
      t.deepEqual(read, wanted, `events, ${limit} a page`);
    }
  }
  const texts: number[] = [];
  for (let after: Cursor | null = 'start'; after !== null; ) {
    const page: Awaited<ReturnType<typeof runtime.transcript>> = await runtime.transcript('w', { after });
    for (const { parts } of page.items)
      for (const part of parts) if (part.type === 'text') texts.push(part.text.length);
    after = page.next;
  }
  t.deepEqual(texts, ['go'.length, ...sizes]);
});

test('P21: opening a stream at a cursor outside the tail and its first chunk cost one read of the store', async (t) => {
  const { runtime, readsOf } = await startLong(t);
  const after = await farCursor(runtime);
  const next = (await logOf(runtime, 'w'))[20];
  let stream: WorkerStream | undefined;
  const reads = await readsOf(async () => {
    stream = await runtime.openStream('w', { after });
  });
  t.is(reads, 1);
  const chunk = stream?.pull(65_536);
  stream?.close();
  // a promise would be another read
  if (chunk && !(chunk instanceof Promise) && chunk.type === 'events') {
    const [first] = chunk.entries();
    t.deepEqual(JSON.parse(new TextDecoder().decode(first?.line)), next);
  } else t.fail('The first chunk was not read together with the cursor');
});

test('P6: a page read together with its cursor still refuses a cursor of another history', async (t) => {
  const { runtime } = await startLong(t);
  const [log, seq, offset, length] = (await farCursor(runtime)).split('.');
  const foreign = [log, seq, offset, length, '1'].join('.');
  t.is(await codeOf(runtime.events('w', { after: foreign })), 'CURSOR_FOREIGN');
  t.is(await codeOf(runtime.transcript('w', { after: foreign })), 'CURSOR_FOREIGN');
  t.is(await codeOf(runtime.transcript('w', { before: foreign })), 'CURSOR_FOREIGN');
  t.is(await codeOf(runtime.openStream('w', { after: foreign })), 'CURSOR_FOREIGN');
});

test('a cursor that claims another length of its line still leads to the next events', async (t) => {
  const { runtime } = await startLong(t);
  const [log, seq, offset, , sum] = (await farCursor(runtime)).split('.');
  const events = await logOf(runtime, 'w');
  for (const length of ['0', '1', 'zzzzzzz']) {
    const after = [log, seq, offset, length, sum].join('.');
    t.deepEqual((await runtime.events('w', { after, limit: 3 })).items, events.slice(20, 23), length);
  }
});
