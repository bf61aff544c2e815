import test, { type ExecutionContext } from 'ava';
import type { WorkerEvent } from '../src/contracts/event.ts';
import type { RuntimeStore } from '../src/contracts/store.ts';
import { engine, inputText, Runtime, type RuntimePlugin } from '../src/index.ts';
import { memoryStore } from '../src/memory-store/memory-store.ts';
import { scoped, UNLIMITED } from '../src/scope/index.ts';
import { faultyStore } from '../src/testing/faulty-store.ts';
import { codeOf } from './fixtures/rig.ts';

const parrot = engine('parrot', async function* (run) {
  yield { type: 'text', text: inputText(run.input) };
});

const startOn = async (
  t: ExecutionContext,
  store: RuntimeStore,
  plugins: readonly RuntimePlugin[] = [],
): Promise<Runtime> => {
  const runtime = await Runtime.start({ engines: [parrot], store, plugins });
  t.teardown(() => runtime.stop());
  return runtime;
};

const say = (runtime: Runtime, workerId: string, text: string) =>
  runtime.sendInput(workerId, { text }, { waitMs: 10_000 });

const eventsOf = async (runtime: Runtime, workerId: string): Promise<readonly WorkerEvent[]> => {
  const items: WorkerEvent[] = [];
  for (let after: string | null = 'start'; after !== null; ) {
    const page = await runtime.events(workerId, { after, limit: 1_000 });
    items.push(...page.items);
    after = page.next;
  }
  return items;
};

/** More than one batch of events. */
const LONG = 'x'.repeat(60_000);
const INPUTS = 6;

/** Creates a Worker with two batches of events, a file and a config that was changed. */
const createSource = async (runtime: Runtime): Promise<void> => {
  await runtime.createWorker({ workerId: 'polly', engine: 'parrot' });
  await runtime.putFile('polly', Buffer.from('the bytes'), { mediaType: 'text/plain' });
  for (let n = 0; n < INPUTS; n += 1) await say(runtime, 'polly', `${n} ${LONG}`);
  await runtime.updateWorker('polly', { config: { a: 1 } });
};

const WRITES = 5;

for (const fault of ['full', 'unavailable-lost', 'unavailable-done'] as const)
  test(`P86: a fork that fails at any write (${fault}) is not there, and can be made later`, async (t) => {
    const counting = faultyStore(memoryStore());
    const first = await startOn(t, counting);
    await createSource(first);
    const before = counting.calls.filter(({ isWrite }) => isWrite).length;
    await first.forkWorker('polly', { workerId: 'fork' });
    const writes = counting.calls.filter(({ isWrite }) => isWrite).length - before;
    t.is(writes, WRITES);
    const events = await eventsOf(first, 'fork');
    for (let number = 1; number <= writes; number += 1) {
      const inner = memoryStore();
      const store = faultyStore(inner);
      const runtime = await startOn(t, store);
      await createSource(runtime);
      store.failAt(number, fault);
      const code = await codeOf(runtime.forkWorker('polly', { workerId: 'fork' }));
      // the last append turns out to be stored, so that it has happened
      const isStored = fault === 'unavailable-done' && number === writes;
      t.is(
        code,
        isStored ? 'none' : fault === 'full' ? 'STORE_FULL' : 'STORE_UNAVAILABLE',
        `write ${number}`,
      );
      if (!isStored) {
        t.is(await codeOf(runtime.getWorker('fork')), 'WORKER_NOT_FOUND', `write ${number}`);
        await runtime.forkWorker('polly', { workerId: 'fork' });
      }
      t.is((await eventsOf(runtime, 'fork')).length, events.length);
      await runtime.stop();
      const again = await startOn(t, inner);
      t.is((await again.summary()).workers.total, 2, `write ${number}`);
      t.is((await say(again, 'fork', 'more')).run?.outcome, 'completed');
      await again.stop();
    }
  });

test('P86: a fork that a kill interrupts at any write is not there after the restart', async (t) => {
  for (let number = 1; number <= WRITES; number += 1) {
    const inner = memoryStore();
    const store = faultyStore(inner);
    const runtime = await startOn(t, store);
    await createSource(runtime);
    let count = 0;
    const stall = store.stall(({ isWrite }) => {
      if (isWrite) count += 1;
      return isWrite && count === number;
    });
    const forking = codeOf(runtime.forkWorker('polly', { workerId: 'fork' }));
    await stall.reached;
    // as after a kill: nothing that comes later reaches the store
    store.failWhile(() => true, 'unavailable-lost');
    stall.release('lost');
    t.is(await forking, 'STORE_UNAVAILABLE', `write ${number}`);
    await inner.close();
    const again = await startOn(t, inner);
    t.is((await again.summary()).workers.total, 1, `write ${number}`);
    const { worker } = await again.forkWorker('polly', { workerId: 'fork' });
    t.is(worker.forkedFrom?.workerId, 'polly');
    await again.stop();
  }
});

