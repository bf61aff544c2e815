import { AsyncLocalStorage } from 'node:async_hooks';
import { type Context, context, ROOT_CONTEXT, SpanStatusCode, trace } from '@opentelemetry/api';
import {
  BasicTracerProvider,
  InMemorySpanExporter,
  type ReadableSpan,
  SimpleSpanProcessor,
  type SpanExporter,
} from '@opentelemetry/sdk-trace-base';
import {
  type Engine,
  engine,
  memoryStore,
  Runtime,
  type RuntimePlugin,
  type WorkerEvent,
} from '@worker-runtime/core';
import { type ScriptStep, scriptedEngine } from '@worker-runtime/core/testing';
import test, { type ExecutionContext } from 'ava';
import { type OtelOptions, otel } from '../src/index.ts';

const CANARY = 'canary-5e6f0b';
const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';
const SPAN = '00f067aa0ba902b7';

interface Place {
  readonly exporter?: SpanExporter;
  readonly store?: ReturnType<typeof memoryStore>;
  readonly engines: readonly Engine[];
  readonly options?: OtelOptions;
  readonly plugins?: readonly RuntimePlugin[];
}

/** Starts a runtime with a provider of its own, as a process has one. */
const begin = async (t: ExecutionContext, { exporter, store, engines, options, plugins = [] }: Place) => {
  const memory = new InMemorySpanExporter();
  const tracerProvider = new BasicTracerProvider({
    spanProcessors: [new SimpleSpanProcessor(exporter ?? memory)],
  });
  const runtime = await Runtime.start({
    engines,
    store: store ?? memoryStore(),
    plugins: [otel({ tracerProvider, ...options }), ...plugins],
  });
  t.teardown(() => runtime.stop());
  /** Stops the runtime, which makes all spans first. */
  const spansAfterStop = async (): Promise<readonly ReadableSpan[]> => {
    await runtime.stop();
    await tracerProvider.forceFlush();
    return memory.getFinishedSpans();
  };
  return { runtime, spansAfterStop };
};

const timeOf = ([seconds, nanos]: ReadableSpan['startTime']): string =>
  new Date(seconds * 1_000 + Math.round(nanos / 1e6)).toISOString();

const named = (spans: readonly ReadableSpan[], name: string): ReadableSpan => {
  const found = spans.filter((span) => span.name === name);
  if (found.length !== 1) throw new Error(`${found.length} spans are named ${name}`);
  return found[0] as ReadableSpan;
};

const idOf = (span: ReadableSpan): string => span.spanContext().spanId;

/** A run of two steps, with a call that a person allows, a call that fails and a call that a person refuses. */
const SCRIPT: readonly ScriptStep[] = [
  { type: 'step-start', model: 'small-1' },
  { type: 'text', text: `thinking ${CANARY}` },
  [
    { type: 'message' },
    {
      type: 'tool-call',
      call: 'c1',
      name: 'mail',
      input: { to: CANARY },
      title: CANARY,
      kind: 'execute',
      locations: [{ path: CANARY }],
    },
    {
      type: 'usage',
      model: 'small-1',
      inputTokens: 10,
      outputTokens: 2,
      cacheReadTokens: 4,
      reasoningTokens: 1,
    },
    { type: 'step-finish', finish: 'tool-calls' },
  ],
  {
    type: 'ask',
    question: {
      kind: 'permission',
      prompt: `May I write to ${CANARY}?`,
      call: 'c1',
      options: [
        { id: CANARY, label: CANARY, kind: 'allow-once' },
        { id: 'no', kind: 'reject-once' },
      ],
    },
  },
  { type: 'tool-result', call: 'c1', output: { sent: CANARY } },
  { type: 'tool-call', call: 'c2', name: 'read', input: {} },
  { type: 'tool-result', call: 'c2', error: `no file ${CANARY}` },
  { type: 'tool-call', call: 'c3', name: 'remove', input: {} },
  { type: 'tool-result', call: 'c3', error: CANARY, denied: true },
  { type: 'step-start', model: 'large-2' },
  [
    { type: 'message', parts: [{ type: 'text', text: `done ${CANARY}` }] },
    { type: 'usage', model: 'large-2', inputTokens: 30, outputTokens: 5 },
    { type: 'step-finish', finish: 'stop' },
  ],
];

