import test, { type ExecutionContext } from 'ava';
import { bundleDigest } from '../src/commands/bundles.ts';
import { engine, inputText } from '../src/contracts/engine.ts';
import type { WorkerEvent } from '../src/contracts/event.ts';
import { RuntimeError } from '../src/contracts/runtime-error.ts';
import type { RuntimeStore } from '../src/contracts/store.ts';
import { memoryStore } from '../src/memory-store/memory-store.ts';
import type { Runtime } from '../src/runtime/runtime.ts';
import { type FaultyStore, faultyStore, type Stall, type StoreFault } from '../src/testing/faulty-store.ts';
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

const WORKER = 'w';
const COMMIT_TIMEOUT_MS = 1_000;
const FAULTS: readonly StoreFault[] = ['full', 'conflict', 'unavailable-lost', 'unavailable-done'];
const STORE_CODES = new Set(['STORE_FULL', 'STORE_CONFLICT', 'STORE_UNAVAILABLE']);

const bundle = { id: 'team', profiles: { writer: { engine: 'puppet', config: { style: 'plain' } } } };
const digest = bundleDigest(bundle);

interface Setup {
  readonly rig: Rig;
  readonly faulty: FaultyStore;
  readonly inner: RuntimeStore;
}

const open = async (inner: RuntimeStore): Promise<Setup> => {
  const faulty = faultyStore(inner);
  const rig = makeRig({ store: faulty, limits: { commitTimeoutMs: COMMIT_TIMEOUT_MS } });
  await rig.runtime.start();
  return { rig, faulty, inner };
};

const logIdOf = async (runtime: Runtime, workerId: string): Promise<string> =>
  (await runtime.getWorker(workerId)).asOf.split('.')[0] as string;

const rawLinesOf = async (store: RuntimeStore, log: string): Promise<string> => {
  const everything = { count: 100_000, bytes: 100_000_000, direction: 'forward' } as const;
  const { lines } = await store.read(log, { seq: 1, offset: 0 }, everything);
  return Buffer.from(lines).toString();
};

/** Checks that memory matches the store: pages have the bytes of the log, and states follow from it. */
const assertConsistent = async (
  t: ExecutionContext,
  { rig: { runtime }, inner }: Setup,
  at: string,
): Promise<void> => {
  for (const { workerId } of (await runtime.listWorkers()).items) {
    const raw = await rawLinesOf(inner, await logIdOf(runtime, workerId));
    const page = await runtime.readEvents(workerId, { limit: 1_000 });
    t.is(Buffer.from(page.lines).toString(), raw, `${at}: the page has the bytes of the log`);
    const events = raw
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line) as WorkerEvent);
    t.deepEqual(flawsOf(events), [], at);
    const detail = await runtime.getWorker(workerId);
    const { status, runId, queue, generation } = foldOf(events);
    t.deepEqual(
      [detail.status, detail.run?.runId ?? null, detail.queued, detail.execution.generation, detail.lastSeq],
      [status, runId, queue.length, generation, events.length],
      `${at}: the state follows from the log`,
    );
  }
};

/** Executes a command; if it is refused, executes it again. */
type Attempt = <T>(what: string, command: () => Promise<T>) => Promise<T>;

const textsOf = (events: readonly WorkerEvent[]): readonly string[] =>
  events.flatMap((event) => (event.type === 'input.accepted' ? [inputText(event.data)] : []));

