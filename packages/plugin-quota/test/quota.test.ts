import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Clock, memoryStore, Runtime, RuntimeError, type RuntimePlugin } from '@worker-runtime/core';
import { manualClock, type ScriptedEngine, scriptedEngine } from '@worker-runtime/core/testing';
import { fsStore } from '@worker-runtime/plugin-fs-store';
import test, { type ExecutionContext } from 'ava';
import { plugin, type QuotaOptions, quota } from '../src/index.ts';

const spending =
  (outputTokens: number): ScriptedEngine['script'] =>
  () => [
    { type: 'usage', inputTokens: 1, outputTokens },
    { type: 'text', text: 'done' },
  ];

const begin = async (
  t: ExecutionContext,
  options: QuotaOptions,
  { clock = manualClock(), store = memoryStore(), engine = scriptedEngine(spending(1)) }: Partial<Place> = {},
  ...others: RuntimePlugin[]
) => {
  const runtime = await Runtime.start({
    clock,
    engines: [engine],
    plugins: [quota(options, clock), ...others],
    ...(others.length === 0 && { store }),
  });
  t.teardown(() => runtime.stop());
  const create = (workerId: string, owner?: string) =>
    runtime.createWorker({ engine: 'scripted', workerId, ...(owner && { labels: { owner } }) });
  /** Sends an input, and returns the outcome of its run, or the limit that refuses it. */
  const send = async (workerId: string): Promise<unknown> => {
    try {
      return (await runtime.sendInput(workerId, { text: 'go', whenBusy: 'queue' }, { waitMs: 10_000 })).run
        ?.outcome;
    } catch (error) {
      const { code, details } = RuntimeError.from(error);
      return code === 'LIMIT_REACHED' ? details.limit : code;
    }
  };
  return { runtime, engine, create, send };
};

interface Place {
  readonly clock: Clock & { advance(ms: number): unknown };
  readonly store: ReturnType<typeof memoryStore>;
  readonly engine: ScriptedEngine;
}

test('P69: an account has its inputs within a minute, and gets them back with time; others are not affected', async (t) => {
  const clock = manualClock();
  const { create, send } = await begin(t, { inputsPerMinute: 2, accounts: { rich: {} } }, { clock });
  await create('a', 'poor');
  await create('b', 'poor');
  await create('c', 'rich');
  t.deepEqual(
    [await send('a'), await send('b'), await send('a')],
    ['completed', 'completed', 'quota.inputsPerMinute'],
  );
  for (let at = 0; at < 5; at += 1) t.is(await send('c'), 'completed');
  await clock.advance(30_000);
  t.deepEqual([await send('b'), await send('b')], ['completed', 'quota.inputsPerMinute']);
});

/** A clock that a test sets, as an operator or the network sets that of a machine. Its timers are not affected. */
const setClock = () => {
  const manual = manualClock();
  let shiftMs = 0;
  return {
    now: () => manual.now() + shiftMs,
    after: (delayMs: number, callback: () => void) => manual.after(delayMs, callback),
    advance: (ms: number) => manual.advance(ms),
    shift: (ms: number): void => {
      shiftMs += ms;
    },
  };
};

test('P69: a clock that is set back takes no inputs from an account', async (t) => {
  const clock = setClock();
  const { create, send } = await begin(t, { inputsPerMinute: 2 }, { clock });
  await create('a', 'x');
  t.is(await send('a'), 'completed');
  clock.shift(-3_600_000);
  t.deepEqual([await send('a'), await send('a')], ['completed', 'quota.inputsPerMinute']);
  await clock.advance(30_000);
  t.is(await send('a'), 'completed');
});

test('P69: a clock that is set back to the day before gives an account no further tokens', async (t) => {
  const clock = setClock();
  clock.shift(86_400_000 - (clock.now() % 86_400_000));
  const engine = scriptedEngine(spending(30));
  const { create, send } = await begin(t, { tokensPerDay: 60 }, { clock, engine });
  await create('a', 'x');
  t.is(await send('a'), 'completed');
  clock.shift(-60_000);
  t.deepEqual([await send('a'), await send('a')], ['completed', 'quota.tokensPerDay']);
});

test('P69: an account has its running Workers, and queued inputs of a running one need no further place', async (t) => {
  const { create, send, engine, runtime } = await begin(t, { runningWorkers: 1 });
  engine.script = () => [
    { type: 'gate', gate: 'open' },
    { type: 'text', text: 'done' },
  ];
  await create('a', 'one');
  await create('b', 'one');
  await create('c');
  await create('d');
  const all = [send('a'), send('b'), send('c'), send('d')];
  t.is(await Promise.race(all.slice(0, 2)), 'quota.runningWorkers', 'two at once take one place');
  t.is(
    await Promise.race(all.slice(2)),
    'quota.runningWorkers',
    'Workers without the label share an account',
  );
  const queued = send('a');
  engine.gate('open').open();
  t.deepEqual(await Promise.all([all[0], queued]), ['completed', 'completed']);
  t.is(await send('b'), 'completed');
  await runtime.stopWorker('b');
});

