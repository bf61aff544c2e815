import test from 'ava';
import type { EngineContext, EngineOutput, Run } from '../src/contracts/engine.ts';
import { engine } from '../src/contracts/engine.ts';
import type { WorkerEvent } from '../src/contracts/event.ts';
import type { RuntimeStore } from '../src/contracts/store.ts';
import { memoryStore } from '../src/memory-store/memory-store.ts';
import { faultyStore } from '../src/testing/faulty-store.ts';
import { Puppet } from './fixtures/puppet.ts';
import {
  codeOf,
  flawsOf,
  logOf,
  makeRig,
  plugin,
  type Rig,
  settle,
  shutDown,
  startRig,
} from './fixtures/rig.ts';

const CAPABILITIES = { placement: 'backendInternal', requests: true, continues: true } as const;
const WORKER = {
  workerId: 'w',
  engine: 'steps',
  whenInterrupted: 'continue',
  initialInput: { text: 'go' },
} as const;

const STEPS = 4;
const UNKNOWN = 'Not known whether the call was made.';

/** True if the call of a step needs permission. */
const needsPermission = (step: number): boolean => step % 2 === 0;

/**
 * An engine that works in steps, each with a message, a call and its result. The call of every other step needs permission.
 * It continues after the last step that has a result. `effects` counts the calls that were made.
 */
const stepsEngine = (effects: Map<string, number>) =>
  engine(
    'steps',
    async function* (run: Run, worker: EngineContext): AsyncGenerator<EngineOutput | EngineOutput[]> {
      const done = new Set<string>();
      for await (const { run: runId, parts } of worker.history())
        for (const part of parts) if (runId === run.runId && part.type === 'tool-result') done.add(part.call);
      const make = async (call: string, step: number): Promise<EngineOutput> => {
        if (needsPermission(step)) {
          const { decision } = await run.ask({
            kind: 'permission',
            prompt: `May I do ${call}?`,
            call,
            options: [{ id: 'yes', kind: 'allow-once' }],
          });
          if (decision !== 'yes') return { type: 'tool-result', call, error: 'denied', denied: true };
        }
        effects.set(call, (effects.get(call) ?? 0) + 1);
        return { type: 'tool-result', call, output: 'done' };
      };
      for (const { call, request } of run.openCalls) {
        const step = Number(call);
        const isUnmade = request === 'open' || (request === 'none' && needsPermission(step));
        yield isUnmade ? await make(call, step) : { type: 'tool-result', call, error: UNKNOWN };
        done.add(call);
      }
      for (let step = done.size; step < STEPS; step += 1) {
        yield { type: 'step-start', model: 'm' };
        yield { type: 'text', text: `step ${step}` };
        yield [
          { type: 'message' },
          { type: 'tool-call', call: String(step), name: 'do', input: {} },
          { type: 'usage', inputTokens: 1, outputTokens: 1 },
          { type: 'step-finish', finish: 'tool-calls' },
        ];
        yield await make(String(step), step);
      }
      yield { type: 'message', parts: [{ type: 'text', text: 'finished' }] };
    },
    CAPABILITIES,
  );

/** Ends the store, and with it everything that a process could still do, once an event with this number is committed. */
const killerAt = (seq: number, store: RuntimeStore) =>
  plugin('killer', (host) =>
    host.hooks.committed.tap(({ events }) => {
      if (events.some((event) => event.seq === seq)) void store.close();
    }),
  );

/** Answers the open requests of the Worker until its run has ended or nothing moves any more. */
const work = async ({ runtime, clock }: Pick<Rig, 'runtime' | 'clock'>): Promise<boolean> => {
  for (let round = 0; round < 40; round += 1) {
    await settle();
    const { status } = await runtime.getWorker('w');
    if (status === 'idle') return true;
    const { items } = await runtime.listRequests('w');
    for (const { requestId } of items)
      await runtime.respond('w', requestId, { decision: 'yes' }).catch(() => {});
    if (items.length === 0) await clock.advance(1_000);
  }
  return false;
};

const endsOf = (log: readonly WorkerEvent[]) =>
  log.flatMap((event) => (event.type === 'run.finished' ? [event.data.outcome] : []));

/** Returns the number of events of the run without a kill, and the number of the first of them. */
const undisturbed = async (t: Parameters<typeof startRig>[0]) => {
  const rig = await startRig(t, { engines: [stepsEngine(new Map())] });
  await rig.runtime.createWorker(WORKER);
  t.true(await work(rig));
  const log = await logOf(rig.runtime, 'w');
  return { from: log.find(({ type }) => type === 'run.started')?.seq ?? 0, to: log.length - 1 };
};