/** Performs the script with a person who allows the call. Returns the events of the log, and the spans. */
const performed = async (t: ExecutionContext, options: OtelOptions = {}) => {
  const { runtime, spansAfterStop } = await begin(t, {
    engines: [scriptedEngine({ [`go ${CANARY}`]: SCRIPT })],
    options,
  });
  await runtime.createWorker({ engine: 'scripted', workerId: 'w', labels: { team: CANARY } });
  const { runId } = await runtime.sendInput('w', { text: `go ${CANARY}`, metadata: { note: CANARY } });
  t.is((await runtime.waitForRun('w', runId)).waited, 'asks');
  const [request] = (await runtime.listRequests('w')).items;
  await runtime.respond('w', request?.requestId ?? '', { decision: CANARY, note: CANARY });
  t.is((await runtime.waitForRun('w', runId)).run?.outcome, 'completed');
  const events = (await runtime.events('w', { limit: 1_000 })).items;
  return { runId, events, spans: await spansAfterStop() };
};

test('P81: a run, its steps, tool calls and permissions are spans, with the times of their events', async (t) => {
  const { runId, events, spans } = await performed(t);
  const run = named(spans, 'invoke_agent scripted');
  const at = (type: WorkerEvent['type'], which = 0): string =>
    events.filter((event) => event.type === type)[which]?.time ?? '';
  const shown = spans.map((span) => [
    span.name,
    span.parentSpanContext?.spanId,
    timeOf(span.startTime),
    timeOf(span.endTime),
  ]);
  const mail = named(spans, 'execute_tool mail');
  t.deepEqual(shown, [
    ['chat small-1', idOf(run), at('step.started'), at('step.finished')],
    ['permission', idOf(mail), at('request.opened'), at('request.resolved')],
    ['execute_tool mail', idOf(run), at('tool.called'), at('tool.finished')],
    ['execute_tool read', idOf(run), at('tool.called', 1), at('tool.finished', 1)],
    ['execute_tool remove', idOf(run), at('tool.called', 2), at('tool.finished', 2)],
    ['chat large-2', idOf(run), at('step.started', 1), at('step.finished', 1)],
    ['invoke_agent scripted', undefined, at('run.started'), at('run.finished')],
  ]);
  t.is(new Set(spans.map((span) => span.spanContext().traceId)).size, 1);
  t.deepEqual(run.attributes, {
    'gen_ai.operation.name': 'invoke_agent',
    'gen_ai.agent.id': 'w',
    'gen_ai.agent.name': 'scripted',
    'gen_ai.conversation.id': 'w',
    'worker_runtime.run.id': runId,
    'worker_runtime.run.origin': 'input',
    'worker_runtime.run.outcome': 'completed',
    'gen_ai.usage.input_tokens': 40,
    'gen_ai.usage.output_tokens': 7,
    'gen_ai.usage.cache_read.input_tokens': 4,
    'gen_ai.usage.reasoning.output_tokens': 1,
  });
  t.deepEqual(named(spans, 'chat small-1').attributes, {
    'gen_ai.operation.name': 'chat',
    'gen_ai.request.model': 'small-1',
    'gen_ai.response.model': 'small-1',
    'gen_ai.response.finish_reasons': ['tool-calls'],
    'worker_runtime.step': 1,
    'gen_ai.usage.input_tokens': 10,
    'gen_ai.usage.output_tokens': 2,
    'gen_ai.usage.cache_read.input_tokens': 4,
    'gen_ai.usage.reasoning.output_tokens': 1,
  });
  t.deepEqual(mail.attributes, {
    'gen_ai.operation.name': 'execute_tool',
    'gen_ai.tool.name': 'mail',
    'gen_ai.tool.call.id': 'c1',
    'worker_runtime.tool.kind': 'execute',
  });
  const { 'worker_runtime.request.id': _, ...answer } = named(spans, 'permission').attributes;
  t.deepEqual(answer, {
    'worker_runtime.request.by': 'client',
    'worker_runtime.request.decision': 'allow-once',
  });
  const errors = spans.filter(({ status }) => status.code === SpanStatusCode.ERROR);
  t.deepEqual(
    errors.map(({ name, attributes }) => [name, attributes['error.type']]),
    [
      ['execute_tool read', 'tool_error'],
      ['execute_tool remove', 'denied'],
    ],
  );
});

