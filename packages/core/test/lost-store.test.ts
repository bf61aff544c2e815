import test, { type ExecutionContext } from 'ava';
import { RuntimeError } from '../src/contracts/runtime-error.ts';
import { memoryStore } from '../src/memory-store/memory-store.ts';
import type { Runtime } from '../src/runtime/runtime.ts';
import { type FaultyStore, faultyStore } from '../src/testing/faulty-store.ts';
import { codeOf, errorOf, makeRig, onClock, plugin, type Rig, settle, startRig } from './fixtures/rig.ts';

interface Setup extends Rig {
  readonly store: FaultyStore;
}

/** Starts a runtime with the Worker `w`, which has an active run and a queued input. */
const startBusy = async (t: ExecutionContext): Promise<Setup> => {
  const store = faultyStore(memoryStore());
  const rig = await startRig(t, { store });
  await rig.runtime.createWorker({ workerId: 'w', engine: 'puppet', initialInput: { text: 'go' } });
  await rig.runtime.sendInput('w', { text: 'next', whenBusy: 'queue' });
  await settle();
  return { ...rig, store };
};

/** Collects the items of a stream until it ends. */
const collect = async <T>(items: AsyncIterable<T>): Promise<readonly T[]> => {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
};

const callsOf = (runtime: Runtime): Readonly<Record<string, () => Promise<unknown>>> => ({
  createWorker: () => runtime.createWorker({ engine: 'puppet' }),
  sendInput: () => runtime.sendInput('w', { text: 'late', whenBusy: 'queue' }),
  updateWorker: () => runtime.updateWorker('w', { displayName: 'late' }),
  cancelRun: () => runtime.cancelRun('w'),
  stopWorker: () => runtime.stopWorker('w'),
  resumeWorker: () => runtime.resumeWorker('w'),
  deleteWorker: () => runtime.deleteWorker('w'),
  putBundle: () => runtime.putBundle('sha256:00', {}),
  getWorker: () => runtime.getWorker('w'),
  listWorkers: () => runtime.listWorkers(),
  events: () => runtime.events('w'),
  transcript: () => runtime.transcript('w'),
  overview: () => runtime.overview('w'),
  summary: () => runtime.summary(),
  waitForRun: () => runtime.waitForRun('w', 'run_x'),
  openStream: () => runtime.openStream('w'),
});

test('P51: a lost store ends the runtime: calls are refused, streams end, and nothing more is written', async (t) => {
  const { runtime, store, puppet } = await startBusy(t);
  const observed = collect(runtime.observe('w', { after: 'start' }));
  const watched = collect(runtime.watch());
  const { signal } = puppet.last().run;
  await settle();
  const before = store.calls.filter(({ isWrite }) => isWrite).length;
  store.takeOver();

  t.is(runtime.status, 'failed');
  t.is((await runtime.lost).code, 'STORE_LOST');
  t.is(runtime.failure?.code, 'STORE_LOST');
  t.false(runtime.failure?.retryable);
  for (const [name, call] of Object.entries(callsOf(runtime))) t.is(await codeOf(call()), 'STORE_LOST', name);
  t.deepEqual((await observed).at(-1), { type: 'ended', code: 'STORE_LOST' });
  t.deepEqual((await watched).at(-1), { type: 'ended', code: 'STORE_LOST' });
  const { items } = await runtime.diagnostics();
  t.deepEqual([items[0]?.code, items[0]?.severity], ['STORE_LOST', 'error']);

  // The engine is asked to end, and its late output is refused without a commit.
  t.true(signal.aborted);
  t.throws(() => puppet.context().history(), { code: 'EXECUTION_LOST' });
  puppet.last().yield({ type: 'message', parts: [{ type: 'text', text: 'late' }] });
  await settle();
  t.is(store.calls.filter(({ isWrite }) => isWrite).length, before);
});

test('P51: after the loss of the store a stop detaches the engines, releases plugins and closes the store', async (t) => {
  const store = faultyStore(memoryStore());
  const steps: string[] = [];
  const resource = plugin('resource', (host) => {
    host.hooks.drain.tapPromise(async () => void steps.push('drain'));
    host.defer(() => void steps.push('release'));
  });
  const rig = makeRig({ store, plugins: [resource] });
  await rig.runtime.start();
  await rig.runtime.createWorker({ workerId: 'w', engine: 'puppet', initialInput: { text: 'go' } });
  await settle();
  store.takeOver();
  await onClock(rig.clock, rig.runtime.stop({ deadlineMs: 1_000 }), 100);
  t.is(rig.runtime.status, 'stopped');
  t.deepEqual(steps, ['drain', 'release']);
  t.is(store.calls.at(-1)?.method, 'close');
  t.is(await codeOf(rig.runtime.listWorkers()), 'STORE_LOST');
});

test('P51: callers that wait during the loss of the store receive an answer', async (t) => {
  const { runtime, store, puppet, clock } = await startBusy(t);
  const waiting = runtime.sendInput('w', { text: 'third', whenBusy: 'queue' }, { waitMs: 60_000 });
  await settle();
  const cancelling = codeOf(runtime.cancelRun('w'));
  const held = store.stall('append');
  const changing = errorOf(runtime.updateWorker('w', { displayName: 'x' }));
  const behind = errorOf(runtime.updateWorker('w', { displayName: 'y' }));
  await held.reached;
  store.takeOver();
  // The input is stored, so its caller receives the receipt.
  t.is((await waiting).waited, 'stopping');
  held.release('lost');
  t.is((await onClock(clock, changing)).code, 'STORE_UNAVAILABLE', 'in doubt');
  t.is((await onClock(clock, behind)).code, 'STORE_LOST', 'not done');
  t.is(await cancelling, 'STORE_LOST');
  t.true(puppet.last().run.signal.aborted);
});

test('P51: a store that only refuses an append with STORE_LOST ends the runtime too', async (t) => {
  const inner = memoryStore();
  let isLost = false;
  const store = new Proxy(inner, {
    get: (target, name: keyof typeof inner) => {
      const member: unknown = target[name];
      if (typeof member !== 'function') return member;
      return (...args: readonly unknown[]): unknown =>
        isLost && name === 'append'
          ? Promise.reject(new RuntimeError('STORE_LOST'))
          : Reflect.apply(member, target, args);
    },
  });
  const { runtime } = await startRig(t, { store });
  await runtime.createWorker({ workerId: 'w', engine: 'puppet' });
  isLost = true;
  t.is(await codeOf(runtime.updateWorker('w', { displayName: 'x' })), 'STORE_LOST');
  t.is(runtime.status, 'failed');
  t.is(await codeOf(runtime.getWorker('w')), 'STORE_LOST');
});

test('P51: a store that is lost during the start fails the start', async (t) => {
  const store = faultyStore(memoryStore());
  const losing = plugin('losing', (host) => host.hooks.opened.tapPromise(async () => store.takeOver()));
  const { runtime } = makeRig({ store, plugins: [losing] });
  t.is(await codeOf(runtime.start()), 'STORE_LOST');
  t.is(runtime.status, 'failed');
  t.is(await codeOf(runtime.ready), 'STORE_LOST');
  await runtime.stop();
  t.is(store.calls.at(-1)?.method, 'close');
});
