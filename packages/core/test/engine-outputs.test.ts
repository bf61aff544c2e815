import test from 'ava';
import { type Engine, type EngineOutput, engine } from '../src/contracts/engine.ts';
import type { WorkerEvent } from '../src/contracts/event.ts';
import { addUsage, cleanUsage, NO_USAGE, type UsageTotals } from '../src/contracts/overview.ts';
import { ERROR_CODES, RuntimeError } from '../src/contracts/runtime-error.ts';
import { Puppet } from './fixtures/puppet.ts';
import { codeOf, errorOf, flawsOf, logOf, onClock, settle, startRig } from './fixtures/rig.ts';

const cyclic: Record<string, unknown> = {};
cyclic.self = cyclic;
/** A value whose encoding is far larger than the value: each level contains the one below twice. */
const doubled = Array.from({ length: 40 }).reduce<unknown>((inner) => [inner, inner], 'x');
const deep = Array.from({ length: 50_000 }).reduce<unknown>((inner) => ({ inner }), 'x');
const usage = { type: 'usage', inputTokens: 1, outputTokens: 1 } as const;
const call = { type: 'tool-call', call: 'c', name: 'n', input: {} } as const;
const notice = { type: 'notice', severity: 'info', code: 'c', message: 'm' } as const;
const file = {
  type: 'file',
  digest: `sha256-${'0'.repeat(64)}`,
  mediaType: 'image/png',
  sizeBytes: 1,
} as const;

/** Outputs that break the contract, by the member that a diagnostic must name. */
const invalid: Readonly<Record<string, readonly unknown[]>> = {
  output: [null, undefined, 5, 'text', [[{ type: 'text', text: 'x' }]], () => {}],
  'output.type': [{}, { type: 'nonsense' }, { type: 5n }, { type: 'toString' }],
  'text.text': [5n, 5, null, undefined, Symbol('x'), { length: 1 }, ['x']].map((text) => ({
    type: 'text',
    text,
  })),
  'reasoning.text': [{ type: 'reasoning', text: 5n }],
  'message.parts': ['abc', null, {}].map((parts) => ({ type: 'message', parts })),
  'message.parts/0': [null, 'x'].map((part) => ({ type: 'message', parts: [part] })),
  'message.parts/1.type': [
    {
      type: 'message',
      parts: [
        { type: 'text', text: 'x' },
        { type: 'image', text: 'y' },
      ],
    },
  ],
  'message.parts/0.text': [1n, undefined].map((text) => ({
    type: 'message',
    parts: [{ type: 'text', text }],
  })),
  'message.parts/0.digest': [undefined, 'sha256-0', {}].map((digest) => ({
    type: 'message',
    parts: [{ ...file, digest }],
  })),
  'message.parts/0.mediaType': ['image', 'IMAGE/PNG', undefined].map((mediaType) => ({
    type: 'message',
    parts: [{ ...file, mediaType }],
  })),
  'message.parts/0.name': [{ type: 'message', parts: [{ ...file, name: '../x' }] }],
  'tool-result.files': [{ type: 'tool-result', call: 'c', files: {} }],
  'tool-result.files/1.sizeBytes': [
    { type: 'tool-result', call: 'c', files: [file, { ...file, sizeBytes: -1 }] },
  ],
  'tool-call.call': [undefined, { a: 1 }, 7, 'c'.repeat(20_000)].map((id) => ({ ...call, call: id })),
  'tool-call.name': [undefined, null].map((name) => ({ ...call, name })),
  'tool-call.input': [
    undefined,
    () => {},
    1n,
    cyclic,
    deep,
    { a: [1, Number.NaN] },
    new Map(),
    new Date(0),
  ].map((input) => ({ ...call, input })),
  'tool-result.call': [{ type: 'tool-result', output: 1 }],
  'tool-result.output': [{ type: 'tool-result', call: 'c', output: [undefined] }],
  'tool-result.error': [{ type: 'tool-result', call: 'c', error: new Error('x') }],
  'tool-result.truncated': [{ type: 'tool-result', call: 'c', truncated: false }],
  'step-start.model': [{ type: 'step-start', model: { a: 1 } }],
  'step-finish.finish': [{ type: 'step-finish' }],
  'usage.inputTokens': [Number.NaN, -5, '5', 1.5, Number.POSITIVE_INFINITY, 2 ** 53, undefined, null, 1n].map(
    (inputTokens) => ({ ...usage, inputTokens }),
  ),
  'usage.reasoningTokens': [Number.NaN, null].map((reasoningTokens) => ({ ...usage, reasoningTokens })),
  'usage.model': [{ ...usage, model: {} }],
  'notice.severity': [{ ...notice, severity: 'fatal' }],
  'notice.code': [{ ...notice, code: 5 }],
  'notice.message': [{ ...notice, message: null }],
  'record.value': [undefined, cyclic, () => {}, { a: Number.POSITIVE_INFINITY }].map((value) => ({
    type: 'record',
    value,
  })),
  'withdrawn.reason': [{ a: 1n }, cyclic, null, 5].map((reason) => ({ type: 'withdrawn', reason })),
};

