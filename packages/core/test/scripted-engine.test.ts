import test, { type ExecutionContext } from 'ava';
import type { EngineOutput } from '../src/contracts/engine.ts';
import type { WorkerEvent } from '../src/contracts/event.ts';
import type { Limits } from '../src/contracts/limits.ts';
import type { RuntimeError } from '../src/contracts/runtime-error.ts';
import { memoryStore } from '../src/memory-store/memory-store.ts';
import { Runtime } from '../src/runtime/runtime.ts';
import type { Script } from '../src/testing/engine/script.ts';
import { scriptedEngine } from '../src/testing/scripted-engine.ts';

const WAIT = { waitMs: 20_000 };

/** Starts a runtime with a scripted engine on a memory store. It is stopped after the test. */
const startRuntime = async (t: ExecutionContext, script: Script = {}, limits: Partial<Limits> = {}) => {
  const engine = scriptedEngine(script);
  const store = memoryStore();
  const start = async (): Promise<Runtime> => {
    const runtime = await Runtime.start({
      plugins: [
        {
          name: 'under-test',
          apply: (host) => {
            host.useStore(store);
            host.useEngine(engine);
          },
        },
      ],
      limits: { stopDeadlineMs: 100, shutdownDeadlineMs: 500, ...limits },
    });
    t.teardown(() => runtime.stop());
    return runtime;
  };
  return { engine, runtime: await start(), start };
};

const create = async (runtime: Runtime, workerId = 'ada'): Promise<string> =>
  (await runtime.createWorker({ engine: 'scripted', workerId })).worker.workerId;

const logOf = async (runtime: Runtime, workerId = 'ada'): Promise<readonly WorkerEvent[]> =>
  (await runtime.events(workerId, { limit: 1_000 })).items;

const typesOf = async (runtime: Runtime, workerId = 'ada') =>
  (await logOf(runtime, workerId)).map(({ type }) => type);

test('a script runs step by step, and waits at a gate until the test opens it', async (t) => {
  const { engine, runtime } = await startRuntime(t, {
    go: [
      { type: 'text', text: 'a' },
      { type: 'gate', gate: 'one' },
      { type: 'message' },
      { type: 'gate', gate: 'two' },
      [
        { type: 'usage', inputTokens: 1, outputTokens: 1 },
        { type: 'notice', severity: 'info', code: 'NOTE', message: 'x' },
      ],
    ],
  });
  await create(runtime);
  await runtime.sendInput('ada', { text: 'go' });
  await engine.gate('one').reached;
  t.false((await typesOf(runtime)).includes('message.completed'));
  engine.gate('one').open();
  await engine.gate('two').reached;
  t.is((await typesOf(runtime)).at(-1), 'message.completed');
  engine.gate('two').open();
  const again = await runtime.sendInput('ada', { text: 'go', whenBusy: 'queue' }, WAIT);
  t.is(again.run?.outcome, 'completed', 'an open gate stays open');
  t.is(engine.sessions[0]?.runs.length, 2);
});

test('a step that honours its signal ends with the run, and a step that ignores it is detached', async (t) => {
  const { engine, runtime } = await startRuntime(t, {
    hang: [{ type: 'hang' }],
    gate: [{ type: 'gate', gate: 'closed' }],
    flood: [{ type: 'flood', output: { type: 'text', text: '.' } }],
    ignore: [{ type: 'hang', ignoresAbort: true }],
    'ignoring flood': [{ type: 'flood', output: { type: 'text', text: '' }, ignoresAbort: true }],
  });
  for (const [text, outcome] of Object.entries({
    hang: 'graceful',
    gate: 'graceful',
    flood: 'graceful',
    ignore: 'detached',
    'ignoring flood': 'detached',
  })) {
    await create(runtime, text.replace(' ', '-'));
    await runtime.sendInput(text.replace(' ', '-'), { text });
    t.is((await runtime.stopWorker(text.replace(' ', '-'))).outcome, outcome as 'graceful', text);
  }
  t.deepEqual(
    engine.calls
      .filter(({ call }) => call === 'detach')
      .map((call) => ('reason' in call ? call.reason : null)),
    // An execution whose run ends is detached by the stop, any other at the deadline.
    ['stop', 'stop', 'stop', 'deadline', 'deadline'],
  );
});

test('P2: a cancelled run may still send its last message', async (t) => {
  const { runtime } = await startRuntime(t, {
    last: [
      { type: 'text', text: 'so f' },
      { type: 'abort' },
      { type: 'text', text: 'ar' },
      { type: 'message' },
    ],
  });
  await create(runtime);
  await runtime.sendInput('ada', { text: 'last' });
  await runtime.cancelRun('ada');
  const { items } = await runtime.transcript('ada');
  t.is(
    items
      .at(-2)
      ?.parts.map((part) => part.type === 'text' && part.text)
      .join(),
    'so far',
  );
  t.is((await logOf(runtime)).at(-1)?.type, 'run.finished');
});

test('a run whose input is not in the script fails', async (t) => {
  const { runtime } = await startRuntime(t);
  await create(runtime);
  for (const text of ['unknown', 'constructor'])
    t.is((await runtime.sendInput('ada', { text }, WAIT)).run?.error?.code, 'ENGINE_FAILED');
});