test('P86: a fork copies the files that its events name, and no others', async (t) => {
  const store = memoryStore();
  const runtime = await startOn(t, store);
  await createSource(runtime);
  const { lastSeq } = await runtime.getWorker('polly');
  const late = await runtime.putFile('polly', Buffer.from('later bytes'), { mediaType: 'text/plain' });
  await runtime.forkWorker('polly', { workerId: 'fork', at: `@${lastSeq}` });
  t.is(await codeOf(runtime.getFile('fork', late.digest)), 'FILE_NOT_FOUND');
  const log = (await runtime.getWorker('fork')).asOf.split('.', 1)[0] ?? '';
  t.is((await store.blobs(log)).length, 1, 'the file of before, and no config of the source');
});

test('P86: a history that cannot be read to its end leaves no fork', async (t) => {
  const store = faultyStore(memoryStore());
  const runtime = await startOn(t, store);
  await createSource(runtime);
  const stall = store.stall(({ method }) => method === 'append');
  const forking = codeOf(runtime.forkWorker('polly', { workerId: 'fork' }));
  await stall.reached;
  store.failWhile(({ method }) => method === 'read', 'conflict');
  stall.release('done');
  t.is(await forking, 'STORE_CONFLICT');
  t.is(await codeOf(runtime.getWorker('fork')), 'WORKER_NOT_FOUND');
});

test('P86: plugins admit a fork as a creation and see its beginning, and no event that was copied', async (t) => {
  const admitted: unknown[] = [];
  const seen: string[] = [];
  const observer: RuntimePlugin = {
    name: 'observer',
    apply: ({ hooks }) => {
      hooks.admit.tapPromise(async (command) => {
        if (command.type === 'worker.create' && command.spec.workerId === 'fork')
          admitted.push([command.spec.engine, command.spec.config, command.spec.claims]);
      });
      hooks.committed.tap(({ workerId, events }) => {
        if (workerId === 'fork') seen.push(...events.map(({ type }) => type));
      });
    },
  };
  const runtime = await startOn(t, memoryStore(), [observer]);
  await createSource(runtime);
  await runtime.forkWorker('polly', { workerId: 'fork' }, { actor: 'ann' });
  t.deepEqual(admitted, [['parrot', { a: 1 }, []]]);
  t.deepEqual(seen, ['worker.forked']);
  t.is((await runtime.getWorker('fork')).forkedFrom?.actor, 'ann');
});

test('P86: a scope forks what it sees, with the labels of its own, and within its allowance', async (t) => {
  const runtime = await startOn(t, memoryStore());
  await runtime.createWorker({ workerId: 'seen', engine: 'parrot', labels: { team: 'birds', owner: 'bob' } });
  await runtime.createWorker({ workerId: 'hidden', engine: 'parrot', labels: { owner: 'bob' } });
  const scope = {
    permissions: ['operate'],
    workers: [{ team: 'birds' }, { owner: 'ann' }],
    stamp: { owner: 'ann' },
  } as const;
  const ann = scoped(runtime, scope);
  t.is(await codeOf(ann.forkWorker('hidden')), 'WORKER_NOT_FOUND');
  const { worker } = await ann.forkWorker('seen');
  t.deepEqual(worker.labels, { team: 'birds', owner: 'ann' });
  t.is(await codeOf(ann.forkWorker('seen', { labels: { owner: 'bob' } })), 'INVALID_REQUEST');
  const observer = scoped(runtime, { ...scope, permissions: ['observe', 'answer'] });
  t.is(await codeOf(observer.forkWorker('seen')), 'FORBIDDEN');
  const limited = scoped(runtime, {
    ...UNLIMITED,
    allowance: { engines: ['other'], tools: '*', claims: '*' },
  });
  t.is(await codeOf(limited.forkWorker('seen')), 'FORBIDDEN');
  t.is((await runtime.summary()).workers.total, 3);
});