const textOf = (spans: readonly ReadableSpan[]): string =>
  JSON.stringify(spans.map(({ name, attributes, events, status }) => ({ name, attributes, events, status })));

test('P81: spans have no text of inputs, messages, tools and people, unless an option asks for it', async (t) => {
  const { spans } = await performed(t);
  t.is(spans.length, 7);
  t.false(textOf(spans).includes(CANARY));

  const { spans: full } = await performed(t, { content: true });
  const run = named(full, 'invoke_agent scripted').attributes;
  t.deepEqual(JSON.parse(String(run['gen_ai.input.messages'])), [
    { role: 'user', parts: [{ type: 'text', content: `go ${CANARY}` }] },
  ]);
  const message = (content: string) => [{ role: 'assistant', parts: [{ type: 'text', content }] }];
  const answerOf = (name: string) =>
    JSON.parse(String(named(full, name).attributes['gen_ai.output.messages']));
  t.deepEqual(answerOf('invoke_agent scripted'), message(`done ${CANARY}`));
  t.deepEqual(answerOf('chat small-1'), message(`thinking ${CANARY}`));
  t.deepEqual(answerOf('chat large-2'), message(`done ${CANARY}`));
  const mail = named(full, 'execute_tool mail').attributes;
  t.is(mail['gen_ai.tool.call.arguments'], JSON.stringify({ to: CANARY }));
  t.is(mail['gen_ai.tool.call.result'], JSON.stringify({ sent: CANARY }));
});

test('P81: the parent of a run is the trace context of its own input, also behind queued ones', async (t) => {
  const engine = scriptedEngine(() => [
    { type: 'gate', gate: 'open' },
    { type: 'text', text: 'done' },
  ]);
  const { runtime, spansAfterStop } = await begin(t, { engines: [engine] });
  await runtime.createWorker({ engine: 'scripted', workerId: 'w' });
  const send = (traceparent?: string) =>
    runtime.sendInput('w', { text: 'go', whenBusy: 'queue' }, { ...(traceparent && { traceparent }) });
  const sampled = (id: string) => `00-${TRACE}-${id}-01`;
  const sent = [
    await send(),
    await send(sampled(SPAN)),
    await send(),
    await send(sampled('11f067aa0ba902b7')),
    await send(`00-${'0'.repeat(32)}-${SPAN}-01`),
    await send(`00-${TRACE}-${SPAN}-00`),
  ];
  engine.gate('open').open();
  for (const { runId } of sent) t.is((await runtime.waitForRun('w', runId)).run?.outcome, 'completed');
  const spans = await spansAfterStop();
  const found = spans.map(({ attributes, parentSpanContext }) => [
    attributes['worker_runtime.run.id'],
    parentSpanContext?.spanId,
    parentSpanContext?.isRemote,
  ]);
  t.deepEqual(
    found,
    [
      [undefined, undefined],
      [SPAN, true],
      [undefined, undefined],
      ['11f067aa0ba902b7', true],
      // not valid
      [undefined, undefined],
      // the caller has sampled the last one out
    ].map(([id, isRemote], which) => [sent[which]?.runId, id, isRemote]),
  );
  t.deepEqual(
    spans.map((span) => span.spanContext().traceId === TRACE),
    [false, true, false, true, false],
  );
});

