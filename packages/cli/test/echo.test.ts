import { type JsonObject, Runtime, RuntimeError } from '@worker-runtime/core';
import test, { type ExecutionContext } from 'ava';
import { echo, plugin } from '../src/echo.ts';

const startRuntime = async (t: ExecutionContext): Promise<Runtime> => {
  const runtime = await Runtime.start({ plugins: [plugin()] });
  t.teardown(() => runtime.stop());
  return runtime;
};

test('echo repeats the input word by word and then as a whole, and counts the words', async (t) => {
  const runtime = await startRuntime(t);
  const { worker } = await runtime.createWorker({ engine: 'echo', config: { delayMs: 1, repeat: 2 } });
  const { cursor } = await runtime.sendInput(worker.workerId, { text: 'one  two\nthree' });
  const whole = 'one  two\nthree one  two\nthree';
  const deltas: string[] = [];
  for await (const item of runtime.observe(worker.workerId, { after: cursor })) {
    if (item.type === 'delta') deltas.push(item.text);
    if (item.type !== 'event') continue;
    if (item.event.type === 'message.completed')
      t.like(item.event.data.parts[0], { type: 'text', text: whole });
    if (item.event.type === 'usage.recorded')
      t.deepEqual(item.event.data, { model: 'echo', inputTokens: 3, outputTokens: 6 });
    if (item.event.type === 'run.finished') break;
  }
  t.deepEqual(deltas, ['one  ', 'two\n', 'three ', 'one  ', 'two\n', 'three']);
});

test('P3: cancel ends a run of echo that hangs, and its Worker stays usable', async (t) => {
  const runtime = await startRuntime(t);
  const { worker } = await runtime.createWorker({ engine: 'echo', config: { hang: true } });
  for (const text of ['first', 'second']) {
    const waiting = runtime.sendInput(worker.workerId, { text }, { waitMs: 10_000 });
    for await (const item of runtime.observe(worker.workerId))
      if (item.type === 'delta' || (item.type === 'in-flight' && item.messages.length > 0)) break;
    await runtime.cancelRun(worker.workerId);
    t.is((await waiting).run?.outcome, 'cancelled');
  }
});

test('P1, P2: a run of echo that ignores its signal is detached at the deadline', async (t) => {
  const runtime = await startRuntime(t);
  const { worker } = await runtime.createWorker({
    engine: 'echo',
    config: { hang: true, ignoreAbort: true },
    initialInput: { text: 'hello' },
  });
  const outcome = await runtime.stopWorker(worker.workerId, { deadlineMs: 20 });
  t.deepEqual(outcome, { changed: true, status: 'stopped', outcome: 'detached' });
});

test('P18: echo refuses a config that it does not support, and names the key', async (t) => {
  const runtime = await startRuntime(t);
  for (const [config, message] of [
    [{ delay: 1 }, /has no key "delay"/],
    [{ delayMs: -1 }, /delayMs.*whole number/],
    [{ delayMs: '1' }, /delayMs.*whole number/],
    [{ hang: 1 }, /hang.*true or false/],
    [{ repeat: 0 }, /repeat.*whole number/],
    [{ constructor: 1 }, /has no key "constructor"/],
  ] as const) {
    const error = await t.throwsAsync(runtime.createWorker({ engine: 'echo', config }), {
      instanceOf: RuntimeError,
    });
    t.is(error?.code, 'CONFIG_UNSUPPORTED');
    t.regex(error?.message ?? '', message);
  }
  t.deepEqual((await runtime.listWorkers()).items, []);
});

test('the schema of the config of echo has the bounds that are checked', (t) => {
  const engine = echo();
  const checkConfig = (config: JsonObject): void => engine.checkConfig?.(config);
  const { properties } = engine.configSchema as {
    readonly properties: Readonly<Record<string, { readonly minimum?: number; readonly maximum?: number }>>;
  };
  let bounds = 0;
  for (const [key, { minimum, maximum }] of Object.entries(properties)) {
    if (minimum === undefined || maximum === undefined) {
      t.notThrows(() => checkConfig({ [key]: true }));
      t.throws(() => checkConfig({ [key]: 1 }), { code: 'CONFIG_UNSUPPORTED' });
      continue;
    }
    bounds += 1;
    for (const value of [minimum, maximum]) t.notThrows(() => checkConfig({ [key]: value }));
    for (const value of [minimum - 1, maximum + 1])
      t.throws(() => checkConfig({ [key]: value }), { code: 'CONFIG_UNSUPPORTED' });
  }
  t.is(bounds, 2);
});

test('the echo plugin accepts no options', (t) => {
  t.throws(() => plugin({ loud: true }), { code: 'INVALID_REQUEST', message: /echo\.loud/ });
});
