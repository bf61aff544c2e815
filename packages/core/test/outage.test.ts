import test, { type ExecutionContext } from 'ava';
import { bundleDigest } from '../src/commands/bundles.ts';
import type { WorkerEvent } from '../src/contracts/event.ts';
import { memoryStore } from '../src/memory-store/memory-store.ts';
import { type FaultyStore, faultyStore } from '../src/testing/faulty-store.ts';
import { Puppet } from './fixtures/puppet.ts';
import { codeOf, flawsOf, logOf, onClock, type Rig, settle, shutDown, startRig } from './fixtures/rig.ts';

const WORKERS = ['a', 'b', 'c', 'd'];
const AWAY_MS = 14_000;
/** The longest time that a caller may wait for a store, with a margin. */
const LATEST_MS = 11_000;

const messagesOf = (events: readonly WorkerEvent[]): readonly string[] =>
  events.flatMap((event) =>
    event.type === 'message.completed'
      ? event.data.parts.map((part) => (part.type === 'text' ? part.text : part.type))
      : [],
  );

const endsOf = (events: readonly WorkerEvent[]) =>
  events.flatMap((event) => (event.type === 'run.finished' ? [event.data] : []));

const startRuns = async (
  t: ExecutionContext,
  puppet = new Puppet(),
): Promise<Rig & { readonly store: FaultyStore }> => {
  const store = faultyStore(memoryStore());
  const rig = await startRig(t, { store, engines: [puppet] });
  for (const workerId of WORKERS)
    await rig.runtime.createWorker({ workerId, engine: 'puppet', initialInput: { text: 'go' } });
  await settle();
  return { ...rig, puppet, store };
};

/** The ways in which a store can be away. Each begins an outage and returns the function that ends it. */
const outages: Readonly<Record<string, (store: FaultyStore) => () => void>> = {
  'appends fail and are lost': (store) => {
    store.failWhile('append', 'unavailable-lost');
    return () => store.heal();
  },
  'appends fail, are lost, and the head does not answer either': (store) => {
    store.failWhile(({ method }) => method === 'append' || method === 'head', 'unavailable-lost');
    return () => store.heal();
  },
  'the first append is done and is not acknowledged, and all others are lost': (store) => {
    store.failNext('append', 'unavailable-done');
    store.failWhile(({ method }) => method === 'append' || method === 'head', 'unavailable-lost');
    return () => store.heal();
  },
  'appends hang and are lost in the end': (store) => {
    const stall = store.stall('append');
    return () => stall.release('lost');
  },
  'appends hang and are done in the end': (store) => {
    const stall = store.stall('append');
    return () => stall.release('done');
  },
};

for (const [what, begin] of Object.entries(outages))
  test(`P9, P14: an outage of ${AWAY_MS / 1_000} s ends no run, and no output is lost or repeated: ${what}`, async (t) => {
    const { runtime, clock, puppet, store } = await startRuns(t);
    const end = begin(store);
    for (const workerId of WORKERS)
      puppet
        .last(workerId)
        .yield({ type: 'step-start', model: 'm' })
        .say('one')
        .yield([{ type: 'text', text: 'two' }, { type: 'message' }])
        .yield({ type: 'step-finish', finish: 'stop' })
        .say('three')
        .finish({ type: 'message', parts: [{ type: 'text', text: 'four' }] });
    await clock.advance(AWAY_MS);
    for (const workerId of WORKERS) {
      t.is((await runtime.getWorker(workerId)).status, 'running');
      t.false(puppet.last(workerId).isOver, 'the engine is asked for no further output');
    }
    end();
    await clock.advance(20_000);
    for (const workerId of WORKERS) {
      const events = await logOf(runtime, workerId);
      t.deepEqual(messagesOf(events), ['one', 'two', 'three', 'four'], workerId);
      t.deepEqual(endsOf(events), [{ outcome: 'completed' }]);
      t.deepEqual(
        events.flatMap((event) => (event.type === 'step.started' ? [event.data.step] : [])),
        [1],
      );
      t.deepEqual(flawsOf(events), []);
    }
  });