/** An engine whose runs yield these values, of any type. */
const yielding = (...outputs: readonly unknown[]): Engine =>
  engine('odd', async function* () {
    yield* outputs as readonly EngineOutput[];
  });

const endOf = (events: readonly WorkerEvent[]) =>
  events.flatMap((event) => (event.type === 'run.finished' ? [event.data] : [])).at(-1);

for (const [field, outputs] of Object.entries(invalid)) {
  test(`P3, P22: a run fails with ENGINE_FAILED, and a diagnostic names the field, if ${field} is invalid`, async (t) => {
    for (const [index, output] of outputs.entries()) {
      const message = { type: 'message', parts: [{ type: 'text', text: 'kept' }] };
      // the second run yields the output in an array: nothing of that array is recorded
      for (const outputsOfRun of [
        [message, output],
        [message, [{ type: 'text', text: 'lost' }, call, output]],
      ]) {
        const { runtime } = await startRig(t, { engines: [yielding(...outputsOfRun)] });
        await runtime.createWorker({ workerId: 'w', engine: 'odd' });
        const { run } = await runtime.sendInput('w', { text: 'go' }, { waitMs: 10_000 });
        t.like(run, { outcome: 'failed', error: { code: 'ENGINE_FAILED' } }, `${field} ${index}`);
        const events = await logOf(runtime, 'w');
        t.deepEqual(
          events.slice(-2).map(({ type }) => type),
          ['message.completed', 'run.finished'],
          `${field} ${index}`,
        );
        t.deepEqual(flawsOf(events), []);
        const [diagnostic] = (await runtime.diagnostics()).items;
        const named = outputsOfRun[1] === output || !Array.isArray(output) ? field : 'output';
        t.like(
          diagnostic,
          { code: 'ENGINE_FAILED', worker: 'w', details: { field: named } },
          `${field} ${index}`,
        );
        t.deepEqual((await runtime.overview('w')).usage, NO_USAGE);
        t.is((await runtime.stopWorker('w')).status, 'stopped');
        await runtime.deleteWorker('w');
      }
    }
  });
}

test('P22, P23: a value that contains the same object often fails its run and does not block the process', async (t) => {
  const { runtime } = await startRig(t, { engines: [yielding({ ...call, input: doubled })] });
  await runtime.createWorker({ workerId: 'w', engine: 'odd' });
  const { run } = await runtime.sendInput('w', { text: 'go' }, { waitMs: 10_000 });
  t.is(run?.error?.code, 'OUTPUT_TOO_LARGE');
});

test('P10: a recorded value is not changed when its engine changes the object', async (t) => {
  const value: Record<string, unknown> = { session: 'a' };
  const parts = [{ type: 'text', text: 'go on' }];
  const { runtime, puppet } = await startRig(t);
  await runtime.createWorker({ workerId: 'w', engine: 'puppet', initialInput: { text: 'go' } });
  puppet
    .last()
    .yield({ type: 'record', value } as EngineOutput)
    .finish();
  await settle();
  value.session = 5n;
  t.deepEqual(puppet.context('w').recorded, { session: 'a' });
  await puppet.context('w').beginRun({ role: 'user', parts } as never);
  Object.assign(parts[0] as object, { text: 5n });
  await settle();
  t.deepEqual(puppet.last().run.input?.parts, [{ type: 'text', text: 'go on' }]);
});