test('P81: a run that ends badly has an error, and all of its spans end with it', async (t) => {
  const { runtime, spansAfterStop } = await begin(t, {
    engines: [
      scriptedEngine({
        fail: [
          { type: 'step-start', model: 'm' },
          { type: 'tool-call', call: 'c', name: 'slow', input: {} },
          { type: 'throw', error: new Error(CANARY) },
        ],
        wait: [{ type: 'hang' }],
      }),
    ],
  });
  await runtime.createWorker({ engine: 'scripted', workerId: 'w' });
  await runtime.sendInput('w', { text: 'fail' }, { waitMs: 10_000 });
  await runtime.sendInput('w', { text: 'wait' });
  await runtime.sendInput('w', { text: 'wait', whenBusy: 'queue' });
  await runtime.sendInput('w', { text: 'wait', whenBusy: 'queue' });
  await runtime.cancelRun('w');
  await runtime.stopWorker('w');
  const spans = await spansAfterStop();
  t.deepEqual(
    spans.map(({ name, attributes, status }) => [name, attributes['error.type'], status.code]),
    [
      ['execute_tool slow', 'tool_error', SpanStatusCode.ERROR],
      ['chat m', 'failed', SpanStatusCode.ERROR],
      ['invoke_agent scripted', 'ENGINE_FAILED', SpanStatusCode.ERROR],
      // cancelled; the last one was queued, never began, and has no span
      ['invoke_agent scripted', undefined, SpanStatusCode.UNSET],
      ['invoke_agent scripted', undefined, SpanStatusCode.UNSET],
    ],
  );
  t.is(spans.at(-1)?.attributes['worker_runtime.run.outcome'], 'cancelled');
  t.false(textOf(spans).includes(CANARY));
});

/** An engine that makes two calls, each in a step of its own with a permission, and continues after the last result. */
const continuing = (): Engine =>
  engine(
    'steps',
    async function* (run, worker) {
      let done = 0;
      for await (const { run: runId, parts } of worker.history())
        for (const part of parts) if (runId === run.runId && part.type === 'tool-result') done += 1;
      const made = async (call: string) => {
        await run.ask({ kind: 'permission', prompt: 'May I?', call, options: ['yes'] });
        return { type: 'tool-result', call, output: 'done' } as const;
      };
      for (const { call } of run.openCalls) {
        yield await made(call);
        done += 1;
      }
      for (let step = done; step < 2; step += 1) {
        yield { type: 'step-start', model: 'm' };
        yield [
          { type: 'tool-call', call: `c${step}`, name: `do-${step}`, input: {} },
          { type: 'step-finish', finish: 'tool-calls' },
        ];
        yield await made(`c${step}`);
      }
    },
    { placement: 'backendInternal', requests: true, continues: true },
  );

/** A person who allows each call. */
const person: RuntimePlugin = {
  name: 'person',
  apply: ({ hooks, runtime }) =>
    hooks.committed.tap(({ workerId, events }) => {
      for (const { type, data } of events)
        if (type === 'request.opened')
          void runtime.respond(workerId, data.request, { decision: 'yes' }).catch(() => {});
    }),
};

/** Starts a runtime that ends at the commit of an event, as by a kill: it neither writes nor reads from then on. */
const killedAt = async (t: ExecutionContext, seq: number, place: Omit<Place, 'plugins'>) => {
  let kill = (): void => {};
  const dead = new Promise<void>((resolve) => {
    kill = resolve;
  });
  const killer: RuntimePlugin = {
    name: 'killer',
    apply: ({ hooks }) =>
      hooks.committed.tap(({ events }) => {
        if (!events.some((event) => event.seq === seq)) return;
        runtime.fence();
        kill();
      }),
  };
  const { runtime } = await begin(t, { ...place, plugins: [person, killer] });
  return {
    runtime,
    ended: dead.then(async () => {
      await runtime.stop();
    }),
  };
};

const isOfRun = ({ name }: ReadableSpan): boolean => name.startsWith('invoke_agent');

