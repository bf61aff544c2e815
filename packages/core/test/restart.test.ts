import test, { type ExecutionContext } from 'ava';
import { inputText } from '../src/contracts/engine.ts';
import type { WorkerEvent } from '../src/contracts/event.ts';
import { RuntimeError } from '../src/contracts/runtime-error.ts';
import type { RuntimeStore, StoredLog, StoreHost } from '../src/contracts/store.ts';
import type { WorkerSummary } from '../src/contracts/worker.ts';
import { type Resting, restingIn, snapshotOf } from '../src/domain/snapshot.ts';
import { emptyState, type WorkerState } from '../src/domain/state.ts';
import { memoryStore } from '../src/memory-store/memory-store.ts';
import { faultyStore } from '../src/testing/faulty-store.ts';
import { storedLogs } from '../src/testing/stored-logs.ts';
import { restingState, unusedIn } from '../src/workers/unused.ts';
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

/** Returns a store that keeps no snapshots, so that the runtime must read each log from its first event. */
const withoutSnapshots = (inner: RuntimeStore): RuntimeStore =>
  new Proxy(inner, {
    get: (store, name: keyof RuntimeStore) => {
      if (name === 'open') return (host: StoreHost) => store.open({ ...host, snapshotOf: () => undefined });
      const member: unknown = store[name];
      return typeof member === 'function' ? member.bind(store) : member;
    },
  });

/** Simulates a crash: closes the store, so that no later write of the first runtime is kept. */
const crash = (_rig: Rig, store: RuntimeStore): Promise<void> => store.close();

type Present = Pick<WorkerSummary, 'status' | 'queued'> & { readonly connected: boolean };

interface Phase {
  readonly title: string;
  /** Brings the Worker `w` to the phase. */
  readonly reach: (rig: Rig) => Promise<unknown>;
  readonly present: Present;
  /** The types of the events that the next runtime adds to the log after a crash. */
  readonly added: readonly string[];
  /** The outcomes of the finished runs, in the order of their inputs. */
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
  'a crash without a snapshot': {
    isClean: false,
    makeStore: () => withoutSnapshots(memoryStore()),
    end: crash,
  },
  'a clean stop': { isClean: true, makeStore: memoryStore, end: shutDown },
};

const typesOf = (events: readonly WorkerEvent[]): readonly string[] => events.map((event) => event.type);

const assertConsistent = async (t: ExecutionContext, { runtime }: Rig): Promise<void> => {
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
    test(`P7, P12: a Worker that was ${title} has the right state and all acknowledged events after ${ending}`, async (t) => {
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
      await assertConsistent(t, again);
      t.deepEqual(
        (await runtime.transcript('w')).items.length,
        after.filter(
          ({ type, data }) =>
            type === 'input.accepted' ||
            type === 'message.completed' ||
            (type === 'run.finished' && data.outcome !== 'completed'),
        ).length,
      );

      const codes = (await runtime.diagnostics()).items.map(({ code }) => code);
      t.is(codes.includes('EXECUTION_LOST'), !isClean && outcomes.includes('interrupted'));

      // A retry of an acknowledged input gets the first answer and adds no event.
      for (const event of before) {
        if (event.type !== 'input.accepted') continue;
        const text = inputText(event.data);
        const replay = await runtime.sendInput(
          'w',
          { text, whenBusy: event.data.queued ? 'queue' : 'reject' },
          { idempotencyKey: `key-${text}` },
        );
        t.deepEqual([replay.replayed, replay.runId, replay.seq], [true, event.run, event.seq]);
      }
      t.is((await logOf(runtime, 'w')).length, after.length);

      // The Worker still works.
      if (status === 'stopped') await runtime.resumeWorker('w');
      if (status === 'running') puppet.last('w').finish();
      await settle();
      if (queued > 0) puppet.last('w').finish();
      await settle();
      await send(again, 'later');
      puppet.last('w').finish();
      await settle();
      t.is((await runtime.getWorker('w')).status, 'idle');
      await assertConsistent(t, again);
    });
  }
}