const LONG = 'é'.repeat(550_000);
/** Ends of a run that exceed every limit, or that hold no text at all. */
const ends: Readonly<Record<string, () => AsyncIterable<EngineOutput>>> = {
  'a withdrawn run': async function* () {
    yield { type: 'withdrawn', reason: LONG };
  },
  'a RuntimeError with a long message': async function* () {
    yield* [];
    throw new RuntimeError('CONTEXT_LIMIT', LONG);
  },
  'a RuntimeError whose message is no text': async function* () {
    yield* [];
    throw Object.assign(new RuntimeError('CONTEXT_LIMIT'), { message: 5n });
  },
  'an object whose members throw': async function* () {
    yield* [];
    throw new Proxy(
      {},
      {
        has: () => {
          throw new TypeError('no');
        },
      },
    );
  },
};

for (const [what, run] of Object.entries(ends)) {
  test(`P1, P3: the end of ${what} is recorded, and public texts have at most 4 KiB`, async (t) => {
    const { runtime } = await startRig(t, { engines: [engine('odd', run)] });
    await runtime.createWorker({ workerId: 'w', engine: 'odd' });
    const { run: result } = await runtime.sendInput('w', { text: 'go' }, { waitMs: 10_000 });
    t.true(result !== null);
    const end = endOf(await logOf(runtime, 'w'));
    for (const text of [end?.reason, end?.error?.message]) {
      if (text === undefined) continue;
      t.true(Buffer.byteLength(text) <= 4_096 && Buffer.byteLength(text) > 10, `${text.length}`);
      t.false(text.includes('\uFFFD'), 'no character is cut in two');
    }
    t.is((await runtime.stopWorker('w')).status, 'stopped');
  });
}

test('P19, P23: a long public message of an engine is shortened at the end of a character', async (t) => {
  const puppet = new Puppet({
    onAttach: () => {
      throw new RuntimeError('CONTEXT_LIMIT', `a${LONG}`);
    },
    checkConfig: ({ bad }) => {
      if (bad === true) throw new RuntimeError('CONFIG_UNSUPPORTED', `ab${LONG}`);
    },
  });
  const long = yielding(
    { ...notice, message: `${'x'.repeat(4_095)}😀` },
    { ...notice, message: 'é'.repeat(2_048) },
  );
  const { runtime } = await startRig(t, { engines: [puppet, long] });
  for (const config of [{}, { bad: true }]) {
    const { message } = await errorOf(runtime.createWorker({ engine: 'puppet', config }));
    t.true([4_095, 4_096].includes(Buffer.byteLength(message)), `${Buffer.byteLength(message)}`);
  }
  await runtime.createWorker({ workerId: 'w', engine: 'odd' });
  await runtime.sendInput('w', { text: 'go' }, { waitMs: 10_000 });
  const messages = (await logOf(runtime, 'w')).flatMap((event) =>
    event.type === 'diagnostic.recorded' ? [event.data.message] : [],
  );
  t.deepEqual(messages, ['x'.repeat(4_095), 'é'.repeat(2_048)]);
});

test('P1, P3: a run ends although an event of its usual end exceeds eventBytes', async (t) => {
  const message = 'm'.repeat(2_000);
  const failing = engine('failing', async function* () {
    yield { type: 'text', text: 'so far' };
    throw new RuntimeError('CONTEXT_LIMIT', message);
  });
  const { runtime } = await startRig(t, { engines: [failing], limits: { eventBytes: 1_000 } });
  await runtime.createWorker({ workerId: 'w', engine: 'failing' });
  const { run } = await runtime.sendInput('w', { text: 'go' }, { waitMs: 10_000 });
  const { title } = ERROR_CODES.CONTEXT_LIMIT;
  t.like(run, { outcome: 'failed', error: { code: 'CONTEXT_LIMIT', message: title } });
  t.is((await runtime.diagnostics()).items[0]?.code, 'OUTPUT_TOO_LARGE');
  t.is((await runtime.stopWorker('w')).status, 'stopped');
});

test('P1, P23: a call id for which the end of the run could record no result fails the run', async (t) => {
  const limits = { eventBytes: 4_000 };
  const { runtime } = await startRig(t, {
    engines: [yielding({ ...call, call: 'c'.repeat(3_000) })],
    limits,
  });
  await runtime.createWorker({ workerId: 'w', engine: 'odd' });
  const { run } = await runtime.sendInput('w', { text: 'go' }, { waitMs: 10_000 });
  t.is(run?.error?.code, 'OUTPUT_TOO_LARGE');
  t.deepEqual(flawsOf(await logOf(runtime, 'w')), []);
});