test('P81: a run that is continued after a kill at any event is one trace, and no span is sent twice', async (t) => {
  const WORKER = { workerId: 'w', engine: 'steps', whenInterrupted: 'continue' } as const;
  const whole = await begin(t, { engines: [continuing()], plugins: [person] });
  await whole.runtime.createWorker(WORKER);
  const { runId: undisturbed } = await whole.runtime.sendInput('w', { text: 'go' });
  const endOf = async (runtime: Runtime, runId: string) => {
    for (;;) {
      const { waited, run } = await runtime.waitForRun('w', runId);
      if (waited === 'finished') return run?.outcome;
    }
  };
  t.is(await endOf(whole.runtime, undisturbed), 'completed');
  const log = (await whole.runtime.events('w', { limit: 1_000 })).items;
  const namesOf = (spans: readonly ReadableSpan[]) => spans.map(({ name }) => name).sort();
  const expected = namesOf(await whole.spansAfterStop());
  t.is(expected.length, 7);
  const seqOf = (type: WorkerEvent['type']) => log.find((event) => event.type === type)?.seq ?? 0;
  const [first, last] = [seqOf('run.started'), seqOf('run.finished')];
  t.true(first > 0 && last > first + 10);

  for (let seq = first; seq < last; seq += 1) {
    const why = `killed at the event ${seq}`;
    const store = memoryStore();
    const exporter = new InMemorySpanExporter();
    const before = await killedAt(t, seq, { store, exporter, engines: [continuing()] });
    await before.runtime.createWorker(WORKER);
    void before.runtime
      .sendInput('w', { text: 'go' }, { traceparent: `00-${TRACE}-${SPAN}-01` })
      .catch(() => {});
    await before.ended;
    t.deepEqual(exporter.getFinishedSpans(), [], why);

    const after = await begin(t, { store, exporter, engines: [continuing()], plugins: [person] });
    const { run } = await after.runtime.getWorker('w');
    for (const { requestId } of (await after.runtime.listRequests('w')).items)
      await after.runtime.respond('w', requestId, { decision: 'yes' });
    t.is(await endOf(after.runtime, run?.runId ?? ''), 'completed', why);
    await after.spansAfterStop();
    const idle = await begin(t, { store, exporter, engines: [continuing()] });
    await idle.spansAfterStop();

    const spans = exporter.getFinishedSpans();
    const [ofRun, ...others] = spans.filter(isOfRun);
    t.deepEqual(others, [], why);
    t.is(ofRun?.parentSpanContext?.spanId, SPAN, why);
    t.deepEqual(
      ofRun?.events.map(({ name, attributes }) => [name, attributes]),
      [['run.continued', { 'worker_runtime.run.attempt': 2 }]],
      why,
    );
    // a step that was cut is made again, and this engine asks again for a call that was allowed and not made
    const once = (names: readonly string[]) =>
      names.filter((name) => /^(invoke_agent|execute_tool)/.test(name));
    t.deepEqual(once(namesOf(spans)), once(expected), why);
    t.deepEqual([...new Set(namesOf(spans))], [...new Set(expected)], why);
    t.is(new Set(spans.map(idOf)).size, spans.length, why);
    t.deepEqual([...new Set(spans.map((span) => span.spanContext().traceId))], [TRACE], why);
    const known = new Set([SPAN, ...spans.map(idOf)]);
    t.true(
      spans.every(({ parentSpanContext: parent }) => parent !== undefined && known.has(parent.spanId)),
      why,
    );
  }
});

test('P81: an interrupted run gets its spans at the next start, and finished ones get no others', async (t) => {
  const store = memoryStore();
  const exporter = new InMemorySpanExporter();
  const engines = () => [
    scriptedEngine({ quick: [{ type: 'text', text: 'done' }], wait: [{ type: 'hang' }] }),
  ];
  const before = await begin(t, { store, exporter, engines: engines() });
  await before.runtime.createWorker({ engine: 'scripted', workerId: 'w' });
  const { runId: finished } = await before.runtime.sendInput('w', { text: 'quick' }, { waitMs: 10_000 });
  const { runId: cut } = await before.runtime.sendInput('w', { text: 'wait' });
  before.runtime.fence();
  await before.runtime.stop();
  const after = await begin(t, { store, exporter, engines: engines() });
  await after.spansAfterStop();
  const last = await begin(t, { store, exporter, engines: engines() });
  await last.spansAfterStop();
  t.deepEqual(
    exporter
      .getFinishedSpans()
      .map(({ attributes, status }) => [
        attributes['worker_runtime.run.id'],
        attributes['worker_runtime.run.outcome'],
        status.code,
      ]),
    [
      [finished, 'completed', SpanStatusCode.UNSET],
      [cut, 'interrupted', SpanStatusCode.ERROR],
    ],
  );
});

test('P81: an exporter that fails, throws or hangs disturbs no run', async (t) => {
  const hang = new Promise<never>(() => {});
  const exporters: readonly SpanExporter[] = [
    { export: (_, done) => done({ code: 1, error: new Error('refused') }), shutdown: async () => {} },
    {
      export: () => {
        throw new Error('broken');
      },
      shutdown: async () => {},
    },
    { export: () => {}, forceFlush: () => hang, shutdown: () => hang },
  ];
  for (const exporter of exporters) {
    const { runtime } = await begin(t, {
      exporter,
      engines: [scriptedEngine(() => [{ type: 'text', text: 'done' }])],
    });
    await runtime.createWorker({ engine: 'scripted', workerId: 'w' });
    for (let at = 0; at < 3; at += 1)
      t.is((await runtime.sendInput('w', { text: 'go' }, { waitMs: 10_000 })).run?.outcome, 'completed');
    await runtime.stop();
    t.is((await runtime.diagnostics().catch(() => ({ items: [] }))).items.length, 0);
  }
});

