import test, { type ExecutionContext } from 'ava';
import type { WorkerEvent } from '../src/contracts/event.ts';
import type { WorkerSummary } from '../src/contracts/runtime-api.ts';
import { RuntimeError } from '../src/contracts/runtime-error.ts';
import type { RuntimeStore, StoreHost } from '../src/contracts/store.ts';
import { restingIn, snapshotOf } from '../src/domain/snapshot.ts';
import { emptyState, type WorkerState } from '../src/domain/state.ts';
import { memoryStore } from '../src/memory-store/memory-store.ts';
import { faultyStore } from '../src/testing/faulty-store.ts';
import { Puppet } from './fixtures/puppet.ts';
import {
  codeOf,
  flawsOf,
  foldOf,
  logOf,
  makeRig,
  onClock,
  type Rig,
  settle,
  shutDown,
  startRig,
} from './fixtures/rig.ts';

/** A store that keeps no snapshots: what it lists has to be folded from the first event on. */
const withoutSnapshots = (inner: RuntimeStore): RuntimeStore =>
  new Proxy(inner, {
    get: (store, name: keyof RuntimeStore) => {
      if (name === 'open') return (host: StoreHost) => store.open({ ...host, snapshotOf: () => undefined });
      const member: unknown = store[name];
      return typeof member === 'function' ? member.bind(store) : member;
    },
  });

/** A process that ends without a word: its store closes under it, and nothing that it still does is kept. */
const crash = (_rig: Rig, store: RuntimeStore): Promise<void> => store.close();

type Present = Pick<WorkerSummary, 'status' | 'queued'> & { readonly connected: boolean };

interface Phase {
  readonly title: string;
  /** Brings the Worker `w` to the phase. */
  readonly reach: (rig: Rig) => Promise<unknown>;
  readonly present: Present;
  /** What the next runtime adds to the log. */
  readonly added: readonly string[];
  /** Outcomes of the runs, in order of their inputs. */
  readonly outcomes: readonly string[];
}

const send = (rig: Rig, text: string, whenBusy: 'reject' | 'queue' = 'reject') =>
  rig.runtime.sendInput('w', { text, whenBusy }, { idempotencyKey: `key-${text}` });

const phases: readonly Phase[] = [
  {
    title: 'idle',
    reach: async () => {},
    present: { status: 'idle', queued: 0, connected: false },
    added: [],
    outcomes: [],
  },
  {
    title: 'idle after a run',
    reach: async (rig) => {
      await send(rig, 'one');
      rig.puppet.last().say('done').finish();
      await settle();
    },
    present: { status: 'idle', queued: 0, connected: false },
    added: [],
    outcomes: ['completed'],
  },
  {
    title: 'running',
    reach: async (rig) => {
      await send(rig, 'one');
      rig.puppet.last().yield({ type: 'text', text: 'half a' });
      await settle();
    },
    present: { status: 'idle', queued: 0, connected: false },
    added: ['run.finished', 'execution.detached'],
    outcomes: ['interrupted'],
  },
  {
    title: 'waiting',
    reach: async (rig) => {
      await send(rig, 'one');
      void rig.puppet.last().run.ask({ kind: 'question', prompt: 'Well?', options: ['yes'] });
      await settle();
    },
    present: { status: 'idle', queued: 0, connected: false },
    added: ['request.resolved', 'run.finished', 'execution.detached'],
    outcomes: ['interrupted'],
  },
  {
    title: 'queued',
    reach: async (rig) => {
      await send(rig, 'one');
      await send(rig, 'two', 'queue');
      await send(rig, 'three', 'queue');
    },
    present: { status: 'running', queued: 1, connected: true },
    added: ['run.finished', 'execution.detached', 'execution.attached', 'run.started'],
    outcomes: ['interrupted'],
  },
  {
    title: 'stopped',
    reach: async (rig) => {
      await send(rig, 'one');
      await rig.runtime.stopWorker('w');
    },
    present: { status: 'stopped', queued: 0, connected: false },
    added: [],
    outcomes: ['cancelled'],
  },
  {
    title: 'resumed',
    reach: async (rig) => {
      await rig.runtime.stopWorker('w');
      await rig.runtime.resumeWorker('w');
    },
    present: { status: 'idle', queued: 0, connected: false },
    added: [],
    outcomes: [],
  },
];

interface Ending {
  readonly isClean: boolean;
  readonly makeStore: () => RuntimeStore;
  readonly end: (rig: Rig, store: RuntimeStore) => Promise<void>;
}

const endings: Readonly<Record<string, Ending>> = {
  'a crash': { isClean: false, makeStore: memoryStore, end: crash },
  'a crash with no snapshot': {
    isClean: false,
    makeStore: () => withoutSnapshots(memoryStore()),
    end: crash,
  },
  'a clean stop': { isClean: true, makeStore: memoryStore, end: shutDown },
};