for (const [name, make] of Object.entries({
  'in memory': async () => {
    const store = memoryStore();
    return { store, plugins: () => [] as RuntimePlugin[] };
  },
  'in files': async (t: ExecutionContext) => {
    const dir = await mkdtemp(join(tmpdir(), 'worker-runtime-quota-'));
    t.teardown(() => rm(dir, { recursive: true, force: true }));
    return { plugins: () => [fsStore({ dir })] };
  },
}))
  test(`P69: the tokens of a day survive deletions and a restart, and end with the day (${name})`, async (t) => {
    const clock = manualClock();
    const engine = scriptedEngine();
    engine.script = spending(30);
    const { plugins, ...kept } = await make(t);
    const limits = { tokensPerDay: 60 };
    const first = await begin(t, limits, { clock, engine, ...kept }, ...plugins());
    await first.create('a', 'x');
    await first.create('b', 'x');
    t.deepEqual(
      [await first.send('a'), await first.send('b'), await first.send('b')],
      ['completed', 'completed', 'quota.tokensPerDay'],
    );
    await first.runtime.stopWorker('a');
    await first.runtime.deleteWorker('a');
    t.is(await first.send('b'), 'quota.tokensPerDay');
    await first.runtime.stop();

    const second = await begin(t, limits, { clock, engine, ...kept }, ...plugins());
    t.is(await second.send('b'), 'quota.tokensPerDay');
    await clock.advance(24 * 3_600_000);
    t.is(await second.send('b'), 'completed');
  });

test('P69: a child whose parent was deleted, or is older than the plugin, can be changed', async (t) => {
  const store = memoryStore();
  const older = await Runtime.start({ engines: [scriptedEngine()], store });
  await older.createWorker({ engine: 'scripted', workerId: 'parent', labels: { owner: 'x' } });
  for (const workerId of ['orphan', 'child'])
    await older.createWorker({ engine: 'scripted', workerId, parent: 'parent', labels: { owner: 'y' } });
  await older.stop();
  const { runtime } = await begin(t, {}, { store });
  t.deepEqual((await runtime.updateWorker('child', { config: {} })).labels, { owner: 'y' });
  await runtime.stopWorker('parent');
  await runtime.deleteWorker('parent');
  t.deepEqual((await runtime.updateWorker('orphan', { config: {} })).labels, { owner: 'y' });
});

test('P69: a child belongs to the account of its parent, and a Worker keeps its account', async (t) => {
  const { create, runtime, engine, send } = await begin(t, { by: 'owner', tokensPerDay: 10 });
  await create('a', 'x');
  engine.script = ({ input }) =>
    input
      ? [{ type: 'create-child', spec: { engine: 'scripted', workerId: 'child', labels: { owner: 'y' } } }]
      : [];
  t.is(await send('a'), 'completed');
  t.deepEqual((await runtime.getWorker('child')).labels, { owner: 'x' });
  await t.throwsAsync(runtime.updateWorker('a', { labels: { owner: 'y' } }), { code: 'FORBIDDEN' });
  await t.throwsAsync(runtime.updateWorker('a', { labels: {} }), { code: 'FORBIDDEN' });
  await runtime.updateWorker('a', { labels: { owner: 'x', more: 'text' } });
});

test('options may come from flags, and wrong ones are refused by name', (t) => {
  t.notThrows(() => plugin({ by: 'team', inputsPerMinute: '60', accounts: '{"x":{"tokensPerDay":5}}' }));
  for (const [options, message] of [
    [{ inputsPerHour: 1 }, /quota\.inputsPerHour does not exist/],
    [{ tokensPerDay: -1 }, /quota\.tokensPerDay/],
    [{ accounts: '{' }, /quota\.accounts must be an object/],
    [{ accounts: { x: { tokens: 1 } } }, /quota\.accounts\.x\.tokens does not exist/],
  ] as const)
    t.throws(() => plugin(options), { code: 'INVALID_REQUEST', message });
});

test('P108: a label with the account may have any name, and a Worker without it has the account of all others', async (t) => {
  for (const by of ['constructor', '__proto__']) {
    const { runtime, send } = await begin(t, { by, inputsPerMinute: 1, accounts: { rich: {} } });
    const labels = Object.fromEntries([[by, 'rich']]);
    await runtime.createWorker({ engine: 'scripted', workerId: 'rich', labels });
    await runtime.createWorker({ engine: 'scripted', workerId: 'a' });
    await runtime.createWorker({ engine: 'scripted', workerId: 'child', parent: 'a' });
    await runtime.createWorker({ engine: 'scripted', workerId: 'heir', parent: 'rich' });
    t.deepEqual(
      [runtime.labelsOf('child'), Object.entries(runtime.labelsOf('heir') ?? {})],
      [{}, [[by, 'rich']]],
    );
    t.deepEqual(
      [await send('a'), await send('child'), await send('rich'), await send('heir')],
      ['completed', 'quota.inputsPerMinute', 'completed', 'completed'],
    );
    await runtime.updateWorker('a', { labels: { team: 'blue' } });
  }
});
