import test from 'ava';
import type { RuntimePlugin } from '../src/contracts/plugin.ts';
import type { ServedRuntime } from '../src/contracts/served-runtime.ts';
import { memoryStore } from '../src/memory-store/memory-store.ts';
import { Runtime } from '../src/runtime/runtime.ts';
import { EVERYTHING } from '../src/scope/allowance.ts';
import { type Scope, UNLIMITED } from '../src/scope/scope.ts';
import { scoped } from '../src/scope/scoped.ts';
import { scriptedEngine } from '../src/testing/scripted-engine.ts';
import { testScope } from '../src/testing/test-scope.ts';
import { apiHarness } from './fixtures/api-harness.ts';
import { settle, startRig } from './fixtures/rig.ts';

testScope(test, async () => {
  let runtime: Runtime | undefined;
  const harness = await apiHarness((started) => {
    runtime = started;
    return started;
  });
  return { ...harness, as: async (scope) => scoped(runtime as Runtime, scope) };
});

const BLUE = { permissions: ['admin'], workers: [{ team: 'blue' }], stamp: {} } as const;

test('a list in a scope asks for no larger pages than the runtime has', async (t) => {
  const { runtime } = await startRig(t, { limits: { pageItems: 3 } });
  for (let at = 0; at < 8; at += 1) {
    const labels = { team: at > 0 && at < 7 ? 'red' : 'blue' };
    await runtime.createWorker({ workerId: `w${at}`, engine: 'puppet', labels });
  }
  const { items, next } = await scoped(runtime, BLUE).listWorkers();
  t.deepEqual([items.map(({ workerId }) => workerId), next], [['w0', 'w7'], null]);
});

test('a page of requests in a scope ends when it has the size of a page', async (t) => {
  const { runtime, puppet } = await startRig(t, { limits: { pageBytes: 70_000 } });
  const prompt = 'x'.repeat(30_000);
  for (let at = 0; at < 8; at += 1) {
    const initialInput = { text: 'go' };
    await runtime.createWorker({
      workerId: `w${at}`,
      engine: 'puppet',
      labels: { team: 'blue' },
      initialInput,
    });
    await settle();
    void puppet
      .last()
      .run.ask({ kind: 'question', prompt, options: ['yes'] })
      .catch(() => {});
    await settle();
  }
  const pages: number[] = [];
  let after = 'start';
  for (;;) {
    const { items, next } = await scoped(runtime, BLUE).listOpenRequests({ after });
    pages.push(items.length);
    if (next === null) break;
    after = next;
  }
  t.deepEqual(pages, [2, 2, 2, 2]);
});

test('P65: a change cannot keep a tool that another change takes away at the same time', async (t) => {
  let admit = (): void => {};
  const held = new Promise<void>((resolve) => {
    admit = resolve;
  });
  const slow: RuntimePlugin = {
    name: 'slow',
    apply: ({ hooks }) =>
      hooks.admit.tapPromise(async (command) => {
        if (command.type === 'worker.update' && command.update.displayName === 'slow') await held;
      }),
  };
  const runtime = await Runtime.start({ engines: [scriptedEngine()], plugins: [slow] });
  t.teardown(() => runtime.stop());
  const { worker } = await runtime.createWorker({ engine: 'scripted', tools: ['write'] });
  const { workerId } = worker;
  const allowance = { engines: '*', tools: ['read'], claims: '*' } as const;
  const keeping = scoped(runtime, { ...UNLIMITED, allowance }).updateWorker(workerId, {
    displayName: 'slow',
    tools: ['read', 'write'],
  });
  await runtime.updateWorker(workerId, { tools: [] });
  admit();
  await t.throwsAsync(keeping, { code: 'FORBIDDEN', message: /the tool "write"/ });
  const after = await runtime.getWorker(workerId);
  t.deepEqual([after.tools, after.displayName], [[], null]);
});

test('P65: a scope around another one allows only what both allow', async (t) => {
  const runtime = await Runtime.start({ engines: [scriptedEngine()] });
  t.teardown(() => runtime.stop());
  const within = (tools: readonly string[], inner: ServedRuntime): ServedRuntime =>
    scoped(inner, { ...UNLIMITED, allowance: { ...EVERYTHING, tools } });
  const both = within(['read'], within(['write'], runtime));
  for (const tool of ['read', 'write'])
    await t.throwsAsync(both.createWorker({ engine: 'scripted', tools: [tool] }), { code: 'FORBIDDEN' });
  await t.notThrowsAsync(both.createWorker({ engine: 'scripted' }));
});

test('the metrics of a store exist for callers that may observe all Workers', (t) => {
  const metric = {
    name: 'store_commits_total',
    help: 'Commits',
    type: 'counter',
    values: [{ value: 1 }],
  } as const;
  const runtime = new Runtime({ store: Object.assign(memoryStore(), { metrics: () => [metric] }) });
  const metricsOf = (scope: Omit<Scope, 'stamp'>) => scoped(runtime, { ...scope, stamp: {} }).storeMetrics();
  t.deepEqual(metricsOf({ permissions: ['observe'], workers: '*' }), [metric]);
  t.deepEqual(metricsOf({ permissions: ['observe'], workers: [{ team: 'blue' }] }), []);
  t.throws(() => metricsOf({ permissions: [], workers: '*' }), { code: 'FORBIDDEN' });
});

/** Names that every object has a value for. */
const INHERITED = ['constructor', 'toString', '__proto__'];
/** Labels as they come from JSON, in which `__proto__` is a name like any other. */
const labelsOf = (name: string, value: string): Record<string, string> => Object.fromEntries([[name, value]]);

for (const name of INHERITED)
  test(`P108: a label that a scope stamps may have the name ${name}`, async (t) => {
    const runtime = await Runtime.start({ engines: [scriptedEngine()] });
    t.teardown(() => runtime.stop());
    const mine = labelsOf(name, 'mine');
    const own = scoped(runtime, { permissions: ['admin'], workers: [mine], stamp: mine });
    const stored = (workerId: string) => JSON.stringify(runtime.labelsOf(workerId));
    await own.createWorker({ engine: 'scripted', workerId: 'a' });
    t.is(stored('a'), JSON.stringify(mine));
    await own.updateWorker('a', { labels: { team: 'blue' } });
    t.is(stored('a'), JSON.stringify({ team: 'blue', ...mine }));
    await t.throwsAsync(own.updateWorker('a', { labels: labelsOf(name, 'yours') }), {
      code: 'INVALID_REQUEST',
    });
    await t.throwsAsync(own.createWorker({ engine: 'scripted', labels: labelsOf(name, 'yours') }), {
      code: 'INVALID_REQUEST',
    });
    await runtime.createWorker({ engine: 'scripted', workerId: 'b' });
    await t.throwsAsync(own.getWorker('b'), { code: 'WORKER_NOT_FOUND' });
    const all = scoped(runtime, { ...UNLIMITED, stamp: mine });
    await all.updateWorker('b', { labels: { team: 'red' } });
    t.is(stored('b'), '{"team":"red"}', 'it has no label that it did not have');
  });