test('P12: a Worker whose deletion a crash interrupted is removed at the next start, and its id is free', async (t) => {
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

test('P12: an engine with attachAtStart is attached at start, and others at the next input', async (t) => {
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

test('P12, P18: a Worker without its engine is readable, and an input fails with ENGINE_UNAVAILABLE', async (t) => {
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
  t.is((await runtime.transcript('w')).items.length, 3);
  t.deepEqual((await runtime.stopWorker('w')).outcome, 'graceful');
  await runtime.deleteWorker('w');
});

/** Starts a runtime after a crash, with a Worker `w` that has a queued input. `attach` is called at every attach. */
const startWithQueued = async (t: ExecutionContext, attach: () => void) => {
  const store = memoryStore();
  const first = makeRig({ store });
  await first.runtime.start();
  await first.runtime.createWorker({ workerId: 'w', engine: 'puppet', initialInput: { text: 'one' } });
  await first.runtime.sendInput('w', { text: 'two', whenBusy: 'queue' });
  await crash(first, store);
  const puppet = new Puppet({ onAttach: attach });
  const rig = await startRig(t, { store, engines: [puppet] });
  await settle();
  const engineDiagnostics = async () =>
    (await rig.runtime.diagnostics()).items
      .filter(({ message }) => message.startsWith('Queued inputs') || message.includes('attach'))
      .map(({ code, message }) => [code, message]);
  return { ...rig, store, puppet, engineDiagnostics };
};

test('P12: queued inputs without an engine report each cause once, and run when it can be attached', async (t) => {
  let missing: Error | null = new RuntimeError('ENGINE_UNAVAILABLE', 'The key of the model is missing');
  const { runtime, clock, puppet, engineDiagnostics } = await startWithQueued(t, () => {
    if (missing) throw missing;
  });
  const lastError = async () => (await runtime.getWorker('w')).execution.lastError;
  const reason = { code: 'ENGINE_UNAVAILABLE', message: 'The key of the model is missing' };
  t.deepEqual(await lastError(), reason);
  const why = ['ENGINE_UNAVAILABLE', 'Queued inputs are waiting: The key of the model is missing'];
  t.deepEqual(await engineDiagnostics(), [why]);
  const { asOf } = await runtime.listWorkers();
  const before = puppet.contexts.length;
  const attemptsAfter = async (ms: number): Promise<number> => {
    await clock.advance(ms);
    return puppet.contexts.length - before;
  };
  t.is(await attemptsAfter(999), 0);
  t.is(await attemptsAfter(1), 1);
  t.is(await attemptsAfter(1_999), 1);
  t.is(await attemptsAfter(1), 2);
  t.is(await attemptsAfter(4_000 + 8_000 + 16_000 + 32_000), 6);
  t.is(await attemptsAfter(60_000), 7, 'the longest pause is one minute');
  t.is(await attemptsAfter(59_999), 7);
  t.deepEqual(await engineDiagnostics(), [why], 'the cause is reported once');
  // An unrelated command does not cause an early attempt.
  await runtime.updateWorker('w', { displayName: 'Ada' });
  await settle();
  t.is(await attemptsAfter(0), 7);
  // A new cause is reported, and watches deliver it.
  missing = new TypeError('secret');
  t.is(await attemptsAfter(1), 8);
  const failed = 'The engine "puppet" failed to attach';
  t.deepEqual(await lastError(), { code: 'ENGINE_UNAVAILABLE', message: failed });
  t.deepEqual(await engineDiagnostics(), [
    ['ENGINE_UNAVAILABLE', `Queued inputs are waiting: ${failed}`],
    why,
  ]);
  for await (const item of runtime.watch({ after: asOf })) {
    if (item.type !== 'worker') continue;
    t.is(item.worker.execution.lastError?.message, failed);
    break;
  }
  missing = null;
  t.is(await attemptsAfter(60_000), 9);
  const { status, queued, execution } = await runtime.getWorker('w');
  t.deepEqual([status, queued], ['running', 0]);
  t.deepEqual(execution, { connected: true, generation: 2, lastError: null });
  puppet.last('w').finish();
  await settle();
  t.deepEqual(Object.values(foldOf(await logOf(runtime, 'w')).outcomes), ['interrupted', 'completed']);
  t.is(await attemptsAfter(600_000), 9);
});

test('P12, P20: the retry timer of queued inputs is cancelled by a stop, a resume and the end of the runtime', async (t) => {
  let isMissing = true;
  const attach = (): void => {
    if (isMissing) throw new TypeError('no key');
  };
  const stopped = await startWithQueued(t, attach);
  const idleTimers = stopped.clock.timers - 1;
  t.deepEqual(await stopped.runtime.stopWorker('w'), {
    changed: true,
    status: 'stopped',
    outcome: 'graceful',
  });
  t.is(stopped.clock.timers, idleTimers);
  t.is((await stopped.runtime.getWorker('w')).execution.lastError?.code, 'EXECUTION_LOST');
  await stopped.runtime.deleteWorker('w');

  const ended = await startWithQueued(t, attach);
  await shutDown(ended);
  t.is(ended.clock.timers, 0);

  const resumed = await startWithQueued(t, attach);
  t.is(await codeOf(resumed.runtime.resumeWorker('w')), 'ENGINE_UNAVAILABLE');
  isMissing = false;
  await resumed.runtime.resumeWorker('w');
  await settle();
  t.is((await resumed.runtime.getWorker('w')).status, 'running');
  t.is(resumed.clock.timers, idleTimers + 1, 'only the run has a timer');
});

for (const [nth, what] of [
  [2, 'a new execution'],
  [3, 'the start of the run'],
] as const) {
  test(`P12, P14: queued inputs run even if the store refuses ${what} at first`, async (t) => {
    const faulty = faultyStore(memoryStore());
    const { runtime, clock, puppet } = await startRig(t, { store: faulty });
    await runtime.createWorker({ workerId: 'w', engine: 'puppet', initialInput: { text: 'one' } });
    await runtime.sendInput('w', { text: 'two', whenBusy: 'queue' });
    // The first write records that the execution was lost.
    faulty.failAt(nth, 'full');
    puppet.context().lost(new TypeError('gone'));
    await settle(20);
    t.is((await runtime.getWorker('w')).status, 'idle');
    await clock.advance(1_000);
    t.is((await runtime.getWorker('w')).status, 'running');
    t.deepEqual(flawsOf(await logOf(runtime, 'w')), []);
  });
}

test('P14: a runtime starts on a full disk, answers reads, and ends interrupted runs when there is space', async (t) => {
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

test('P21: a Worker stays in its snapshot at start only if the start has nothing to do for it', (t) => {
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
  const input = { inputId: 'i', runId: 'r', seq: 1, offset: 0, bytes: 1 } as const;
  const run = { runId: 'r', origin: 'engine', input: null, generation: 1, startedAt: '' } as const;
  for (const state of [alive, { ...alive, status: 'stopped', claims }] satisfies WorkerState[]) {
    t.true(found(state)?.status === state.status);
    const { stored } = found(state) as Resting;
    t.deepEqual(restingState(stored), state);
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

/** Returns a store whose `open` is replaced. */
const withOpen = (inner: RuntimeStore, open: RuntimeStore['open']): RuntimeStore =>
  new Proxy(inner, {
    get: (store, name: keyof RuntimeStore) => {
      if (name === 'open') return open;
      const member: unknown = store[name];
      return typeof member === 'function' ? member.bind(store) : member;
    },
  });

test('P12, P21: a Worker that was not used since its creation stays in its lines at start, and is the same as before', async (t) => {
  const inner = withoutSnapshots(memoryStore());
  const first = makeRig({ store: inner });
  await first.runtime.start();
  const create = (workerId: string, request = {}, options = {}): Promise<unknown> =>
    first.runtime.createWorker({ engine: 'puppet', workerId, ...request }, options);
  const text = 'a "key":{ and "claims":[]\n of type":"execution.attached","data":{';
  await create('plain');
  await create('child', { parent: 'plain', displayName: text, labels: { team: 'ä€', text } });
  await create('labelled-key', { labels: { key: 'a' } });
  await create('keyed', {}, { idempotencyKey: 'creation' });
  await create('reading', { claims: [{ name: 'docs', resource: 'fs:/docs', mode: 'read' }] });
  await create('writing', { claims: [{ name: 'notes', resource: 'fs:/notes', mode: 'write' }] });
  await create('stopped');
  await first.runtime.stopWorker('stopped');
  await create('used');
  await first.runtime.sendInput('used', { text: 'one' });
  first.puppet.last().finish();
  await settle();
  const ids = (await first.runtime.listWorkers()).items.map(({ workerId }) => workerId);
  const all = ({ runtime }: Rig) => Promise.all(ids.map((id) => runtime.getWorker(id)));
  const before = await all(first);
  await shutDown(first);

  let logs: readonly StoredLog[] = [];
  const listed = withOpen(inner, async (host) => {
    const opened = await inner.open(host);
    logs = await storedLogs(opened);
    return { ...opened, logs };
  });
  const second = await startRig(t, { store: listed });
  const unused = logs.filter((log) => unusedIn(log) !== null);
  t.deepEqual(unused.map(({ workerId }) => workerId).sort(), ['child', 'plain']);
  for (const log of unused) {
    t.is(unusedIn({ ...log, isDamaged: true }), null);
    t.is(unusedIn({ ...log, tail: log.tail.subarray(0, -1) }), null);
    t.is(unusedIn({ ...log, head: { ...log.head, seq: 3 } }), null);
  }
  const detached = before.map((worker) => ({
    ...worker,
    execution: { ...worker.execution, connected: false },
  }));
  t.deepEqual(await all(second), detached);
  const again = second.runtime.createWorker(
    { engine: 'puppet', workerId: 'keyed' },
    { idempotencyKey: 'creation' },
  );
  t.is((await again).worker.workerId, 'keyed');
  const claims = [{ name: 'it', resource: 'fs:/notes', mode: 'write' }] as const;
  t.is(
    await codeOf(second.runtime.createWorker({ engine: 'puppet', workerId: 'late', claims })),
    'CLAIM_CONFLICT',
  );
  await second.runtime.sendInput('plain', { text: 'two' });
  second.puppet.last().finish();
  await settle();
  t.deepEqual(flawsOf(await logOf(second.runtime, 'plain')), []);
});

test('P12: Workers are listed in the order of their creation, in any order in which the store lists their logs', async (t) => {
  const inner = memoryStore();
  const first = makeRig({ store: inner });
  await first.runtime.start();
  const ids = Array.from({ length: 40 }, (_, at) => `w${at}`);
  for (const workerId of ids) await first.runtime.createWorker({ engine: 'puppet', workerId });
  await shutDown(first);
  const last = ids.length - 1;
  // turned, with the last one first, with the first one last, and with each seventh one behind the others
  const orders: readonly ((logs: StoredLog[]) => StoredLog[])[] = [
    (logs) => logs.toReversed(),
    (logs) => [...logs.slice(last), ...logs.slice(0, last)],
    (logs) => [...logs.slice(1), ...logs.slice(0, 1)],
    (logs) => [...logs.filter((_, at) => at % 7 !== 0), ...logs.filter((_, at) => at % 7 === 0).toReversed()],
  ];
  for (const reorder of orders) {
    const turned = withOpen(inner, async (host) => {
      const opened = await inner.open(host);
      const logs = (await storedLogs(opened)).toSorted((a, b) => (a.log < b.log ? -1 : 1));
      return { ...opened, logs: reorder(logs) };
    });
    const rig = makeRig({ store: turned });
    await rig.runtime.start();
    const { items } = await rig.runtime.listWorkers();
    t.deepEqual(
      items.map(({ workerId }) => workerId),
      ids,
    );
    await shutDown(rig);
  }
});

test('P7, P12: a store may list its logs step by step, and a failure in between fails the start', async (t) => {
  const inner = memoryStore();
  const first = makeRig({ store: inner });
  await first.runtime.start();
  const ids = Array.from({ length: 200 }, (_, index) => `w${String(index).padStart(3, '0')}`);
  for (const workerId of ids) await first.runtime.createWorker({ engine: 'puppet', workerId });
  await shutDown(first);
  let failsAt = 150;
  const stepwise = withOpen(inner, async (host) => {
    const opened = await inner.open(host);
    const logs = (await storedLogs(opened)).toReversed();
    return {
      ...opened,
      logs: (async function* () {
        for (const [index, log] of logs.entries()) {
          await Promise.resolve();
          if (index === failsAt) throw new RuntimeError('STORE_UNAVAILABLE', 'The connection ended');
          yield log;
        }
      })(),
    };
  });
  t.is(await codeOf(makeRig({ store: stepwise }).runtime.start()), 'STORE_UNAVAILABLE');
  failsAt = Number.POSITIVE_INFINITY;
  const second = await startRig(t, { store: stepwise });
  const { items } = await second.runtime.listWorkers({ limit: 500 });
  t.deepEqual(items.map(({ workerId }) => workerId).sort(), ids);
});

test('P4: a stop ends an open that waits for another owner of the store', async (t) => {
  let waits = (): void => {};
  const waiting = new Promise<void>((resolve) => {
    waits = resolve;
  });
  const store = withOpen(memoryStore(), async ({ stopping }) => {
    waits();
    await new Promise<void>((resolve) =>
      stopping?.addEventListener('abort', () => resolve(), { once: true }),
    );
    throw new RuntimeError('STORE_LOCKED', 'The store is open in another process');
  });
  const { runtime } = makeRig({ store });
  const starting = codeOf(runtime.start());
  await waiting;
  await runtime.stop();
  t.is(await starting, 'STORE_LOCKED');
});

/** Returns a store that completes no append before it is closed, once `holds` was called, and the appends that began after that. */
const closingSlowly = (inner: RuntimeStore) => {
  let close = (): void => {};
  const closed = new Promise<void>((resolve) => {
    close = resolve;
  });
  let isHolding = false;
  let isClosed = false;
  const late: Promise<void>[] = [];
  const inProgress = new Set<Promise<void>>();
  const store = new Proxy(inner, {
    get: (target, name: keyof RuntimeStore) => {
      if (name === 'append')
        return (...call: Parameters<RuntimeStore['append']>): Promise<void> => {
          const append = (isHolding ? closed : Promise.resolve()).then(() => target.append(...call));
          inProgress.add(append);
          if (isClosed) late.push(append);
          return append;
        };
      if (name === 'close')
        return async () => {
          isClosed = true;
          close();
          await Promise.allSettled(inProgress);
          await target.close();
        };
      const member: unknown = target[name];
      return typeof member === 'function' ? member.bind(target) : member;
    },
  });
  return {
    store,
    late,
    holds: () => {
      isHolding = true;
    },
  };
};

test('P12: a runtime begins no write after it has closed its store, so that the next one finds a log that stays as it is', async (t) => {
  const inner = memoryStore();
  const { store, late, holds } = closingSlowly(inner);
  const first = makeRig({ store });
  await first.runtime.start();
  await first.runtime.createWorker({ engine: 'puppet', workerId: 'w' });
  await send(first, 'one');
  void first.puppet.last().run.ask({ kind: 'question', prompt: 'Well?', options: ['yes'] });
  await settle();
  holds();
  await shutDown(first);
  await settle();
  t.deepEqual(late, []);
  const second = await startRig(t, { store: inner });
  const worker = await second.runtime.getWorker('w');
  t.is(worker.status, 'idle');
  t.deepEqual(flawsOf(await logOf(second.runtime, 'w')), []);
});