test('P81: a tracer that throws disturbs no run', async (t) => {
  const tracerProvider = {
    getTracer: () => ({
      startSpan: (): never => {
        throw new Error('broken');
      },
      startActiveSpan: (): never => {
        throw new Error('broken');
      },
    }),
  };
  const { runtime } = await begin(t, {
    engines: [scriptedEngine(() => [{ type: 'text', text: 'done' }])],
    options: { tracerProvider },
  });
  await runtime.createWorker({ engine: 'scripted', workerId: 'w' });
  for (let at = 0; at < 3; at += 1)
    t.is((await runtime.sendInput('w', { text: 'go' }, { waitMs: 10_000 })).run?.outcome, 'completed');
  t.deepEqual((await runtime.diagnostics()).items, []);
});

test('P81: a run of many pages has all of its spans, also if its Worker works on the next one', async (t) => {
  const CALLS = 400;
  const { runtime, spansAfterStop } = await begin(t, {
    engines: [
      scriptedEngine(() =>
        Array.from({ length: CALLS }, (_, at) => [
          { type: 'tool-call', call: `c${at}`, name: 'count', input: { at } } as const,
          { type: 'tool-result', call: `c${at}`, output: at } as const,
        ]),
      ),
    ],
  });
  await runtime.createWorker({ engine: 'scripted', workerId: 'w' });
  const { runId: first } = await runtime.sendInput('w', { text: 'go' });
  const { runId: second } = await runtime.sendInput('w', { text: 'go', whenBusy: 'queue' });
  for (const runId of [first, second]) t.is((await runtime.waitForRun('w', runId)).run?.outcome, 'completed');
  const spans = await spansAfterStop();
  for (const runId of [first, second]) {
    const run = spans.find(({ attributes }) => attributes['worker_runtime.run.id'] === runId);
    const calls = spans
      .filter(({ parentSpanContext: parent }) => parent?.spanId === run?.spanContext().spanId)
      .map(({ attributes }) => attributes['gen_ai.tool.call.id']);
    t.deepEqual(
      calls.filter((call) => call !== undefined),
      Array.from({ length: CALLS }, (_, at) => `c${at}`),
    );
  }
  t.is(spans.length, 2 * (CALLS + 1));
});

/** The context of a program, as its SDK keeps it. */
const kept = new AsyncLocalStorage<Context>();
context.setGlobalContextManager({
  active: () => kept.getStore() ?? ROOT_CONTEXT,
  with: (active, act, self, ...args) => kept.run(active, () => act.apply(self, args)),
  bind: (_, target) => target,
  enable() {
    return this;
  },
  disable() {
    return this;
  },
});

test('spans of a program around the runtime do not become parents by accident', async (t) => {
  const { runtime, spansAfterStop } = await begin(t, {
    engines: [scriptedEngine(() => [{ type: 'text', text: 'done' }])],
  });
  await runtime.createWorker({ engine: 'scripted', workerId: 'w' });
  const around = trace.setSpanContext(context.active(), { traceId: TRACE, spanId: SPAN, traceFlags: 1 });
  await context.with(around, () => runtime.sendInput('w', { text: 'go' }, { waitMs: 10_000 }));
  const [run] = await spansAfterStop();
  t.is(run?.parentSpanContext, undefined);
});

test('options are checked', (t) => {
  t.notThrows(() => otel({ content: 'true' as unknown as boolean }));
  for (const [options, message] of [
    [{ contents: true }, /otel\.contents does not exist/],
    [{ content: 'yes' }, /otel\.content must be true or false/],
    [{ tracerProvider: 'global' }, /otel\.tracerProvider must be a TracerProvider/],
  ] as const)
    t.throws(() => otel(options as unknown as OtelOptions), { code: 'INVALID_REQUEST', message });
});
