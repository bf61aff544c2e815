import test, { type ExecutionContext } from 'ava';
import { type EngineOutput, engine, inputText } from '../src/contracts/engine.ts';
import { memoryStore } from '../src/memory-store/memory-store.ts';
import { faultyStore } from '../src/testing/faulty-store.ts';
import { Puppet, type PuppetRun } from './fixtures/puppet.ts';
import {
  codeOf,
  errorOf,
  flawsOf,
  logOf,
  makeRig,
  onClock,
  plugin,
  settle,
  shutDown,
  startRig,
} from './fixtures/rig.ts';

const called = (call: string) => ({ type: 'tool-call', call, name: 'look', input: {} }) as const;

const never = (): Promise<never> => new Promise(() => {});
const STOP_DEADLINE_MS = 5_000;

test('P1, P2: stops of many Workers whose engines ignore them end as detached within one deadline', async (t) => {
  const puppet = new Puppet({ isStubborn: true, onDetach: never });
  const { runtime, clock } = await startRig(t, { engines: [puppet] });
  const ids = Array.from({ length: 20 }, (_, n) => `w${n}`);
  for (const workerId of ids)
    await runtime.createWorker({ workerId, engine: 'puppet', initialInput: { text: 'go' } });
  const since = clock.now();
  const stops = Promise.all(ids.map((workerId) => runtime.stopWorker(workerId)));
  const again = Promise.all(ids.map((workerId) => runtime.stopWorker(workerId)));
  const outcomes = await onClock(clock, stops, 1_000);
  t.is(clock.now() - since, STOP_DEADLINE_MS);
  for (const outcome of outcomes)
    t.deepEqual(outcome, { changed: true, status: 'stopped', outcome: 'detached' });
  for (const outcome of await again)
    t.deepEqual(outcome, { changed: false, status: 'stopped', outcome: 'detached' });
  const { items } = await runtime.diagnostics();
  t.deepEqual(
    items
      .filter(({ code }) => code === 'EXECUTION_DETACHED')
      .map(({ worker }) => worker ?? '')
      .sort(),
    [...ids].sort(),
  );
  // The runtime still works.
  await runtime.resumeWorker('w0');
  t.is((await runtime.getWorker('w0')).execution.generation, 2);
});

test('P1: a stop whose detach hangs ends at its deadline', async (t) => {
  const puppet = new Puppet({ onDetach: never });
  const { runtime, clock } = await startRig(t, { engines: [puppet] });
  await runtime.createWorker({ workerId: 'w', engine: 'puppet' });
  const stopping = runtime.stopWorker('w', { deadlineMs: 100 });
  await settle();
  t.is((await runtime.getWorker('w')).status, 'idle', 'the Worker is not reported as stopped before it is');
  t.is((await onClock(clock, stopping, 100)).outcome, 'detached');
  t.deepEqual(puppet.detached, [{ workerId: 'w', generation: 1, reason: 'stop' }], 'detach was called once');
});

/** Starts a Worker whose run and detach ignore every request to end, and a stop of it with the longest deadline. */
const startLongStop = async (t: ExecutionContext) => {
  const puppet = new Puppet({ isStubborn: true, onDetach: never });
  const rig = await startRig(t, { engines: [puppet] });
  await rig.runtime.createWorker({ workerId: 'w', engine: 'puppet', initialInput: { text: 'go' } });
  await settle();
  const stopping = rig.runtime.stopWorker('w', { deadlineMs: 600_000 });
  await settle();
  return { ...rig, stopping, since: rig.clock.now() };
};

test('P1: a second stop with a shorter deadline shortens the stop in progress, and a longer one does not extend it', async (t) => {
  const { runtime, clock, stopping, since } = await startLongStop(t);
  await clock.advance(1_000);
  const short = runtime.stopWorker('w', { deadlineMs: 2_000 });
  const long = runtime.stopWorker('w', { deadlineMs: 300_000 });
  t.deepEqual(await onClock(clock, short), { changed: false, status: 'stopped', outcome: 'detached' });
  t.is(clock.now() - since, 3_000);
  t.deepEqual(await stopping, { changed: true, status: 'stopped', outcome: 'detached' });
  t.deepEqual(await long, { changed: false, status: 'stopped', outcome: 'detached' });
  t.is(await codeOf(runtime.deleteWorker('w')), 'none');
});