test('P54: after a kill at any event of a run, the run ends once, and no call is made twice', async (t) => {
  const { from, to } = await undisturbed(t);
  t.true(to - from > 25, `${to - from} events`);
  for (let seq = from; seq <= to; seq += 1) {
    const effects = new Map<string, number>();
    const store = memoryStore();
    const killed = makeRig({ store, engines: [stepsEngine(effects)], plugins: [killerAt(seq, store)] });
    await killed.runtime.start();
    // a call on a store that has ended may stay open
    void killed.runtime.createWorker(WORKER).catch(() => {});
    await settle();
    await Promise.race([work(killed).catch(() => {}), settle(400)]);
    const rig = await startRig(t, { store, engines: [stepsEngine(effects)] });
    t.true(await work(rig), `killed after event ${seq}`);
    const log = await logOf(rig.runtime, 'w');
    t.deepEqual(flawsOf(log), [], `killed after event ${seq}`);
    t.deepEqual(endsOf(log), ['completed'], `killed after event ${seq}`);
    t.is(log.filter(({ type }) => type === 'tool.called').length, STEPS);
    t.is(log.filter(({ type }) => type === 'tool.finished').length, STEPS);
    t.deepEqual(
      [...effects.values()].filter((count) => count > 1),
      [],
      `killed after event ${seq}`,
    );
    for (let step = 0; step < STEPS; step += 1) {
      const result = log.find(({ type, data }) => type === 'tool.finished' && data.call === String(step));
      const isDone = result?.type === 'tool.finished' && result.data.output === 'done';
      // a call whose effect is not known may have been made
      if (isDone) t.is(effects.get(String(step)), 1, `the call ${step}, killed after event ${seq}`);
      else t.like(result?.data, { error: UNKNOWN });
    }
  }
});

test('P54: an open permission stays open over a kill, with the same id, and its answer counts', async (t) => {
  for (const answersEarly of [true, false]) {
    const effects = new Map<string, number>();
    const store = memoryStore();
    const first = makeRig({ store, engines: [stepsEngine(effects)] });
    await first.runtime.start();
    await first.runtime.createWorker(WORKER);
    await settle();
    const [before] = (await first.runtime.listRequests('w')).items;
    await store.close();
    const isHeld = { now: true };
    const rig = await startRig(t, {
      store,
      engines: [
        {
          ...stepsEngine(effects),
          attach: async (context) => {
            if (isHeld.now) throw new Error('not yet');
            return stepsEngine(effects).attach(context);
          },
        },
      ],
    });
    await settle();
    t.is((await rig.runtime.getWorker('w')).status, 'waiting');
    t.deepEqual((await rig.runtime.listRequests('w')).items, [before]);
    const { items } = await rig.runtime.listOpenRequests();
    t.deepEqual(items, [{ workerId: 'w', ...(before as NonNullable<typeof before>) }]);
    const answer = () => rig.runtime.respond('w', before?.requestId ?? '', { decision: 'yes' });
    if (answersEarly) t.deepEqual(await answer(), { changed: true });
    isHeld.now = false;
    await rig.clock.advance(2_000);
    await settle();
    if (!answersEarly) await answer();
    t.true(await work(rig));
    const log = await logOf(rig.runtime, 'w');
    t.is(log.filter(({ type }) => type === 'request.opened').length, STEPS / 2);
    t.deepEqual([endsOf(log), effects.get('0')], [['completed'], 1]);
  }
});

test('P54: an answer counts that comes after the run has continued and before its execution asks', async (t) => {
  const options = ['yes', 'no'] as const;
  for (const question of [
    { kind: 'permission', prompt: 'May I?', call: 'c', options },
    { kind: 'question', prompt: 'Which one?', options },
  ] as const) {
    const store = memoryStore();
    const puppet = new Puppet({ capabilities: CAPABILITIES });
    const first = makeRig({ store, engines: [puppet] });
    await first.runtime.start();
    await first.runtime.createWorker({ ...WORKER, engine: 'puppet' });
    await settle();
    puppet.last().yield({ type: 'tool-call', call: 'c', name: 'n', input: {} });
    await settle();
    void puppet.last().run.ask(question);
    await settle();
    await store.close();
    const again = new Puppet({ capabilities: CAPABILITIES });
    const { runtime } = await startRig(t, { store, engines: [again] });
    await settle();
    const [open] = (await runtime.listRequests('w')).items;
    await runtime.respond('w', open?.requestId ?? '', { decision: 'no' });
    const { run } = again.last();
    t.deepEqual(await run.ask(question), { decision: 'no', by: 'client' });
    t.deepEqual((await runtime.listRequests('w')).items, []);
    void run.ask(question);
    await settle();
    const [other] = (await runtime.listRequests('w')).items;
    t.not(other?.requestId, open?.requestId, 'the next question is another one');
  }
});