/** Takes a Worker through every kind of write, from its creation to a stop. Any write may fail. */
const lifecycle = async (
  t: ExecutionContext,
  setup: Setup,
  attempt: Attempt,
): Promise<readonly WorkerEvent[]> => {
  const { runtime, puppet, clock } = setup.rig;
  const send = (text: string, whenBusy: 'reject' | 'queue' = 'reject') =>
    attempt(`input ${text}`, () =>
      runtime.sendInput(WORKER, { text, whenBusy }, { idempotencyKey: `key-${text}` }),
    );
  const outcomeOf = async (runId: string): Promise<string | undefined> =>
    foldOf(await logOf(runtime, WORKER)).outcomes[runId];
  /** Advances the clock until a run has ended. */
  const ended = async (runId: string): Promise<void> => {
    for (let round = 0; round < 50 && (await outcomeOf(runId)) === undefined; round += 1)
      await clock.advance(100);
    if ((await outcomeOf(runId)) === undefined) {
      // After STORE_CONFLICT the runtime does not retry by itself. A cancel makes it write the end of the run.
      await runtime.cancelRun(WORKER, { runId });
      t.not(await outcomeOf(runId), undefined);
    }
    t.not(await outcomeOf(runId), undefined, 'the run has ended');
  };

  await attempt('bundle', () => runtime.putBundle(digest, bundle));
  const created = await attempt('create', () =>
    runtime.createWorker(
      {
        workerId: WORKER,
        bundle: { id: 'team', digest },
        profile: 'writer',
        claims: [{ name: 'docs', resource: 'fs:/docs', mode: 'write' }],
        initialInput: { text: 'first' },
      },
      { idempotencyKey: 'key-create' },
    ),
  );
  const first = created.input?.runId ?? '';
  await settle();
  puppet.last(WORKER).say('an answer');
  await settle();
  // If the store refused an output, the run has already failed with the store's code.
  const answer = puppet.last(WORKER).run.ask({ kind: 'question', prompt: 'Well?', options: ['yes'] });
  let isOver = false;
  const answered = codeOf(answer).finally(() => {
    isOver = true;
  });
  await settle();
  const requestsOf = async () => (await runtime.listRequests(WORKER)).items;
  // A store that is away delays an output, and the run continues.
  for (let round = 0; round < 50 && !isOver && (await requestsOf()).length === 0; round += 1)
    await clock.advance(100);
  const [request] = await requestsOf();
  if (request)
    await attempt('respond', () => runtime.respond(WORKER, request.requestId, { decision: 'yes' }));
  t.true(['none', 'RUN_MISMATCH', ...STORE_CODES].includes(await onClock(clock, answered, 100)));
  const second = await send('second', 'queue');
  puppet.last(WORKER).finish();
  await ended(first);
  await settle();
  if ((await outcomeOf(second.runId)) === undefined) {
    puppet.last(WORKER).finish();
    await ended(second.runId);
  }
  const third = await send('third');
  await attempt('cancel', () => runtime.cancelRun(WORKER, { runId: third.runId }));
  t.is(await outcomeOf(third.runId), 'cancelled');
  await attempt('update', () => runtime.updateWorker(WORKER, { displayName: 'Ada' }));
  await send('fourth');
  await send('fifth', 'queue');
  await attempt('stop', () => runtime.stopWorker(WORKER));
  await attempt('resume', () => runtime.resumeWorker(WORKER));
  await send('sixth');
  puppet.last(WORKER).finish();
  await settle();
  await attempt('stop again', () => runtime.stopWorker(WORKER));
  const events = await logOf(runtime, WORKER);
  t.deepEqual(
    textsOf(events),
    ['first', 'second', 'third', 'fourth', 'fifth', 'sixth'],
    'each input is in the log once',
  );
  return events;
};

const writesOf = async (t: ExecutionContext): Promise<number> => {
  const setup = await open(memoryStore());
  await lifecycle(t, setup, (_what, command) => command());
  await shutDown(setup.rig);
  return setup.faulty.calls.filter((call) => call.isWrite).length;
};

/** Restarts the runtime on the same store. Checks that the log has not changed, then deletes the Worker. */
const assertKept = async (t: ExecutionContext, setup: Setup, events: readonly WorkerEvent[], at: string) => {
  await shutDown(setup.rig);
  const again = await open(setup.inner);
  t.deepEqual(await logOf(again.rig.runtime, WORKER), events, `${at}: after a restart the log is the same`);
  const detail = await again.rig.runtime.getWorker(WORKER);
  t.deepEqual([detail.status, detail.displayName], ['stopped', 'Ada'], at);
  await again.rig.runtime.deleteWorker(WORKER);
  t.is(await codeOf(again.rig.runtime.getWorker(WORKER)), 'WORKER_NOT_FOUND');
  await shutDown(again.rig);
};