const typesOf = (events: readonly WorkerEvent[]): readonly string[] => events.map((event) => event.type);

const assertSound = async (t: ExecutionContext, { runtime }: Rig): Promise<void> => {
  const events = await logOf(runtime, 'w');
  t.deepEqual(flawsOf(events), []);
  const { status, queued, execution, lastSeq } = await runtime.getWorker('w');
  const folded = foldOf(events);
  t.deepEqual(
    [status, queued, execution.generation, lastSeq],
    [folded.status, folded.queue.length, folded.generation, events.length],
  );
};

for (const { title, reach, present, added, outcomes } of phases) {
  for (const [ending, { isClean, makeStore, end }] of Object.entries(endings)) {
    test(`P7, P12: a Worker that was ${title}, after ${ending}: what is told is true, nothing acknowledged is missing`, async (t) => {
      const store = makeStore();
      const first = makeRig({ store });
      await first.runtime.start();
      await first.runtime.createWorker({ workerId: 'w', engine: 'puppet', displayName: 'Ada' });
      await reach(first);
      const before = await logOf(first.runtime, 'w');
      await end(first, store);

      const again = await startRig(t, { store });
      const { runtime, puppet } = again;
      await settle();
      const detail = await runtime.getWorker('w');
      const { status, queued, execution } = detail;
      t.deepEqual({ status, queued, connected: execution.connected }, present);
      t.is(detail.displayName, 'Ada');
      const after = await logOf(runtime, 'w');
      t.deepEqual(after.slice(0, before.length), before);
      if (!isClean) t.deepEqual(typesOf(after).slice(before.length), added);
      t.deepEqual(Object.values(foldOf(after).outcomes), outcomes);
      await assertSound(t, again);
      t.deepEqual(
        (await runtime.transcript('w')).items.length,
        after.filter((event) => event.type === 'input.accepted' || event.type === 'message.completed').length,
      );

      const codes = (await runtime.diagnostics()).items.map(({ code }) => code);
      t.is(codes.includes('EXECUTION_LOST'), !isClean && outcomes.includes('interrupted'));

      // a retry of what was acknowledged is answered as then, and does not happen again
      for (const event of before) {
        if (event.type !== 'input.accepted') continue;
        const text = event.data.parts[0]?.text ?? '';
        const replay = await runtime.sendInput(
          'w',
          { text, whenBusy: event.data.queued ? 'queue' : 'reject' },
          { idempotencyKey: `key-${text}` },
        );
        t.deepEqual([replay.replayed, replay.runId, replay.seq], [true, event.run, event.seq]);
      }
      t.is((await logOf(runtime, 'w')).length, after.length);

      // it works on
      if (status === 'stopped') await runtime.resumeWorker('w');
      if (status === 'running') puppet.last('w').finish();
      await settle();
      if (queued > 0) puppet.last('w').finish();
      await settle();
      await send(again, 'later');
      puppet.last('w').finish();
      await settle();
      t.is((await runtime.getWorker('w')).status, 'idle');
      await assertSound(t, again);
    });
  }
}

test('P12: a Worker that was being deleted is gone after a crash, and its id is free', async (t) => {
  const inner = memoryStore();
  const faulty = faultyStore(inner);
  const first = makeRig({ store: faulty });
  await first.runtime.start();
  await first.runtime.createWorker({ workerId: 'w', engine: 'puppet' });
  await first.runtime.stopWorker('w');
  const stall = faulty.stall('remove');
  const deleting = first.runtime.deleteWorker('w');
  await stall.reached;
  await crash(first, inner);
  const { runtime } = await startRig(t, { store: inner });
  t.deepEqual((await runtime.listWorkers()).items, []);
  t.is((await runtime.createWorker({ workerId: 'w', engine: 'puppet' })).worker.lastSeq, 2);
  stall.release('lost');
  await onClock(first.clock, codeOf(deleting));
});

test('P12: an engine that asks for it is attached at start, others with the next input', async (t) => {
  const store = memoryStore();
  const eager = () => new Puppet({ name: 'eager', capabilities: { attachAtStart: true } });
  const first = makeRig({ store, engines: [eager(), new Puppet()] });
  await first.runtime.start();
  for (const engine of ['eager', 'puppet']) await first.runtime.createWorker({ workerId: engine, engine });
  await shutDown(first);
  const { runtime } = await startRig(t, { store, engines: [eager(), new Puppet()] });
  await settle();
  t.true((await runtime.getWorker('eager')).execution.connected);
  t.false((await runtime.getWorker('puppet')).execution.connected);
  await runtime.sendInput('puppet', { text: 'go' });
  t.true((await runtime.getWorker('puppet')).execution.connected);
});