test('P54: an answer counts that is committed together with the continuation of the run', async (t) => {
  const options = ['yes', 'no'] as const;
  for (const question of [
    { kind: 'permission', prompt: 'May I?', call: 'c', options },
    { kind: 'question', prompt: 'Which one?', options },
  ] as const) {
    const inner = memoryStore();
    const puppet = new Puppet({ capabilities: CAPABILITIES });
    const first = makeRig({ store: inner, engines: [puppet] });
    await first.runtime.start();
    await first.runtime.createWorker({ ...WORKER, engine: 'puppet' });
    await settle();
    puppet.last().yield({ type: 'tool-call', call: 'c', name: 'n', input: {} });
    await settle();
    void puppet.last().run.ask(question);
    await settle();
    await inner.close();
    const store = faultyStore(inner);
    let attach = (): void => {};
    const attaching = new Promise<void>((resolve) => {
      attach = resolve;
    });
    const again = new Puppet({ capabilities: CAPABILITIES, onAttach: () => attaching });
    const batches: (readonly WorkerEvent['type'][])[] = [];
    const recorder = plugin('recorder', (host) =>
      host.hooks.committed.tap(({ events }) => {
        batches.push(events.map(({ type }) => type));
      }),
    );
    const { runtime } = await startRig(t, { store, engines: [again], plugins: [recorder] });
    await settle();
    const [open] = (await runtime.listRequests('w')).items;
    // while this append is held, the next decisions collect in one batch
    const stall = store.stall('append');
    const renamed = runtime.updateWorker('w', { displayName: 'renamed' });
    await stall.reached;
    attach();
    await settle();
    const answered = runtime.respond('w', open?.requestId ?? '', { decision: 'no' });
    await settle();
    stall.release('done');
    await Promise.all([renamed, answered]);
    await settle();
    const together = batches.find((types) => types.includes('run.continued'));
    t.true(together?.includes('request.resolved'));
    const { run } = again.last();
    t.deepEqual(run.openCalls, [{ call: 'c', request: question.kind === 'permission' ? 'open' : 'none' }]);
    t.deepEqual(await run.ask(question), { decision: 'no', by: 'client' });
    t.deepEqual((await runtime.listRequests('w')).items, []);
  }
});

test('P54: a question during a call does not make the call look unmade after a kill, and ends with its result', async (t) => {
  const call = { type: 'tool-call', call: 'c', name: 'n', input: {} } as const;
  const question = { kind: 'question', prompt: 'How many?', call: 'c', options: ['send'] } as const;
  for (const answersEarly of [true, false]) {
    const store = memoryStore();
    const puppet = new Puppet({ capabilities: CAPABILITIES });
    const first = makeRig({ store, engines: [puppet] });
    await first.runtime.start();
    await first.runtime.createWorker({ ...WORKER, engine: 'puppet' });
    await settle();
    puppet.last().yield(call);
    await settle();
    void puppet.last().run.ask(question);
    await settle();
    await store.close();
    const isHeld = { now: true };
    const again = new Puppet({
      capabilities: CAPABILITIES,
      onAttach: () => {
        if (isHeld.now) throw new Error('not yet');
      },
    });
    const { runtime, clock } = await startRig(t, { store, engines: [again] });
    await settle();
    const [open] = (await runtime.listRequests('w')).items;
    if (answersEarly) await runtime.respond('w', open?.requestId ?? '', { decision: 'send' });
    isHeld.now = false;
    await clock.advance(2_000);
    await settle();
    t.deepEqual(again.last().run.openCalls, [{ call: 'c', request: 'answered' }]);
    again.last().yield({ type: 'tool-result', call: 'c', error: UNKNOWN });
    await settle();
    t.deepEqual((await runtime.listRequests('w')).items, []);
    t.is((await runtime.getWorker('w')).status, 'running');
    const resolved = (await logOf(runtime, 'w')).flatMap((event) =>
      event.type === 'request.resolved' ? [event.data.by] : [],
    );
    t.deepEqual(resolved, [answersEarly ? 'client' : 'cancel']);
  }
});

test('P54: an orderly stop leaves a run at the end of its step, and the next start continues it', async (t) => {
  const effects = new Map<string, number>();
  const store = memoryStore();
  const first = makeRig({ store, engines: [stepsEngine(effects)] });
  await first.runtime.start();
  await first.runtime.createWorker(WORKER);
  await settle();
  await shutDown(first);
  const rig = await startRig(t, { store, engines: [stepsEngine(effects)] });
  const types = (await logOf(rig.runtime, 'w')).map(({ type }) => type);
  t.false(types.includes('run.finished'));
  t.false(types.includes('request.resolved'));
  t.true(await work(rig));
  const log = await logOf(rig.runtime, 'w');
  t.deepEqual(flawsOf(log), []);
  t.deepEqual(endsOf(log), ['completed']);
  t.deepEqual([...effects.values()], [1, 1, 1, 1]);
  t.true(log.every((event) => event.type !== 'tool.finished' || event.data.output === 'done'));
});