for (const order of ['before', 'after'] as const)
  test(`P1: a cancel ${order} a stop with a long deadline ends the run within stopDeadlineMs`, async (t) => {
    const puppet = new Puppet({ isStubborn: true, onDetach: never });
    const { runtime, clock } = await startRig(t, { engines: [puppet] });
    await runtime.createWorker({ workerId: 'w', engine: 'puppet', initialInput: { text: 'go' } });
    await settle();
    const since = clock.now();
    const stop = () => runtime.stopWorker('w', { deadlineMs: 600_000 });
    const stopped = order === 'after' ? stop() : null;
    const cancelled = runtime.cancelRun('w');
    const later = stopped ?? stop();
    t.is(await codeOf(runtime.deleteWorker('w')), 'WORKER_NOT_STOPPED');
    t.deepEqual(await onClock(clock, cancelled), { changed: true, status: 'stopped' });
    t.is(clock.now() - since, STOP_DEADLINE_MS);
    t.like(await later, { status: 'stopped', outcome: 'detached' });
  });

test('P1: a resume beside a stop with a long deadline is refused within stopDeadlineMs, and the stop continues', async (t) => {
  const { runtime, clock, stopping, since } = await startLongStop(t);
  t.is(await onClock(clock, codeOf(runtime.resumeWorker('w'))), 'ENGINE_UNAVAILABLE');
  t.is(clock.now() - since, STOP_DEADLINE_MS);
  t.is((await runtime.getWorker('w')).status, 'running');
  const short = runtime.stopWorker('w', { deadlineMs: 0 });
  await onClock(clock, short);
  t.is((await stopping).outcome, 'detached');
  t.is((await runtime.resumeWorker('w')).status, 'idle');
});

test('P1, P4: the end of the runtime shortens a stop with a long deadline, which still answers', async (t) => {
  const store = memoryStore();
  const puppet = new Puppet({ isStubborn: true, onDetach: never });
  const rig = makeRig({ engines: [puppet], store });
  await rig.runtime.start();
  await rig.runtime.createWorker({ workerId: 'w', engine: 'puppet', initialInput: { text: 'go' } });
  await settle();
  const stopping = rig.runtime.stopWorker('w', { deadlineMs: 600_000 });
  const since = rig.clock.now();
  await shutDown(rig);
  t.true(rig.clock.now() - since <= 1_000, `${rig.clock.now() - since} ms`);
  t.deepEqual(await stopping, { changed: true, status: 'stopped', outcome: 'detached' });
  t.is(rig.clock.timers, 0);
  const again = await startRig(t, { store });
  t.is((await again.runtime.getWorker('w')).status, 'stopped');
});

test('P2: late outputs and late calls of a detached execution have no effect', async (t) => {
  const puppet = new Puppet({ isStubborn: true });
  const { runtime, clock } = await startRig(t, { engines: [puppet] });
  await runtime.createWorker({ workerId: 'w', engine: 'puppet', initialInput: { text: 'go' } });
  await settle();
  const late = puppet.last();
  const context = puppet.context();
  const pendingHistory = context.history()[Symbol.asyncIterator]();
  await onClock(clock, runtime.stopWorker('w'));
  t.true(late.run.signal.aborted);
  t.true(context.signal.aborted);
  const before = await logOf(runtime, 'w');
  t.is(await codeOf(context.beginRun()), 'EXECUTION_LOST');
  t.is(await codeOf(context.createChild({ engine: 'puppet' })), 'EXECUTION_LOST');
  t.throws(() => context.history(), { code: 'EXECUTION_LOST' });
  t.is(await codeOf(pendingHistory.next()), 'EXECUTION_LOST');
  t.deepEqual(await late.run.ask({ kind: 'question', prompt: 'Still?', options: ['yes'] }), {
    decision: null,
    by: 'cancel',
  });
  context.lost(new TypeError('too late'));
  late
    .yield([{ type: 'text', text: 'too' }, { type: 'message' }])
    .say('late')
    .fail(new TypeError('late'));
  await settle(20);
  t.true(late.isOver);
  t.deepEqual(await logOf(runtime, 'w'), before);
  t.is((await runtime.listWorkers()).items.length, 1);
  // They have no effect on the next execution, either.
  await runtime.resumeWorker('w');
  t.is((await logOf(runtime, 'w')).length, before.length + 2);
});