test('P12, P18: without its engine a Worker is readable, and an input is refused with what is missing', async (t) => {
  const store = memoryStore();
  const first = makeRig({ store });
  await first.runtime.start();
  await first.runtime.createWorker({ workerId: 'w', engine: 'puppet', initialInput: { text: 'one' } });
  await first.runtime.sendInput('w', { text: 'two', whenBusy: 'queue' });
  await crash(first, store);
  const { runtime } = await startRig(t, { store, engines: [] });
  await settle();
  const { status, queued } = await runtime.getWorker('w');
  t.deepEqual([status, queued], ['idle', 1]);
  t.is(await codeOf(runtime.sendInput('w', { text: 'three', whenBusy: 'queue' })), 'ENGINE_UNAVAILABLE');
  t.is((await runtime.transcript('w')).items.length, 2);
  t.deepEqual((await runtime.stopWorker('w')).outcome, 'graceful');
  await runtime.deleteWorker('w');
});

/** Of a store with a Worker `w` whose second input waits, and whose engine is not there after a crash. */
const startWaiting = async (t: ExecutionContext, attach: () => void) => {
  const store = memoryStore();
  const first = makeRig({ store });
  await first.runtime.start();
  await first.runtime.createWorker({ workerId: 'w', engine: 'puppet', initialInput: { text: 'one' } });
  await first.runtime.sendInput('w', { text: 'two', whenBusy: 'queue' });
  await crash(first, store);
  const puppet = new Puppet({ onAttach: attach });
  const rig = await startRig(t, { store, engines: [puppet] });
  await settle();
  const told = async () =>
    (await rig.runtime.diagnostics()).items
      .filter(({ message }) => message.startsWith('Queued inputs') || message.includes('attach'))
      .map(({ code, message }) => [code, message]);
  return { ...rig, store, puppet, told };
};

test('P12: inputs that wait for an engine say why, once, and go on when it is there', async (t) => {
  let missing: Error | null = new RuntimeError('ENGINE_UNAVAILABLE', 'The key of the model is missing');
  const { runtime, clock, puppet, told } = await startWaiting(t, () => {
    if (missing) throw missing;
  });
  const lastError = async () => (await runtime.getWorker('w')).execution.lastError;
  const reason = { code: 'ENGINE_UNAVAILABLE', message: 'The key of the model is missing' };
  t.deepEqual(await lastError(), reason);
  const why = ['ENGINE_UNAVAILABLE', 'Queued inputs are waiting: The key of the model is missing'];
  t.deepEqual(await told(), [why]);
  const { asOf } = await runtime.listWorkers();
  const before = puppet.contexts.length;
  const tries = async (ms: number): Promise<number> => {
    await clock.advance(ms);
    return puppet.contexts.length - before;
  };
  t.is(await tries(999), 0);
  t.is(await tries(1), 1);
  t.is(await tries(1_999), 1);
  t.is(await tries(1), 2);
  t.is(await tries(4_000 + 8_000 + 16_000 + 32_000), 6);
  t.is(await tries(60_000), 7, 'and no longer than a minute');
  t.is(await tries(59_999), 7);
  t.deepEqual(await told(), [why], 'told once');
  // what is not about the engine does not hurry it
  await runtime.updateWorker('w', { displayName: 'Ada' });
  await settle();
  t.is(await tries(0), 7);
  // another reason is news, to those who watch as well
  missing = new TypeError('secret');
  t.is(await tries(1), 8);
  const failed = 'The engine "puppet" failed to attach';
  t.deepEqual(await lastError(), { code: 'ENGINE_UNAVAILABLE', message: failed });
  t.deepEqual(await told(), [['ENGINE_UNAVAILABLE', `Queued inputs are waiting: ${failed}`], why]);
  for await (const item of runtime.watch({ after: asOf })) {
    if (item.type !== 'worker') continue;
    t.is(item.worker.execution.lastError?.message, failed);
    break;
  }
  missing = null;
  t.is(await tries(60_000), 9);
  const { status, queued, execution } = await runtime.getWorker('w');
  t.deepEqual([status, queued], ['running', 0]);
  t.deepEqual(execution, { connected: true, generation: 2, lastError: null });
  puppet.last('w').finish();
  await settle();
  t.deepEqual(Object.values(foldOf(await logOf(runtime, 'w')).outcomes), ['interrupted', 'completed']);
  t.is(await tries(600_000), 9);
});