test('P1: a stop of a run whose streamed text exceeds an event succeeds, and the Worker can be deleted', async (t) => {
  const puppet = new Puppet({ isStubborn: true });
  const { runtime, clock } = await startRig(t, { engines: [puppet], limits: { eventBytes: 2_000 } });
  await runtime.createWorker({ workerId: 'w', engine: 'puppet', initialInput: { text: 'go' } });
  puppet.last().yield({ type: 'text', text: 'x'.repeat(3_000) });
  await settle();
  t.like(await onClock(clock, runtime.stopWorker('w')), { status: 'stopped', outcome: 'detached' });
  t.is(endOf(await logOf(runtime, 'w'))?.outcome, 'cancelled');
  t.is(await codeOf(runtime.deleteWorker('w')), 'none');
});

test('P3: a question or an input of an engine that is invalid is refused and leaves no event', async (t) => {
  const { runtime, puppet } = await startRig(t);
  await runtime.createWorker({ workerId: 'w', engine: 'puppet', initialInput: { text: 'go' } });
  const before = await logOf(runtime, 'w');
  const question = { kind: 'question', prompt: 'p', options: ['a'] };
  const wrong: readonly unknown[] = [
    null,
    {},
    { ...question, kind: 1n },
    { ...question, prompt: cyclic },
    { ...question, options: [] },
    { ...question, options: ['a', {}] },
    { ...question, call: 5 },
    ...[Number.NaN, Number.POSITIVE_INFINITY, -5, '5'].map((timeoutMs) => ({ ...question, timeoutMs })),
  ];
  for (const one of wrong)
    await t.throwsAsync(puppet.last().run.ask(one as never), { instanceOf: TypeError });
  t.deepEqual(await logOf(runtime, 'w'), before);
  puppet.last().finish();
  await settle();
  for (const input of [5, { role: 'user', parts: [{ type: 'text', text: 5n }] }, { role: 'x', parts: [] }])
    await t.throwsAsync(puppet.context('w').beginRun(input as never), { instanceOf: TypeError });
  t.is((await runtime.getWorker('w')).status, 'idle');
});

test('P11, P18: an engine that attaches with something else than a session refuses the creation', async (t) => {
  const proxy = new Proxy(
    {},
    {
      get: (_, key) => {
        if (key === 'then') return undefined;
        throw new TypeError('no');
      },
    },
  );
  const odd = [
    null,
    undefined,
    'x',
    {},
    { run: () => {} },
    { detach: () => {} },
    { run: 1, detach: 2 },
    proxy,
  ];
  const engines = odd.map((session, index) => ({
    name: `odd-${index}`,
    capabilities: {},
    attach: async () => session as never,
  }));
  const { runtime } = await startRig(t, { engines });
  for (const { name } of engines)
    t.is(await codeOf(runtime.createWorker({ workerId: name, engine: name })), 'ENGINE_UNAVAILABLE', name);
  t.deepEqual((await runtime.listWorkers()).items, []);
});

test('P10: usage of an old log that is no number of tokens counts as zero', (t) => {
  const old = [
    { model: 'm', inputTokens: Number.NaN, outputTokens: -5, cacheReadTokens: '5' },
    { model: {}, inputTokens: null, outputTokens: '6' },
    { model: 'm', inputTokens: 2, outputTokens: 3 },
  ] as unknown as readonly Parameters<typeof addUsage>[1][];
  const sums = {
    inputTokens: 2,
    outputTokens: 3,
    cacheReadTokens: 0,
    cacheWriteTokens: 0,
    reasoningTokens: 0,
  };
  t.deepEqual(old.reduce(addUsage, NO_USAGE), { ...sums, byModel: { m: sums } });
  const stored = {
    ...sums,
    inputTokens: null,
    outputTokens: '05',
    cacheReadTokens: -1,
    byModel: { m: { ...sums, inputTokens: '05' } },
  };
  const clean = cleanUsage(stored as unknown as UsageTotals);
  t.deepEqual(clean, {
    ...sums,
    inputTokens: 0,
    outputTokens: 0,
    byModel: { m: { ...sums, inputTokens: 0 } },
  });
});