test('P2: the text that a run had streamed before its execution was detached is kept as a partial message', async (t) => {
  const puppet = new Puppet({ isStubborn: true });
  const { runtime, clock } = await startRig(t, { engines: [puppet] });
  await runtime.createWorker({ workerId: 'w', engine: 'puppet', initialInput: { text: 'go' } });
  puppet.last().yield({ type: 'text', text: 'half a' });
  await settle();
  await onClock(clock, runtime.stopWorker('w'));
  const events = await logOf(runtime, 'w');
  const message = events.find((event) => event.type === 'message.completed');
  t.like(message?.data, { partial: true });
  t.deepEqual(flawsOf(events), []);
});

test('P2: a run ends even if the return of its iterator hangs or throws', async (t) => {
  const odd = (name: string, onReturn: () => Promise<IteratorResult<EngineOutput>>) => ({
    name,
    capabilities: {},
    attach: async () => ({
      run: () => ({
        [Symbol.asyncIterator]: () => ({
          // An invalid output ends the run while the iterator is still open.
          next: async () => ({
            done: false as const,
            value: { type: 'nonsense' } as unknown as EngineOutput,
          }),
          return: onReturn,
        }),
      }),
      detach: async () => {},
    }),
  });
  const { runtime, clock } = await startRig(t, {
    engines: [odd('hangs', never), odd('throws', () => Promise.reject(new TypeError('no')))],
  });
  for (const name of ['hangs', 'throws']) {
    const { worker } = await runtime.createWorker({ engine: name });
    const sent = runtime.sendInput(worker.workerId, { text: 'go' }, { waitMs: 60_000 });
    const { run } = await onClock(clock, sent);
    t.like(run, { outcome: 'failed', error: { code: 'ENGINE_FAILED' } }, name);
  }
});

test('P23: no execution is attached while limits.unsettledExecutions detached ones have not settled', async (t) => {
  const puppet = new Puppet({ isStubborn: true });
  const { runtime, clock } = await startRig(t, {
    engines: [puppet],
    limits: { unsettledExecutions: 2 },
  });
  for (const workerId of ['a', 'b']) {
    await runtime.createWorker({ workerId, engine: 'puppet', initialInput: { text: 'go' } });
    await onClock(clock, runtime.stopWorker(workerId));
  }
  const refused = await errorOf(runtime.createWorker({ engine: 'puppet' }));
  t.like(refused, { code: 'LIMIT_REACHED', details: { limit: 'unsettledExecutions', value: 2 } });
  t.is(await codeOf(runtime.resumeWorker('a')), 'LIMIT_REACHED');
  puppet.last('a').finish();
  await settle();
  t.is((await runtime.resumeWorker('a')).status, 'idle');
});

test('P23: a hanging attach counts as an unsettled execution', async (t) => {
  const puppet = new Puppet({ onAttach: never });
  const { runtime, clock } = await startRig(t, {
    engines: [puppet],
    limits: { unsettledExecutions: 1, attachTimeoutMs: 100 },
  });
  t.is(await onClock(clock, codeOf(runtime.createWorker({ engine: 'puppet' })), 100), 'ENGINE_UNAVAILABLE');
  t.is(await onClock(clock, codeOf(runtime.createWorker({ engine: 'puppet' })), 100), 'LIMIT_REACHED');
});

test('the open request of a run is answered when its execution is lost', async (t) => {
  const { runtime, clock, puppet } = await startRig(t, { limits: { unsettledExecutions: 1 } });
  for (let round = 0; round < 3; round += 1) {
    const { worker } = await runtime.createWorker({ engine: 'puppet', initialInput: { text: 'go' } });
    const answer = puppet.last().run.ask({ kind: 'question', prompt: 'Well?', options: ['yes'] });
    await settle();
    t.is((await runtime.getWorker(worker.workerId)).status, 'waiting');
    puppet.context().lost(new TypeError('gone'));
    t.deepEqual(await answer, { decision: null, by: 'cancel' });
    puppet.last().finish();
    await clock.advance(0);
  }
});