test('P12, P20: what waits for an engine waits no more once its Worker is stopped, resumed or the runtime ends', async (t) => {
  let isMissing = true;
  const attach = (): void => {
    if (isMissing) throw new TypeError('no key');
  };
  const stopped = await startWaiting(t, attach);
  const idleTimers = stopped.clock.timers - 1;
  t.deepEqual(await stopped.runtime.stopWorker('w'), {
    changed: true,
    status: 'stopped',
    outcome: 'graceful',
  });
  t.is(stopped.clock.timers, idleTimers);
  t.is((await stopped.runtime.getWorker('w')).execution.lastError?.code, 'EXECUTION_LOST');
  await stopped.runtime.deleteWorker('w');

  const ended = await startWaiting(t, attach);
  await shutDown(ended);
  t.is(ended.clock.timers, 0);

  const resumed = await startWaiting(t, attach);
  t.is(await codeOf(resumed.runtime.resumeWorker('w')), 'ENGINE_UNAVAILABLE');
  isMissing = false;
  await resumed.runtime.resumeWorker('w');
  await settle();
  t.is((await resumed.runtime.getWorker('w')).status, 'running');
  t.is(resumed.clock.timers, idleTimers + 1, 'that of the run alone');
});

for (const [nth, what] of [
  [2, 'a new execution'],
  [3, 'their run'],
] as const) {
  test(`P12, P14: inputs that wait go on, also where the store did not take ${what} at first`, async (t) => {
    const faulty = faultyStore(memoryStore());
    const { runtime, clock, puppet } = await startRig(t, { store: faulty });
    await runtime.createWorker({ workerId: 'w', engine: 'puppet', initialInput: { text: 'one' } });
    await runtime.sendInput('w', { text: 'two', whenBusy: 'queue' });
    // the first write says that the execution is gone
    faulty.failAt(nth, 'full');
    puppet.context().lost(new TypeError('gone'));
    await settle(20);
    t.is((await runtime.getWorker('w')).status, 'idle');
    await clock.advance(1_000);
    t.is((await runtime.getWorker('w')).status, 'running');
    t.deepEqual(flawsOf(await logOf(runtime, 'w')), []);
  });
}

test('P14: a runtime starts on a full disk, tells what it reads, and closes what was on when there is space', async (t) => {
  const inner = memoryStore();
  const first = makeRig({ store: inner });
  await first.runtime.start();
  await first.runtime.createWorker({ workerId: 'w', engine: 'puppet', initialInput: { text: 'one' } });
  await first.runtime.createWorker({ workerId: 'v', engine: 'puppet' });
  await crash(first, inner);
  const faulty = faultyStore(inner);
  faulty.failWhile('append', 'full');
  const again = makeRig({ store: faulty });
  await onClock(again.clock, again.runtime.start());
  const { runtime, clock } = again;
  t.teardown(() => shutDown(again));
  t.is((await runtime.listWorkers()).items.length, 2);
  t.is((await runtime.transcript('w')).items.length, 1);
  t.is(await codeOf(runtime.updateWorker('v', { displayName: 'x' })), 'STORE_FULL');
  faulty.heal();
  await clock.advance(10_000);
  t.is((await runtime.getWorker('w')).status, 'idle');
  t.deepEqual(Object.values(foldOf(await logOf(runtime, 'w')).outcomes), ['interrupted']);
});

test('P21: only a Worker that a start has nothing to do for is left in its snapshot, and read as it was', (t) => {
  const head = { seq: 2, offset: 10, end: 20, sum: 7 };
  const alive: WorkerState = { ...emptyState('w', 'log_w'), head, phase: 'alive', labels: { team: 'a' } };
  const found = (state: WorkerState, { seq = 2, isDamaged = false } = {}) =>
    restingIn({
      log: 'log_w',
      workerId: 'w',
      head: { seq, bytes: 20 },
      snapshot: snapshotOf(state),
      tail: new Uint8Array(0),
      isDamaged,
    });
  const claims = [{ name: 'docs', mode: 'write' }] as const;
  const input = { inputId: 'i', runId: 'r', role: 'user', parts: [] } as const;
  const run = { runId: 'r', origin: 'engine', input: null, generation: 1, startedAt: '' } as const;
  for (const state of [alive, { ...alive, status: 'stopped', claims }] satisfies WorkerState[]) {
    t.true(found(state)?.status === state.status);
    t.deepEqual(found(state)?.read(), state);
  }
  t.is(found(alive, { seq: 3 }), null);
  t.is(found(alive, { isDamaged: true }), null);
  for (const differs of [
    { phase: 'creating' },
    { phase: 'deleted' },
    { run },
    { queue: [input] },
    { creationKey: { value: 'k', digest: 'd' } },
    { claims },
  ] satisfies Partial<WorkerState>[]) {
    t.is(found({ ...alive, ...differs }), null, JSON.stringify(differs));
  }
});