for (const fault of FAULTS) {
  test(`P9, P14: ${fault} at any write gives a typed error, memory matches the store, and a retry happens once`, async (t) => {
    const writes = await writesOf(t);
    t.true(writes > 15, `${writes} writes`);
    for (let nth = 1; nth <= writes; nth += 1) {
      const setup = await open(memoryStore());
      const refused: string[] = [];
      setup.faulty.failAt(nth, fault);
      const attempt: Attempt = async (what, command) => {
        try {
          return await onClock(setup.rig.clock, command(), 100);
        } catch (error) {
          const { code } = RuntimeError.from(error);
          t.true(STORE_CODES.has(code), `write ${nth}: ${what} was refused with ${code}: ${String(error)}`);
          refused.push(what);
        }
        await settle();
        await assertConsistent(t, setup, `write ${nth}, ${what}`);
        await setup.rig.clock.advance(200);
        return onClock(setup.rig.clock, command(), 100);
      };
      const events = await lifecycle(t, setup, attempt);
      await assertConsistent(t, setup, `write ${nth}, at the end`);
      t.true(
        refused.length <= 1,
        `write ${nth}: one fault refuses at most one command: ${refused.join(', ')}`,
      );
      if (fault === 'unavailable-done')
        t.deepEqual(
          refused.filter((what) => what !== 'bundle'),
          [],
          `write ${nth}`,
        );
      await assertKept(t, setup, events, `write ${nth}`);
    }
  });
}

for (const outcome of ['done', 'lost'] as const) {
  test(`P9, P22: a write that stalls, then is ${outcome}, fails in time, delays no other Worker, and a retry happens once`, async (t) => {
    const writes = await writesOf(t);
    for (let nth = 1; nth <= writes; nth += 1) {
      const setup = await open(memoryStore());
      const { runtime, clock } = setup.rig;
      await runtime.createWorker({ workerId: 'other', engine: 'puppet' });
      let count = 0;
      const stall: Stall = setup.faulty.stall((call) => {
        count += call.isWrite ? 1 : 0;
        return call.isWrite && count === nth;
      });
      // The store answers again some time after the waiting commands have failed.
      void stall.reached.then(() => clock.after(COMMIT_TIMEOUT_MS * 1.5, () => stall.release(outcome)));
      const attempt: Attempt = async (what, command) => {
        for (;;) {
          const since = clock.now();
          try {
            return await onClock(clock, command(), 100);
          } catch (error) {
            t.is(RuntimeError.from(error).code, 'STORE_UNAVAILABLE', `write ${nth}: ${what}`);
          }
          const waited = clock.now() - since;
          t.true(waited <= COMMIT_TIMEOUT_MS + 200, `write ${nth}: ${what} waited ${waited} ms`);
          await runtime.updateWorker('other', { displayName: `at ${clock.now()}` });
          t.is(await codeOf(runtime.events('other')), 'none');
          await clock.advance(COMMIT_TIMEOUT_MS);
          await assertConsistent(t, setup, `write ${nth}, ${what}`);
        }
      };
      const events = await lifecycle(t, setup, attempt);
      await clock.advance(COMMIT_TIMEOUT_MS * 2);
      await assertConsistent(t, setup, `write ${nth}, at the end`);
      t.is(stall.held, 0);
      await runtime.stopWorker('other');
      await assertKept(t, setup, events, `write ${nth}`);
    }
  });
}

