import test, { type ExecutionContext } from 'ava';
import { type EngineOutput, engine } from '../src/contracts/engine.ts';
import { RuntimeError } from '../src/contracts/runtime-error.ts';
import type { RuntimeStore } from '../src/contracts/store.ts';
import { memoryStore } from '../src/memory-store/memory-store.ts';
import { faultyStore } from '../src/testing/faulty-store.ts';
import { Puppet } from './fixtures/puppet.ts';
import { codeOf, flawsOf, logOf, onClock, plugin, settle, startRig } from './fixtures/rig.ts';

type Outputs = readonly EngineOutput[];

const say = (text: string): EngineOutput => ({ type: 'message', parts: [{ type: 'text', text }] });
const write = (text: string): EngineOutput => ({ type: 'text', text });
const call = (id: string): EngineOutput => ({ type: 'tool-call', call: id, name: 'n', input: {} });
const usage: EngineOutput = { type: 'usage', inputTokens: 1, outputTokens: 2 };
const odd = { type: 'usage', inputTokens: -1, outputTokens: 0 } as const;

/** Runs by what their engine yields, and what it yields or returns last. */
const runs: Readonly<Record<string, readonly [yielded: readonly Outputs[], last: Outputs]>> = {
  'a message': [[], [say('a')]],
  'a message after streamed text': [[[write('a'), write('b')]], [{ type: 'message' }, usage]],
  'a message of its own after streamed text': [[[write('a')]], [say('b')]],
  'text that no message completes': [[[say('a')]], [write('b')]],
  'text before a durable output': [[], [write('b'), usage]],
  'durable outputs before text': [[], [usage, write('b')]],
  'the end of a step': [
    [[{ type: 'step-start' }]],
    [say('a'), usage, { type: 'step-finish', finish: 'stop' }],
  ],
  'a whole step': [[], [{ type: 'step-start' }, say('a'), { type: 'step-finish', finish: 'stop' }]],
  'a step without an end': [[], [{ type: 'step-start' }, say('a')]],
  'a call without a result': [[], [call('c')]],
  'the result of a call': [[[call('c'), call('d')]], [{ type: 'tool-result', call: 'c', output: 1 }]],
  'a call that repeats an open one': [[[call('c')]], [say('a'), call('c')]],
  'a recorded value': [[[say('a')]], [{ type: 'record', value: { a: 1 } }]],
  'a recorded value that is too large': [[[say('a')]], [{ type: 'record', value: 'x'.repeat(100_000) }]],
  'a withdrawal': [[[say('a')]], [{ type: 'withdrawn', reason: 'r' }]],
  'a message and a withdrawal': [[[write('a')]], [{ type: 'message' }, { type: 'withdrawn' }]],
  'an invalid output': [[[say('a')]], [say('b'), odd]],
  'a message that is too large': [[[say('a')]], [say('x'.repeat(5_000))]],
  'text that is too large, and usage': [[[write('x'.repeat(3_000))], [write('y'.repeat(3_000))]], [usage]],
  'no output': [[[say('a')]], []],
};

/** Returns a value without times, and with other ids, because these differ from run to run. */
const withoutIds = (value: unknown): unknown => {
  const known = new Map<string, string>();
  const named = (id: string): string => {
    if (!known.has(id)) known.set(id, `id ${known.size}`);
    return known.get(id) as string;
  };
  return JSON.parse(
    JSON.stringify(value).replace(
      /"(?:run|input|msg|part|log|request)_[0-9a-z]{26}"/g,
      (id) => `"${named(id)}"`,
    ),
    (key, member: unknown) => (key === 'time' || key === 'asOf' ? undefined : member),
  );
};

const played = async (t: ExecutionContext, yielded: readonly Outputs[], last: Outputs | null) => {
  const commits: (readonly string[])[] = [];
  const talker = engine('talker', async function* () {
    yield* yielded;
    return last ?? undefined;
  });
  const { runtime } = await startRig(t, {
    engines: [talker],
    plugins: [
      plugin('counter', ({ hooks }) =>
        hooks.committed.tap(({ events }) => commits.push(events.map(({ type }) => type))),
      ),
    ],
    limits: { eventBytes: 4_500, recordedBytes: 4_000 },
  });
  await runtime.createWorker({ workerId: 'w', engine: 'talker' });
  const { run } = await runtime.sendInput('w', { text: 'go' }, { waitMs: 10_000 });
  const events = await logOf(runtime, 'w');
  t.deepEqual(flawsOf(events), []);
  const { items } = await runtime.diagnostics();
  return {
    outcome: [run?.outcome, run?.error],
    events: withoutIds(events),
    state: withoutIds([await runtime.overview('w'), (await runtime.getWorker('w')).execution]),
    diagnostics: items.map(({ code, details }) => [code, Object.keys(details ?? {})]),
    commits,
  };
};