test('a stop during an attach ends the attach, and the late session is detached', async (t) => {
  let connect = (): void => {};
  let isSlow = false;
  const puppet = new Puppet({
    onAttach: () =>
      isSlow
        ? new Promise((resolve) => {
            connect = resolve;
          })
        : undefined,
  });
  const { runtime } = await startRig(t, { engines: [puppet] });
  await runtime.createWorker({ workerId: 'w', engine: 'puppet' });
  puppet.context().lost(new TypeError('gone'));
  await settle();
  isSlow = true;
  const sent = codeOf(runtime.sendInput('w', { text: 'go' }));
  await settle();
  t.like(await runtime.stopWorker('w'), { changed: true, outcome: 'graceful' });
  t.is(await sent, 'ENGINE_UNAVAILABLE', 'the input does not wait for the attach');
  t.true(puppet.context().signal.aborted);
  connect();
  await settle();
  const { status, execution } = await runtime.getWorker('w');
  t.deepEqual([status, execution.connected], ['stopped', false]);
  t.deepEqual(puppet.detached.at(-1), { workerId: 'w', generation: 2, reason: 'creation' });
  t.is((await logOf(runtime, 'w')).at(-1)?.type, 'worker.stopped');
});

test('P4: a session that arrives while the runtime stops is detached, and its creation fails', async (t) => {
  let connect = (): void => {};
  const puppet = new Puppet({
    onAttach: () =>
      new Promise((resolve) => {
        connect = resolve;
      }),
  });
  const slow = plugin('slow', (host) =>
    host.hooks.drain.tapPromise(async () => {
      connect();
      await settle();
    }),
  );
  const rig = makeRig({ engines: [puppet], plugins: [slow] });
  await rig.runtime.start();
  const created = codeOf(rig.runtime.createWorker({ engine: 'puppet' }));
  await settle();
  await shutDown(rig);
  t.not(await onClock(rig.clock, created), 'none');
  t.is(puppet.detached.length, 1);
});

test('P3: a cancelled run ends as cancelled even if its execution is lost during the cancel', async (t) => {
  const { runtime, puppet } = await startRig(t);
  await runtime.createWorker({ workerId: 'w', engine: 'puppet' });
  const { runId } = await runtime.sendInput('w', { text: 'go' });
  await settle();
  const cancelled = runtime.cancelRun('w', { runId, reason: 'enough' });
  puppet.context().lost(new TypeError('gone'));
  t.deepEqual(await cancelled, { changed: true, status: 'idle' });
  const { items } = await runtime.events('w', { after: 'start' });
  t.deepEqual(
    items.slice(-2).map(({ type, data }) => [type, data]),
    [
      ['run.finished', { outcome: 'cancelled', reason: 'enough' }],
      ['execution.detached', { generation: 1, cause: 'crash', code: 'EXECUTION_LOST' }],
    ],
  );
  puppet.last().finish();
});

test('the run of a lost execution is closed later if its end could not be written at first', async (t) => {
  const faulty = faultyStore(memoryStore());
  const { runtime, clock, puppet } = await startRig(t, { store: faulty });
  await runtime.createWorker({ workerId: 'w', engine: 'puppet', initialInput: { text: 'go' } });
  await settle();
  faulty.failNext('append', 'full');
  puppet.context().lost(new TypeError('gone'));
  // No execution is attached, but the log does not record it yet.
  await settle();
  t.is((await runtime.getWorker('w')).status, 'running');
  await runtime.resumeWorker('w');
  await clock.advance(1_000);
  const { status, execution } = await runtime.getWorker('w');
  t.deepEqual([status, execution.connected, execution.generation], ['idle', true, 2]);
  t.is(await codeOf(runtime.sendInput('w', { text: 'next' })), 'none');
  t.deepEqual(flawsOf(await logOf(runtime, 'w')), []);
});