test('P54: an orderly stop waits for the calls of a step, and not for the next step', async (t) => {
  const store = memoryStore();
  const puppet = new Puppet({ capabilities: CAPABILITIES });
  const first = makeRig({ store, engines: [puppet] });
  await first.runtime.start();
  await first.runtime.createWorker({ ...WORKER, engine: 'puppet' });
  await settle();
  const run = puppet.last();
  const { signal } = run.run;
  run.yield([{ type: 'step-start' }, { type: 'tool-call', call: 'c', name: 'n', input: {} }]);
  await settle();
  const stopping = first.runtime.stop({ deadlineMs: 10_000 });
  await settle();
  run.yield({ type: 'tool-result', call: 'c', output: 1 });
  run.yield([{ type: 'step-start' }, { type: 'message', parts: [{ type: 'text', text: 'more' }] }]);
  await stopping;
  const again = await startRig(t, { store, engines: [new Puppet({ capabilities: CAPABILITIES })] });
  await settle();
  t.true(signal.aborted, 'the engine learns that it has to end');
  const types = (await logOf(again.runtime, 'w')).map(({ type }) => type);
  t.true(types.includes('tool.finished'));
  t.false(types.includes('message.completed'));
  t.deepEqual(types.slice(-5), [
    'tool.finished',
    'execution.detached',
    'execution.attached',
    'step.finished',
    'run.continued',
  ]);
});

test('a run that waits to be continued can be cancelled and stopped, and the queue follows', async (t) => {
  for (const command of ['cancelRun', 'stopWorker'] as const) {
    const store = memoryStore();
    const first = makeRig({ store, engines: [stepsEngine(new Map())] });
    await first.runtime.start();
    await first.runtime.createWorker(WORKER);
    await settle();
    await first.runtime.sendInput('w', { text: 'next', whenBusy: 'queue' });
    await store.close();
    const { runtime } = await startRig(t, { store, engines: [] });
    await settle();
    const { status, execution } = await runtime.getWorker('w');
    t.deepEqual(
      [status, execution.connected, execution.lastError?.code],
      ['waiting', false, 'ENGINE_UNAVAILABLE'],
    );
    await runtime[command]('w');
    const log = await logOf(runtime, 'w');
    t.is(endsOf(log)[0], 'cancelled');
    t.is(log.filter(({ type }) => type === 'request.resolved').length, 1);
    t.deepEqual(flawsOf(log), []);
  }
});

test('a Worker whose engine cannot continue runs is refused', async (t) => {
  const { runtime } = await startRig(t);
  t.is(
    await codeOf(runtime.createWorker({ ...WORKER, engine: 'puppet', initialInput: { text: 'x' } })),
    'CONFIG_UNSUPPORTED',
  );
  await runtime.createWorker({ workerId: 'plain', engine: 'puppet' });
  t.is((await runtime.getWorker('plain')).whenInterrupted, 'stop');
  t.is(await codeOf(runtime.updateWorker('plain', { whenInterrupted: 'continue' })), 'CONFIG_UNSUPPORTED');
  const able = await startRig(t, { engines: [new Puppet({ capabilities: CAPABILITIES })] });
  await able.runtime.createWorker({ workerId: 'w', engine: 'puppet' });
  const { whenInterrupted } = await able.runtime.updateWorker('w', { whenInterrupted: 'continue' });
  t.is(whenInterrupted, 'continue');
  t.is((await able.runtime.summary()).capabilities.operations.continue, true);
});

test('a run that was interrupted more than once is continued after a pause', async (t) => {
  const store = memoryStore();
  const options = { store, engines: [new Puppet({ capabilities: CAPABILITIES })] };
  for (let life = 0; life < 2; life += 1) {
    const rig = makeRig(options);
    await rig.runtime.start();
    if (life === 0) await rig.runtime.createWorker({ ...WORKER, engine: 'puppet' });
    await settle();
    await store.close();
  }
  const { runtime, clock } = await startRig(t, options);
  await settle();
  const waiting = await runtime.getWorker('w');
  t.deepEqual([waiting.status, waiting.execution.connected], ['running', false]);
  t.is(waiting.execution.lastError?.code, 'EXECUTION_LOST');
  await clock.advance(1_000);
  await settle();
  t.true((await runtime.getWorker('w')).execution.connected);
  const attempts = (await logOf(runtime, 'w')).flatMap((event) =>
    event.type === 'run.continued' ? [event.data.attempt] : [],
  );
  t.deepEqual(attempts, [2, 3]);
});
