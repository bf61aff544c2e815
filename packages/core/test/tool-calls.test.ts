import test from 'ava';
import { type EngineOutput, engine } from '../src/contracts/engine.ts';
import { settle, startRig } from './fixtures/rig.ts';

const call = { type: 'tool-call', call: 'call-1', name: 'search', input: {} } as const;
const result = { type: 'tool-result', call: 'call-1', output: 'found' } as const;
const message: EngineOutput = { type: 'message', parts: [{ type: 'text', text: 'done' }] };

test('P10: the items of a transcript have different ids, also where two runs use the same tool call id', async (t) => {
  const repeating = engine('repeating', async function* () {
    yield call;
    yield result;
    yield [call, result, message];
  });
  const { runtime } = await startRig(t, { engines: [repeating] });
  await runtime.createWorker({ workerId: 'w', engine: 'repeating' });
  for (let round = 0; round < 2; round += 1) {
    const { run } = await runtime.sendInput('w', { text: 'go' }, { waitMs: 5_000 });
    t.is(run?.outcome, 'completed');
  }
  const { items } = await runtime.transcript('w');
  t.is(items.length, 12);
  t.is(new Set(items.map(({ id }) => id)).size, items.length);
  const calls = items.filter(({ parts }) => parts[0]?.type === 'tool-call');
  t.deepEqual(
    calls.map(({ id }) => id),
    calls.map(({ seq }) => `call-1@${seq}`),
  );
});

for (const [how, outputs] of [
  ['in one array', [[call, call]]],
  ['one by one', [call, call]],
] as const)
  test(`a tool call that repeats an open one fails its run: ${how}`, async (t) => {
    const wrong = engine('wrong', async function* () {
      yield* outputs;
    });
    const { runtime } = await startRig(t, { engines: [wrong] });
    await runtime.createWorker({ workerId: 'w', engine: 'wrong' });
    const { run } = await runtime.sendInput('w', { text: 'go' }, { waitMs: 5_000 });
    t.is(run?.outcome, 'failed');
    t.deepEqual(run?.error, {
      code: 'ENGINE_FAILED',
      message: 'The engine repeated the open tool call "call-1"',
    });
  });

test('P17: an engine that does not declare requests cannot open one', async (t) => {
  const asking = (name: string, capabilities?: { requests?: boolean }) =>
    engine(
      name,
      async function* (run) {
        const { by } = await run.ask({ kind: 'question', prompt: 'Well?', options: ['yes'], timeoutMs: 1 });
        yield { type: 'message', parts: [{ type: 'text', text: by }] };
      },
      capabilities,
    );
  const { runtime, clock } = await startRig(t, {
    engines: [asking('mute', {}), asking('denying', { requests: false }), asking('plain')],
  });
  for (const name of ['mute', 'denying']) {
    const { worker } = await runtime.createWorker({ workerId: name, engine: name });
    t.false(worker.capabilities.operations.requests);
    const { run } = await runtime.sendInput(name, { text: 'go' }, { waitMs: 5_000 });
    t.is(run?.error?.code, 'OPERATION_UNSUPPORTED');
    t.deepEqual((await runtime.listRequests(name)).items, []);
  }
  const { worker } = await runtime.createWorker({ workerId: 'plain', engine: 'plain' });
  t.true(worker.capabilities.operations.requests);
  const { runId } = await runtime.sendInput('plain', { text: 'go' });
  t.is((await runtime.getWorker('plain')).run?.runId, runId);
  await clock.advance(1_000);
  t.is((await runtime.getWorker('plain')).status, 'idle');
});

const question = { kind: 'question', prompt: 'How many?', options: ['send'] } as const;

test('the result of a call ends the requests about it, and no others', async (t) => {
  const { runtime, puppet } = await startRig(t);
  await runtime.createWorker({ workerId: 'w', engine: 'puppet' });
  await runtime.sendInput('w', { text: 'go' });
  await settle();
  const run = puppet.last();
  for (const id of ['a', 'b']) run.yield({ type: 'tool-call', call: id, name: 'ask', input: {} });
  await settle();
  const answers = ['a', 'b'].map((id) => run.run.ask({ ...question, call: id }));
  void run.run.ask({ kind: 'question', prompt: 'About no call?', options: ['yes'] });
  await settle();
  t.is((await runtime.listRequests('w')).items.length, 3);
  run.yield([
    { type: 'tool-result', call: 'a', error: 'too late' },
    { type: 'tool-result', call: 'a', error: 'again' },
  ]);
  await settle();
  t.deepEqual(await answers[0], { decision: null, by: 'cancel' });
  const open = await runtime.listRequests('w');
  t.deepEqual(
    open.items.map((request) => request.call),
    ['b', null],
  );
  const { items } = await runtime.events('w');
  t.is(items.filter(({ type }) => type === 'request.resolved').length, 1);
  await runtime.respond('w', open.items[0]?.requestId ?? '', { decision: 'send' });
  t.like(await answers[1], { decision: 'send', by: 'client' });
});

test('a question ends without an answer when its signal fires, before or after it was opened', async (t) => {
  const { runtime, puppet } = await startRig(t);
  await runtime.createWorker({ workerId: 'w', engine: 'puppet' });
  await runtime.sendInput('w', { text: 'go' });
  await settle();
  const { run } = puppet.last();
  t.deepEqual(await run.ask({ ...question, signal: AbortSignal.abort() }), { decision: null, by: 'cancel' });
  t.is((await runtime.listRequests('w')).items.length, 0);
  for (const isOpened of [true, false]) {
    const controller = new AbortController();
    const answer = run.ask({ ...question, signal: controller.signal });
    if (isOpened) await settle();
    t.is((await runtime.getWorker('w')).status, isOpened ? 'waiting' : 'running');
    controller.abort();
    await settle();
    t.deepEqual(await answer, { decision: null, by: 'cancel' });
    t.is((await runtime.getWorker('w')).status, 'running');
  }
  await t.throwsAsync(run.ask({ ...question, signal: {} as AbortSignal }), {
    message: 'question.signal must be an AbortSignal',
  });
});