test('P9, P14: a command during an outage is refused after commitTimeoutMs, and is not written afterwards', async (t) => {
  const { runtime, clock, puppet, store } = await startRuns(t);
  await runtime.createWorker({ workerId: 'idle', engine: 'puppet' });
  store.failWhile(({ method }) => method !== 'read', 'unavailable-lost');
  // An output and a command of the same Worker, which may share an append.
  puppet.last('a').say('kept');
  const since = clock.now();
  const codes = [
    codeOf(runtime.sendInput('a', { text: 'refused', whenBusy: 'queue' })),
    codeOf(runtime.sendInput('idle', { text: 'refused' })),
    codeOf(runtime.updateWorker('b', { displayName: 'refused' })),
    codeOf(runtime.createWorker({ workerId: 'new', engine: 'puppet' })),
  ];
  for (const code of codes) t.is(await onClock(clock, code), 'STORE_UNAVAILABLE');
  t.true(clock.now() - since <= 11_000, `${clock.now() - since} ms`);
  await clock.advance(AWAY_MS);
  store.heal();
  await clock.advance(20_000);
  for (const workerId of [...WORKERS, 'idle']) {
    const events = await logOf(runtime, workerId);
    t.false(JSON.stringify(events).includes('refused'), workerId);
    t.deepEqual(flawsOf(events), []);
  }
  t.deepEqual(messagesOf(await logOf(runtime, 'a')), ['kept']);
  t.is(await codeOf(runtime.getWorker('new')), 'WORKER_NOT_FOUND');
  t.is(await codeOf(runtime.sendInput('idle', { text: 'again' })), 'none');
});

test('P97: calls that need what only the store has fail after commitTimeoutMs while it hangs, and succeed after that', async (t) => {
  const store = faultyStore(memoryStore());
  const before = await startRig(t, { store });
  const bundle = { id: 'team' };
  const digest = bundleDigest(bundle);
  await before.runtime.putBundle(digest, bundle);
  for (const workerId of [...WORKERS, 'idle']) {
    await before.runtime.createWorker({ workerId, engine: 'puppet', config: { text: 'before' } });
    const { runId } = await before.runtime.sendInput(workerId, { text: 'go' }, { idempotencyKey: 'first' });
    await settle();
    before.puppet.last(workerId).finish();
    await before.runtime.waitForRun(workerId, runId, { waitMs: 1_000 });
  }
  const file = await before.runtime.putFile('idle', Buffer.from('bytes'), { mediaType: 'text/plain' });
  await shutDown(before);
  // what the runtime before had in memory, this one has to read
  const { runtime, clock, puppet } = await startRig(t, { store });
  const calls = (): Readonly<Record<string, Promise<unknown>>> => ({
    events: runtime.events('a', { after: 'start' }),
    transcript: runtime.transcript('b'),
    'input with a key': runtime.sendInput('c', { text: 'more' }, { idempotencyKey: 'second' }),
    'input without a key': runtime.sendInput('d', { text: 'more' }),
    config: runtime.updateWorker('idle', { config: { text: 'after' } }),
    file: runtime.getFile('idle', file.digest),
    bundle: runtime.getBundle(digest),
    bundles: runtime.listBundles(),
  });
  const stall = store.stall(() => true);
  const since = clock.now();
  const answers = Object.entries(calls()).map(([what, call]) => [what, codeOf(call)] as const);
  for (const [what, code] of answers) t.is(await onClock(clock, code), 'STORE_UNAVAILABLE', what);
  t.true(clock.now() - since <= LATEST_MS, `${clock.now() - since} ms`);
  stall.release('lost');
  for (const [what, call] of Object.entries(calls())) t.is(await codeOf(call), 'none', what);
  for (const workerId of ['c', 'd']) puppet.last(workerId).finish();
});