test('calls of the runtime are recorded, and a test can wait for one', async (t) => {
  const { engine, runtime } = await startRuntime(t);
  const forgotten = engine.called('forget', 'ada');
  await create(runtime);
  await runtime.stopWorker('ada');
  await runtime.resumeWorker('ada');
  await runtime.stopWorker('ada');
  await runtime.deleteWorker('ada');
  t.deepEqual(await forgotten, { call: 'forget', workerId: 'ada' });
  t.deepEqual(engine.calls, [
    { call: 'attach', workerId: 'ada', generation: 1 },
    { call: 'detach', workerId: 'ada', generation: 1, reason: 'stop' },
    { call: 'attach', workerId: 'ada', generation: 2 },
    { call: 'detach', workerId: 'ada', generation: 2, reason: 'stop' },
    { call: 'forget', workerId: 'ada' },
  ]);
});

// Tests of the runtime, for errors that the scripted engine revealed.

test('a session that arrives after the attach timeout is detached', async (t) => {
  const { engine, runtime } = await startRuntime(t, {}, { attachTimeoutMs: 30 });
  engine.attachScript = [{ type: 'gate', gate: 'late', ignoresAbort: true }];
  await t.throwsAsync(() => create(runtime), { code: 'ENGINE_UNAVAILABLE' });
  engine.gate('late').open();
  t.is((await engine.called('detach', 'ada')).reason, 'creation');
});

test('P23: hanging attaches count towards limits.unsettledExecutions', async (t) => {
  const { engine, runtime } = await startRuntime(t, {}, { attachTimeoutMs: 10, unsettledExecutions: 2 });
  engine.attachScript = [{ type: 'gate', gate: 'late', ignoresAbort: true }];
  for (let round = 0; round < 2; round += 1)
    await t.throwsAsync(() => create(runtime), { code: 'ENGINE_UNAVAILABLE' });
  await t.throwsAsync(() => create(runtime), { code: 'LIMIT_REACHED' });
  t.is(engine.calls.filter(({ call }) => call === 'attach').length, 2);
  engine.gate('late').open();
  await engine.called('detach', 'ada');
  // A detached execution is settled once its promises are.
  await new Promise((resolve) => setImmediate(resolve));
  engine.attachScript = [];
  t.is(await create(runtime), 'ada');
});

test('P12: a stop during an attach leaves no connected execution', async (t) => {
  const { engine, runtime, start } = await startRuntime(t, { hello: [] });
  await create(runtime);
  await runtime.stop();
  const again = await start();
  engine.attachScript = [{ type: 'gate', gate: 'attach', ignoresAbort: true }];
  const sending = again.sendInput('ada', { text: 'hello' });
  await engine.gate('attach').reached;
  t.is((await again.stopWorker('ada')).status, 'stopped');
  engine.gate('attach').open();
  const refusal = await t.throwsAsync<RuntimeError>(sending);
  t.true(['ENGINE_UNAVAILABLE', 'WORKER_STOPPED'].includes(refusal?.code ?? ''), refusal?.code);
  const { status, execution } = await again.getWorker('ada');
  t.is(status, 'stopped');
  t.false(execution.connected);
  t.is((await typesOf(again)).at(-1), 'worker.stopped');
  t.is((await engine.called('detach', 'ada', 2)).generation, 2);
});

test('an input during a stop begins no run on the session that is detached', async (t) => {
  const { engine, runtime } = await startRuntime(t, {
    hello: [{ type: 'message', parts: [{ type: 'text', text: 'hi' }] }],
  });
  await create(runtime);
  engine.detachScript = [{ type: 'gate', gate: 'detach', ignoresAbort: true }];
  const stopping = runtime.stopWorker('ada', { deadlineMs: 10_000 });
  await engine.gate('detach').reached;
  const accepted = await runtime.sendInput('ada', { text: 'hello' }).then(
    ({ runId }) => runId,
    (error: { readonly code: string }) => {
      t.is(error.code, 'WORKER_STOPPED');
      return null;
    },
  );
  engine.gate('detach').open();
  t.is((await stopping).outcome, 'graceful');
  t.is(engine.sessions[0]?.runs.length, 0, 'a session runs nothing after its detach');
  const ended = (await logOf(runtime)).filter(({ type }) => type === 'run.finished').map(({ run }) => run);
  t.deepEqual(ended, accepted === null ? [] : [accepted]);
});

test('P2: no further output is read from an execution that reports its loss in its first step', async (t) => {
  let outputs = 0;
  const { engine, runtime } = await startRuntime(t, {}, { unsettledExecutions: 1 });
  engine.script = (_run, context) => {
    context.lost(new Error('gone'));
    return [
      {
        type: 'flood',
        ignoresAbort: true,
        get output(): EngineOutput {
          outputs += 1;
          return { type: 'text', text: 'x' };
        },
      },
    ];
  };
  await create(runtime);
  const { run } = await runtime.sendInput('ada', { text: 'go' }, WAIT);
  t.is(run?.error?.code, 'EXECUTION_LOST');
  const turns = async (): Promise<void> => {
    for (let turn = 0; turn < 20; turn += 1) await new Promise((resolve) => setImmediate(resolve));
  };
  await turns();
  const before = outputs;
  await turns();
  t.is(outputs, before);
  engine.script = { hello: [] };
  t.is(
    (await runtime.sendInput('ada', { text: 'hello' }, WAIT)).run?.outcome,
    'completed',
    'the lost one has settled',
  );
});