for (const outcome of ['done', 'lost'] as const) {
  test(`after a resume whose commit stalls, then is ${outcome}, claims and status match the log`, async (t) => {
    const faulty = faultyStore(memoryStore());
    const { runtime, clock, puppet } = await startRig(t, { store: faulty, limits: { commitTimeoutMs: 100 } });
    const claims = [{ name: 'docs', resource: 'fs:/docs', mode: 'write' }] as const;
    await runtime.createWorker({ workerId: 'w', engine: 'puppet', claims });
    await runtime.stopWorker('w');
    const stall = faulty.stall('append');
    t.is(await onClock(clock, codeOf(runtime.resumeWorker('w')), 100), 'STORE_UNAVAILABLE');
    stall.release(outcome);
    await clock.advance(1_000);
    const { status, execution } = await runtime.getWorker('w');
    t.deepEqual([status, execution.connected], [outcome === 'done' ? 'idle' : 'stopped', false]);
    const rival = await codeOf(runtime.createWorker({ workerId: 'v', engine: 'puppet', claims }));
    t.is(rival, outcome === 'done' ? 'CLAIM_CONFLICT' : 'none');
    if (rival === 'none') {
      await runtime.stopWorker('v');
      await runtime.resumeWorker('w');
    }
    await runtime.sendInput('w', { text: 'go' });
    t.is(puppet.last('w').worker, puppet.context('w'), 'the attached execution has the run');
    t.is((await runtime.getWorker('w')).status, 'running');
    t.deepEqual(flawsOf(await logOf(runtime, 'w')), []);
  });
}

test('a run that exceeds runTimeoutMs fails with RUN_DEADLINE, and the next queued input runs', async (t) => {
  const { runtime, clock, puppet } = await startRig(t, { limits: { runTimeoutMs: 60_000 } });
  await runtime.createWorker({ workerId: 'w', engine: 'puppet', initialInput: { text: 'go' } });
  await runtime.sendInput('w', { text: 'next', whenBusy: 'queue' });
  const [first] = puppet.runs;
  await clock.advance(60_000);
  t.true(first?.isOver);
  const finished = (await logOf(runtime, 'w')).filter((event) => event.type === 'run.finished');
  t.like(finished[0]?.data, { outcome: 'failed', error: { code: 'RUN_DEADLINE' } });
  t.is(puppet.runs.length, 2);
});

/** Returns how many turns of the event loop a promise takes to settle. */
const turnsOf = async (call: Promise<unknown>): Promise<number> => {
  let isOver = false;
  const over = (): void => {
    isOver = true;
  };
  call.then(over, over);
  for (let turns = 1; turns <= 5_000; turns += 1) {
    await new Promise((resolve) => setImmediate(resolve));
    if (isOver) return turns;
  }
  return Number.POSITIVE_INFINITY;
};

const text: EngineOutput = { type: 'text', text: 'x' };
const notice: EngineOutput = { type: 'notice', severity: 'info', code: 'x', message: 'y' };
const floods: Readonly<Record<string, () => AsyncIterable<EngineOutput | readonly EngineOutput[]>>> = {
  hanging: async function* () {
    yield text;
    await never();
  },
  deltas: async function* () {
    for (;;) yield text;
  },
  events: async function* () {
    for (;;) yield notice;
  },
  arrays: async function* () {
    for (;;) yield [text, notice, text, notice, { type: 'message' }];
  },
};

test('P22: an engine that hangs or floods does not delay the runs of another Worker', async (t) => {
  const echo = engine('echo', async function* (current) {
    yield { type: 'message', parts: [{ type: 'text', text: inputText(current.input) }] };
  });
  const flooding = Object.entries(floods).map(([name, run]) => engine(name, run));
  const { runtime, clock } = await startRig(t, { engines: [echo, ...flooding] });
  await runtime.createWorker({ workerId: 'other', engine: 'echo' });
  const completeRun = async (): Promise<void> => {
    const { run } = await runtime.sendInput('other', { text: 'hello' }, { waitMs: 1_000 });
    t.is(run?.outcome, 'completed');
    await runtime.getWorker('other');
    await runtime.events('other', { limit: 5 });
  };
  const measure = async (): Promise<number> => {
    let worst = 0;
    for (let n = 0; n < 10; n += 1) worst = Math.max(worst, await turnsOf(completeRun()));
    return worst;
  };
  const alone = await measure();
  for (const { name } of flooding) {
    await runtime.createWorker({ workerId: name, engine: name, initialInput: { text: 'go' } });
    const beside = await measure();
    t.true(beside <= alone + 5, `${name}: ${beside} turns instead of ${alone}`);
    t.is((await runtime.getWorker(name)).status, 'running', name);
    t.is((await onClock(clock, runtime.stopWorker(name))).outcome, 'detached');
  }
});