test('P14, P97: a run that reads its history while the store hangs waits for it', async (t) => {
  const store = faultyStore(memoryStore());
  const before = await startRig(t, { store });
  await before.runtime.createWorker({
    workerId: 'ada',
    engine: 'puppet',
    initialInput: { text: 'remembered' },
  });
  await settle();
  before.puppet.last('ada').finish();
  await shutDown(before);
  const { runtime, clock, puppet } = await startRig(t, { store });
  const { runId } = await runtime.sendInput('ada', { text: 'again' });
  await settle();
  const stall = store.stall('read');
  const reading = puppet.last('ada').worker.history()[Symbol.asyncIterator]().next();
  await stall.reached;
  await clock.advance(AWAY_MS);
  stall.release('done');
  t.like(await onClock(clock, reading), { value: { parts: [{ text: 'remembered' }] } });
  puppet.last('ada').finish();
  t.like(await runtime.waitForRun('ada', runId, { waitMs: 1_000 }), { run: { outcome: 'completed' } });
});

test('P14: an outage that is longer than storeOutageMs fails the runs with STORE_UNAVAILABLE', async (t) => {
  const { runtime, clock, puppet, store } = await startRuns(t);
  store.failWhile('append', 'unavailable-lost');
  for (const workerId of WORKERS) puppet.last(workerId).say('lost').say('more');
  await clock.advance(runtime.limits.storeOutageMs + 11_000);
  for (const workerId of WORKERS) t.true(puppet.last(workerId).isOver);
  store.heal();
  await clock.advance(20_000);
  for (const workerId of WORKERS) {
    const events = await logOf(runtime, workerId);
    t.like(endsOf(events), [{ outcome: 'failed', error: { code: 'STORE_UNAVAILABLE' } }]);
    t.deepEqual(flawsOf(events), []);
    t.is((await runtime.getWorker(workerId)).status, 'idle');
  }
});

test('P9, P14: a run whose engine has finished during an outage completes after it', async (t) => {
  const { runtime, clock, puppet, store } = await startRuns(t);
  store.failWhile('append', 'unavailable-lost');
  for (const workerId of WORKERS) puppet.last(workerId).finish();
  await clock.advance(AWAY_MS);
  store.heal();
  await clock.advance(20_000);
  for (const workerId of WORKERS)
    t.deepEqual(endsOf(await logOf(runtime, workerId)), [{ outcome: 'completed' }]);
});

test('P9, P14: a request that an engine opens during an outage is opened once', async (t) => {
  const { runtime, clock, puppet, store } = await startRuns(t);
  store.failWhile('append', 'unavailable-lost');
  const answer = puppet.last('a').run.ask({ kind: 'question', prompt: 'Well?', options: ['yes'] });
  await clock.advance(AWAY_MS);
  store.heal();
  await clock.advance(20_000);
  const { items } = await runtime.listRequests('a');
  t.is(items.length, 1);
  await runtime.respond('a', items[0]?.requestId ?? '', { decision: 'yes' });
  t.like(await answer, { decision: 'yes', by: 'client' });
});

test('P1, P14: a cancel and a stop during an outage answer with a typed error, and the runs end as cancelled after it', async (t) => {
  const { runtime, clock, puppet, store } = await startRuns(t);
  store.failWhile('append', 'unavailable-lost');
  for (const workerId of WORKERS) puppet.last(workerId).say('one');
  await clock.advance(2_000);
  const since = clock.now();
  const codes = [codeOf(runtime.cancelRun('a')), codeOf(runtime.stopWorker('b'))];
  for (const code of codes) t.is(await onClock(clock, code), 'STORE_UNAVAILABLE');
  t.true(clock.now() - since <= 11_000, `${clock.now() - since} ms`);
  for (const workerId of ['a', 'b']) t.true(puppet.last(workerId).isOver);
  store.heal();
  await clock.advance(20_000);
  for (const workerId of ['a', 'b']) {
    const events = await logOf(runtime, workerId);
    t.like(endsOf(events), [{ outcome: 'cancelled' }]);
    t.deepEqual(flawsOf(events), []);
  }
});

test('P4, P14: a runtime stops in time during an outage, and leaves no timer', async (t) => {
  const { runtime, clock, puppet, store } = await startRuns(t);
  store.stall('append');
  for (const workerId of WORKERS) puppet.last(workerId).say('one');
  await clock.advance(2_000);
  const since = clock.now();
  await shutDown({ runtime, clock });
  t.true(clock.now() - since <= 1_500, `${clock.now() - since} ms`);
  await clock.advance(200_000);
  t.is(clock.timers, 0);
});