for (const [what, [yielded, last]] of Object.entries(runs))
  test(`P10: outputs that an engine returns are recorded like those that it yields: ${what}`, async (t) => {
    const { commits: _, ...expected } = await played(
      t,
      [...yielded, ...(last.length > 0 ? [last] : [])],
      null,
    );
    const { commits, ...actual } = await played(t, yielded, last);
    t.deepEqual(actual, expected);
    const isDurable = !['text', 'reasoning'].includes(last.at(-1)?.type ?? 'text');
    if (isDurable && actual.outcome[0] !== 'failed')
      t.true(
        (commits.at(-1)?.length ?? 0) > 1 || last[0]?.type === 'withdrawn',
        'they share a commit with the end',
      );
  });

test('the last output and the end of a run are one commit, together with the start of the next run', async (t) => {
  const commits: (readonly string[])[] = [];
  const { runtime, puppet } = await startRig(t, {
    plugins: [
      plugin('counter', ({ hooks }) =>
        hooks.committed.tap(({ events }) => commits.push(events.map(({ type }) => type))),
      ),
    ],
  });
  await runtime.createWorker({ workerId: 'w', engine: 'puppet', initialInput: { text: 'one' } });
  await runtime.sendInput('w', { text: 'two', whenBusy: 'queue' });
  puppet.last().finish([say('a'), usage]);
  await settle();
  t.deepEqual(commits.at(-1), ['message.completed', 'usage.recorded', 'run.finished', 'run.started']);
  puppet.last().finish();
});

test('P14, P52: a full store refuses an output although the end of its run comes with it, and the run fails', async (t) => {
  const inner = memoryStore();
  let isFull = false;
  const append: RuntimeStore['append'] = async (log, after, batch) => {
    if (isFull && !batch.isEssential) throw new RuntimeError('STORE_FULL');
    return inner.append(log, after, batch);
  };
  const store = new Proxy(inner, {
    get: (target, name: keyof RuntimeStore) => {
      const member: unknown = name === 'append' ? append : target[name];
      return typeof member === 'function' ? member.bind(target) : member;
    },
  });
  const { runtime, puppet } = await startRig(t, { store });
  await runtime.createWorker({ workerId: 'w', engine: 'puppet', initialInput: { text: 'go' } });
  isFull = true;
  puppet.last().finish(say('too much'));
  await settle();
  const events = await logOf(runtime, 'w');
  t.like(events.at(-1), { type: 'run.finished', data: { outcome: 'failed', error: { code: 'STORE_FULL' } } });
  t.false(events.some(({ type }) => type === 'message.completed'));
});

test('P2, P3: a run that is cancelled while its last output waits for the store ends as cancelled, without it', async (t) => {
  const store = faultyStore(memoryStore());
  const { runtime, clock, puppet } = await startRig(t, { store });
  await runtime.createWorker({ workerId: 'w', engine: 'puppet', initialInput: { text: 'go' } });
  store.failWhile('append', 'unavailable-lost');
  puppet.last().finish(say('late'));
  await clock.advance(14_000);
  t.is((await runtime.getWorker('w')).status, 'running');
  const cancelled = codeOf(runtime.cancelRun('w'));
  await clock.advance(1_000);
  store.heal();
  await onClock(clock, cancelled);
  await clock.advance(20_000);
  const events = await logOf(runtime, 'w');
  t.like(events.at(-1), { type: 'run.finished', data: { outcome: 'cancelled' } });
  t.false(events.some(({ type }) => type === 'message.completed'));
  t.deepEqual(flawsOf(events), []);
});

test('P2: an output that is returned after the deadline of a stop is refused', async (t) => {
  const puppet = new Puppet({ isStubborn: true });
  const { runtime, clock } = await startRig(t, { engines: [puppet] });
  await runtime.createWorker({ workerId: 'w', engine: 'puppet', initialInput: { text: 'go' } });
  t.like(await onClock(clock, runtime.stopWorker('w')), { status: 'stopped', outcome: 'detached' });
  puppet.last().finish(say('late'));
  await settle();
  t.is((await logOf(runtime, 'w')).at(-1)?.type, 'worker.stopped');
});

test('P54: a returned output that begins a step is left to the next execution, if the runtime stops', async (t) => {
  const store = memoryStore();
  const capabilities = { placement: 'backendInternal', continues: true } as const;
  const puppet = new Puppet({ capabilities });
  const { runtime } = await startRig(t, { store, engines: [puppet] });
  await runtime.createWorker({
    workerId: 'w',
    engine: 'puppet',
    whenInterrupted: 'continue',
    initialInput: { text: 'go' },
  });
  await settle();
  const stopping = runtime.stop();
  await settle();
  puppet.last().finish([{ type: 'step-start' }, say('a')]);
  await stopping;
  const next = new Puppet({ capabilities });
  const { runtime: second } = await startRig(t, { store, engines: [next] });
  await settle();
  t.is(next.last().run.attempt, 2);
  next.last().finish([{ type: 'step-start' }, say('b')]);
  await settle();
  const events = await logOf(second, 'w');
  t.deepEqual(
    events.flatMap((event) => (event.type === 'message.completed' ? [event.data.parts.length] : [])),
    [1],
  );
  t.like(events.at(-1), { type: 'run.finished', data: { outcome: 'completed' } });
});