test('P3: a run that its engine reports as cancelled ends as cancelled, and the next queued input runs', async (t) => {
  let cleanedUp = 0;
  const guest = engine('guest', async function* (run) {
    const isOff = inputText(run.input) === 'off';
    try {
      yield { type: 'text', text: 'so far' };
      if (isOff) yield [{ type: 'message' }, { type: 'withdrawn', reason: 'by the host' }];
      yield { type: 'message', parts: [{ type: 'text', text: 'to the end' }] };
    } finally {
      cleanedUp += 1;
    }
  });
  const { runtime } = await startRig(t, { engines: [guest] });
  await runtime.createWorker({ workerId: 'w', engine: 'guest' });
  const [off, on] = await Promise.all([
    runtime.sendInput('w', { text: 'off' }, { waitMs: 10_000 }),
    runtime.sendInput('w', { text: 'on', whenBusy: 'queue' }, { waitMs: 10_000 }),
  ]);
  t.like(off.run, { outcome: 'cancelled', error: null });
  t.deepEqual(
    off.run?.messages.map(({ parts }) => parts.map((part) => 'text' in part && part.text)),
    [['so far']],
  );
  t.is(on.run?.outcome, 'completed');
  t.is(cleanedUp, 2);
  const { items } = await runtime.events('w');
  const ends = items.flatMap((event) => (event.type === 'run.finished' ? [event.data] : []));
  t.deepEqual(ends, [{ outcome: 'cancelled', reason: 'by the host' }, { outcome: 'completed' }]);
});

test('P3: an ended run has a result for every tool call; an interrupted run gets no invented result', async (t) => {
  const store = memoryStore();
  const puppet = new Puppet({ isStubborn: true });
  const { runtime, clock } = makeRig({ engines: [puppet], store });
  await runtime.start();
  const begin = async (workerId: string): Promise<PuppetRun> => {
    await runtime.createWorker({ workerId, engine: 'puppet', initialInput: { text: 'go' } });
    await settle();
    const run = puppet.last();
    run.yield([called('a'), called('b')]).yield({ type: 'tool-result', call: 'b', output: 'done' });
    await settle();
    return run;
  };
  (await begin('completed')).finish();
  (await begin('failed')).fail(new Error('broken'));
  (await begin('lost')).worker.lost(new Error('gone'));
  (await begin('cancelled')).isStubborn = false;
  await runtime.cancelRun('cancelled');
  await begin('detached');
  await onClock(clock, runtime.stopWorker('detached'));
  await begin('interrupted');
  const asking = await begin('asking');
  void asking.run.ask({ kind: 'permission', prompt: 'May I?', call: 'a', options: ['yes'] });
  await settle();
  await store.close();
  const again = await startRig(t, { engines: [new Puppet()], store });
  for (const worker of ['completed', 'failed', 'lost', 'cancelled', 'detached', 'interrupted', 'asking']) {
    const log = await logOf(again.runtime, worker);
    t.deepEqual(flawsOf(log), [], worker);
    const results = log.flatMap(({ type, data }) => (type === 'tool.finished' ? [data] : []));
    const error =
      worker === 'asking'
        ? 'The run ended before permission was given. The call was not made.'
        : 'The run ended before this call did. Whether it had an effect is not known.';
    const isKnown = worker !== 'interrupted';
    const ended = worker === 'asking' ? { call: 'a', error, denied: true } : { call: 'a', error };
    t.deepEqual(results, [{ call: 'b', output: 'done' }, ...(isKnown ? [ended] : [])], worker);
  }
});

test('P12: the next execution gets the last record, even after a restart, and the transcript does not have it', async (t) => {
  const store = memoryStore();
  const first = makeRig({ store });
  await first.runtime.start();
  await first.runtime.createWorker({ workerId: 'w', engine: 'puppet', initialInput: { text: 'go' } });
  await settle();
  const run = first.puppet.last();
  t.is(run.worker.recorded, null);
  run.yield({ type: 'record', value: { session: 'a' } }).yield({ type: 'record', value: { session: 'b' } });
  await settle();
  t.deepEqual(run.worker.recorded, { session: 'b' });
  await store.close();
  const again = await startRig(t, { store });
  await again.runtime.sendInput('w', { text: 'again' });
  await settle();
  t.deepEqual(again.puppet.last().worker.recorded, { session: 'b' });
  const { items } = await again.runtime.transcript('w');
  t.deepEqual(
    items.map(({ role }) => role),
    ['user', 'system', 'user'],
  );
});