test('P14: one diagnostic reports that the store refuses commits, and one that it accepts them again', async (t) => {
  const { rig, faulty } = await open(memoryStore());
  const { runtime, clock } = rig;
  t.teardown(() => shutDown(rig));
  for (const workerId of ['v', 'w']) await runtime.createWorker({ workerId, engine: 'puppet' });
  const rename = (workerId: string, displayName: string) =>
    onClock(clock, codeOf(runtime.updateWorker(workerId, { displayName })));
  const storeDiagnostics = async () =>
    (await runtime.diagnostics()).items
      .filter(({ worker }) => worker === null)
      .map(({ severity, code, message }) => [severity, code, message]);
  const again = ['info', 'STORE_AVAILABLE', 'The store accepts commits again'];
  const full = ['error', 'STORE_FULL', 'The store refuses commits: The store is full'];

  faulty.failNext('append', 'conflict');
  t.is(await rename('v', 'foreign'), 'STORE_CONFLICT');
  t.is(await rename('v', 'a'), 'none');
  t.deepEqual(await storeDiagnostics(), [], 'a conflict of one log is no trouble of the store');

  faulty.failWhile('append', 'full');
  for (const workerId of ['v', 'w', 'v']) t.is(await rename(workerId, 'full'), 'STORE_FULL');
  t.deepEqual(await storeDiagnostics(), [full]);
  faulty.heal();
  for (const workerId of ['v', 'w']) t.is(await rename(workerId, 'b'), 'none');
  t.deepEqual(await storeDiagnostics(), [again, full]);

  // While one log is in doubt, the store is not reported as available, even if it accepts commits of other logs.
  const stall = faulty.stall(({ method, log }) => method === 'append' && log === stalledLog);
  const stalledLog = await logIdOf(runtime, 'v');
  t.is(await rename('v', 'c'), 'STORE_UNAVAILABLE');
  t.is(await rename('w', 'c'), 'none');
  const unavailable = [
    'error',
    'STORE_UNAVAILABLE',
    'The store refuses commits: The store did not answer in time',
  ];
  t.deepEqual(await storeDiagnostics(), [unavailable, again, full]);
  stall.release('done');
  await clock.advance(1_000);
  t.deepEqual(await storeDiagnostics(), [again, unavailable, again, full]);
  t.true((await runtime.summary()).store.healthy);
});

test('P1, P14: a stop that fails with STORE_FULL ends the execution, and its run ends when there is space', async (t) => {
  const faulty = faultyStore(memoryStore());
  const { runtime, clock } = await startRig(t, {
    store: faulty,
    engines: [new Puppet({ isStubborn: true })],
  });
  await runtime.createWorker({ workerId: 'w', engine: 'puppet', initialInput: { text: 'go' } });
  await settle();
  faulty.failWhile('append', 'full');
  t.is(await onClock(clock, codeOf(runtime.stopWorker('w'))), 'STORE_FULL');
  faulty.heal();
  await clock.advance(10_000);
  await settle();
  const { status, execution } = await runtime.getWorker('w');
  t.deepEqual([status, execution.connected], ['idle', false]);
  t.deepEqual(Object.values(foldOf(await logOf(runtime, 'w')).outcomes), ['cancelled']);
  t.is((await runtime.stopWorker('w')).status, 'stopped');
});

test('P14: an engine that does not await a call which the store refuses cannot end the process', async (t) => {
  const store = faultyStore(memoryStore());
  const errors: unknown[] = [];
  const impatient = engine('impatient', async function* (run, worker) {
    store.failNext('append', 'full');
    // The engine does not await these. Node would end the process if their rejections were unhandled.
    void run.ask({ kind: 'question', prompt: 'Well?', options: ['yes'] });
    yield { type: 'message', parts: [{ type: 'text', text: 'one' }] };
    void worker.beginRun();
    void worker.createChild({ engine: 'absent' });
    // A call that is awaited still rejects.
    await worker.createChild({ engine: 'absent' }).catch((error: unknown) => errors.push(error));
  });
  const { runtime } = await startRig(t, { store, engines: [impatient] });
  await runtime.createWorker({ workerId: WORKER, engine: 'impatient' });
  const { run } = await runtime.sendInput(WORKER, { text: 'go' }, { waitMs: 10_000 });
  t.is(run?.outcome, 'completed');
  t.like(errors, [{ code: 'ENGINE_UNKNOWN' }]);
});
