import { isDeepStrictEqual } from 'node:util';
import test from 'ava';
import fc from 'fast-check';
import type { RuntimeStore } from '../../src/contracts/store.ts';
import { memoryStore } from '../../src/memory-store/memory-store.ts';
import type { PuppetRun } from '../fixtures/puppet.ts';
import {
  codeOf,
  flawsOf,
  foldOf,
  logOf,
  makeRig,
  onClock,
  type Rig,
  settle,
  shutDown,
} from '../fixtures/rig.ts';

const QUEUE = 2;
const OPEN_REQUESTS = 2;
const STOP_DEADLINE_MS = 5_000;
const LIMITS = { queuedInputs: QUEUE, openRequests: OPEN_REQUESTS, stopDeadlineMs: STOP_DEADLINE_MS };

/** The expected state of a Worker, derived only from the promises in docs/semantics.md. */
interface ModelWorker {
  stopResult: 'graceful' | 'detached' | null;
  isConnected: boolean;
  generation: number;
  run: { readonly id: string; isStubborn: boolean } | null;
  queue: string[];
  open: string[];
  resolved: Map<string, string | null>;
  outcomes: Record<string, string>;
  displayName: string | null;
}

type Model = Map<string, ModelWorker>;

interface Real {
  readonly store: RuntimeStore;
  rig: Rig;
  /** Runs whose execution was detached, but that have not ended. */
  readonly detachedRuns: PuppetRun[];
  /** The answers that engines wait for, by request id. */
  readonly answers: Map<string, Promise<{ readonly decision: string | null }>>;
}

const statusOf = (worker: ModelWorker): string =>
  worker.stopResult !== null
    ? 'stopped'
    : worker.run === null
      ? 'idle'
      : worker.open.length > 0
        ? 'waiting'
        : 'running';

const attach = (worker: ModelWorker): void => {
  if (worker.isConnected) return;
  worker.isConnected = true;
  worker.generation += 1;
};

const startNext = (worker: ModelWorker): void => {
  const next = worker.queue[0];
  if (worker.run !== null || next === undefined) return;
  attach(worker);
  worker.queue.shift();
  worker.run = { id: next, isStubborn: false };
};

const endRun = (worker: ModelWorker, outcome: string): void => {
  if (!worker.run) return;
  worker.outcomes[worker.run.id] = outcome;
  for (const request of worker.open) worker.resolved.set(request, null);
  worker.open = [];
  worker.run = null;
};

const assertEqual = (what: string, actual: unknown, expected: unknown): void => {
  if (isDeepStrictEqual(actual, expected)) return;
  throw new TypeError(`${what}: ${JSON.stringify(actual)} instead of ${JSON.stringify(expected)}`);
};

/** Compares all that the API shows of every Worker with the model. */
const compare = async (model: Model, { rig, answers }: Real): Promise<void> => {
  await settle();
  const { runtime } = rig;
  const listed = await runtime.listWorkers();
  assertEqual('listed', listed.items.map((worker) => worker.workerId).sort(), [...model.keys()].sort());
  for (const [workerId, worker] of model) {
    const detail = await runtime.getWorker(workerId);
    const requests = await runtime.listRequests(workerId);
    const events = await logOf(runtime, workerId);
    const expected = {
      status: statusOf(worker),
      runId: worker.run?.id ?? null,
      queue: worker.queue,
      generation: worker.generation,
      displayName: worker.displayName,
      openRequests: worker.open,
      outcomes: worker.outcomes,
      stopResult: worker.stopResult,
    };
    assertEqual(`flaws of ${workerId}`, flawsOf(events), []);
    assertEqual(`fold of ${workerId}`, { ...foldOf(events) }, expected);
    assertEqual(
      `detail of ${workerId}`,
      {
        status: detail.status,
        runId: detail.run?.runId ?? null,
        queued: detail.queued,
        generation: detail.execution.generation,
        isConnected: detail.execution.connected,
        displayName: detail.displayName,
        openRequests: requests.items.map((request) => request.requestId),
        lastSeq: detail.lastSeq,
      },
      {
        status: expected.status,
        runId: expected.runId,
        queued: worker.queue.length,
        generation: worker.generation,
        isConnected: worker.isConnected,
        displayName: worker.displayName,
        openRequests: worker.open,
        lastSeq: events.length,
      },
    );
    for (const [request, decision] of worker.resolved) {
      const answer = await Promise.race([answers.get(request), settle().then(() => 'no answer')]);
      if (answers.has(request))
        assertEqual(`answer to ${request}`, (answer as { decision: unknown }).decision, decision);
    }
  }
};

type Act = (model: Model, real: Real) => Promise<void>;

/** One random step: it acts on the runtime and on the model, then compares the two. */
class Step implements fc.AsyncCommand<Model, Real> {
  readonly #title: string;
  readonly #act: Act;
  readonly #isPossible: (model: Readonly<Model>) => boolean;

  constructor(title: string, act: Act, isPossible: (model: Readonly<Model>) => boolean = () => true) {
    this.#title = title;
    this.#act = act;
    this.#isPossible = isPossible;
  }

  check(model: Readonly<Model>): boolean {
    return this.#isPossible(model);
  }

  async run(model: Model, real: Real): Promise<void> {
    await this.#act(model, real);
    await compare(model, real);
  }

  toString(): string {
    return this.#title;
  }
}

const workerIds = fc.constantFrom('a', 'b');
const at = (model: Readonly<Model>, id: string): ModelWorker => model.get(id) as ModelWorker;

const create = fc.tuple(workerIds, fc.boolean()).map(
  ([workerId, hasInput]) =>
    new Step(`create ${workerId}${hasInput ? ' with input' : ''}`, async (model, { rig }) => {
      const request = {
        engine: 'puppet',
        workerId,
        ...(hasInput && { initialInput: { text: 'first' } }),
      };
      if (model.has(workerId)) {
        assertEqual('code', await codeOf(rig.runtime.createWorker(request)), 'WORKER_EXISTS');
        return;
      }
      const { input } = await rig.runtime.createWorker(request);
      model.set(workerId, {
        stopResult: null,
        isConnected: true,
        generation: 1,
        run: input && { id: input.runId, isStubborn: false },
        queue: [],
        open: [],
        resolved: new Map(),
        outcomes: {},
        displayName: null,
      });
    }),
);

const sendOne = async (
  model: Model,
  { rig }: Real,
  workerId: string,
  whenBusy: 'reject' | 'queue',
): Promise<() => Promise<void>> => {
  const worker = model.get(workerId);
  const call = rig.runtime.sendInput(workerId, { text: 'hello', whenBusy });
  const refusal = (): string | null => {
    if (!worker) return 'WORKER_NOT_FOUND';
    if (worker.stopResult) return 'WORKER_STOPPED';
    if (!worker.run) return null;
    if (whenBusy === 'reject') return 'WORKER_BUSY';
    return worker.queue.length < QUEUE ? null : 'LIMIT_REACHED';
  };
  return async () => {
    const code = refusal();
    if (code !== null || !worker) {
      assertEqual('code', await codeOf(call), code);
      return;
    }
    const receipt = await call;
    assertEqual('queued', receipt.queued, worker.run !== null);
    worker.queue.push(receipt.runId);
    startNext(worker);
  };
};

const input = fc
  .tuple(workerIds, fc.constantFrom<'reject' | 'queue'>('reject', 'queue'), fc.integer({ min: 1, max: 3 }))
  .map(
    ([workerId, whenBusy, count]) =>
      new Step(`input ${workerId} ${whenBusy} x${count}`, async (model, real) => {
        // Concurrent inputs are decided in the order of the calls.
        const checks: (() => Promise<void>)[] = [];
        for (let n = 0; n < count; n += 1) checks.push(await sendOne(model, real, workerId, whenBusy));
        for (const check of checks) await check();
      }),
  );

const keepDetachedRun = ({ rig, detachedRuns }: Real, workerId: string): void => {
  if (rig.puppet.runs.some((run) => run.worker.workerId === workerId))
    detachedRuns.push(rig.puppet.last(workerId));
};

const cancel = fc.tuple(workerIds, fc.constantFrom('any', 'current', 'other')).map(
  ([workerId, which]) =>
    new Step(`cancel ${workerId} ${which}`, async (model, real) => {
      const { runtime, clock } = real.rig;
      const worker = model.get(workerId);
      const runId = which === 'current' ? worker?.run?.id : which === 'other' ? 'run_other' : undefined;
      const call = runtime.cancelRun(workerId, runId === undefined ? {} : { runId });
      if (!worker) return assertEqual('code', await codeOf(call), 'WORKER_NOT_FOUND');
      if (!worker.run) return assertEqual('answer', await call, { changed: false, status: statusOf(worker) });
      if (which === 'other') return assertEqual('code', await codeOf(call), 'RUN_MISMATCH');
      const { isStubborn } = worker.run;
      if (isStubborn) {
        keepDetachedRun(real, workerId);
        worker.isConnected = false;
      }
      endRun(worker, 'cancelled');
      const { changed } = await onClock(clock, call, STOP_DEADLINE_MS);
      assertEqual('changed', changed, true);
      startNext(worker);
    }),
);

const stop = workerIds.map(
  (workerId) =>
    new Step(`stop ${workerId}`, async (model, real) => {
      const { runtime, clock } = real.rig;
      const worker = model.get(workerId);
      const call = runtime.stopWorker(workerId);
      if (!worker) return assertEqual('code', await codeOf(call), 'WORKER_NOT_FOUND');
      const changed = worker.stopResult === null;
      if (changed) {
        if (worker.run?.isStubborn) keepDetachedRun(real, workerId);
        worker.stopResult = worker.run?.isStubborn ? 'detached' : 'graceful';
        worker.isConnected = false;
        endRun(worker, 'cancelled');
        for (const queued of worker.queue.splice(0)) worker.outcomes[queued] = 'cancelled';
      }
      const again = runtime.stopWorker(workerId);
      const answer = { status: 'stopped', outcome: worker.stopResult };
      assertEqual('stop', await onClock(clock, call, STOP_DEADLINE_MS), { ...answer, changed });
      assertEqual('second stop', await again, { ...answer, changed: false });
    }),
);

const resume = workerIds.map(
  (workerId) =>
    new Step(`resume ${workerId}`, async (model, { rig }) => {
      const worker = model.get(workerId);
      const call = rig.runtime.resumeWorker(workerId);
      if (!worker) return assertEqual('code', await codeOf(call), 'WORKER_NOT_FOUND');
      worker.stopResult = null;
      attach(worker);
      assertEqual('status', (await call).status, statusOf(worker));
    }),
);

const update = fc.tuple(workerIds, fc.constantFrom('one', 'two', null)).map(
  ([workerId, displayName]) =>
    new Step(`update ${workerId} ${displayName}`, async (model, { rig }) => {
      const worker = model.get(workerId);
      const call = rig.runtime.updateWorker(workerId, { displayName });
      if (!worker) return assertEqual('code', await codeOf(call), 'WORKER_NOT_FOUND');
      worker.displayName = displayName;
      assertEqual('displayName', (await call).displayName, displayName);
    }),
);

const remove = workerIds.map(
  (workerId) =>
    new Step(`delete ${workerId}`, async (model, { rig }) => {
      const worker = model.get(workerId);
      const code = worker ? (worker.stopResult ? 'none' : 'WORKER_NOT_STOPPED') : 'WORKER_NOT_FOUND';
      assertEqual('code', await codeOf(rig.runtime.deleteWorker(workerId)), code);
      if (code === 'none') model.delete(workerId);
    }),
);

const respond = fc
  .tuple(workerIds, fc.constantFrom(0, 0, 0, 1, 2), fc.constantFrom('yes', 'yes', 'no', 'maybe'))
  .map(
    ([workerId, index, decision]) =>
      new Step(`respond ${workerId} ${index} ${decision}`, async (model, { rig }) => {
        const worker = model.get(workerId);
        const known = worker ? [...worker.open, ...[...worker.resolved.keys()].reverse()] : [];
        const requestId = known[index] ?? 'request_unknown';
        const call = rig.runtime.respond(workerId, requestId, { decision });
        if (!worker) return assertEqual('code', await codeOf(call), 'WORKER_NOT_FOUND');
        if (worker.resolved.has(requestId)) {
          if (worker.resolved.get(requestId) === decision)
            return assertEqual('changed', (await call).changed, false);
          return assertEqual('code', await codeOf(call), 'REQUEST_RESOLVED');
        }
        if (!worker.open.includes(requestId))
          return assertEqual('code', await codeOf(call), 'REQUEST_NOT_FOUND');
        if (decision === 'maybe') return assertEqual('code', await codeOf(call), 'INVALID_REQUEST');
        worker.open = worker.open.filter((request) => request !== requestId);
        worker.resolved.set(requestId, decision);
        return assertEqual('changed', (await call).changed, true);
      }),
  );

const isRunning =
  (workerId: string) =>
  (model: Readonly<Model>): boolean =>
    model.get(workerId)?.run != null;

const engineActs = fc
  .tuple(workerIds, fc.constantFrom('complete', 'fail', 'message', 'ask', 'ask', 'hang', 'crash'))
  .map(([workerId, act]) => {
    const perform: Act = async (model, real) => {
      const { puppet } = real.rig;
      const worker = at(model, workerId);
      const run = puppet.last(workerId);
      if (act === 'message') run.say('hm');
      if (act === 'hang' && worker.run) {
        run.isStubborn = true;
        worker.run.isStubborn = true;
      }
      if (act === 'complete') {
        run.finish();
        endRun(worker, 'completed');
        startNext(worker);
      }
      if (act === 'fail') {
        run.fail(new TypeError('a bug of the engine'));
        endRun(worker, 'failed');
        startNext(worker);
      }
      if (act === 'crash') {
        real.detachedRuns.push(run);
        puppet.context(workerId).lost(new TypeError('the process died'));
        worker.isConnected = false;
        endRun(worker, 'failed');
        startNext(worker);
      }
      if (act === 'ask') {
        const answer = run.run.ask({ kind: 'question', prompt: 'Well?', options: ['yes', 'no'] });
        if (worker.open.length >= OPEN_REQUESTS)
          return assertEqual('code', await codeOf(answer), 'LIMIT_REACHED');
        await settle();
        const { items } = await real.rig.runtime.listRequests(workerId);
        const requestId = items.at(-1)?.requestId ?? '';
        worker.open.push(requestId);
        real.answers.set(requestId, answer);
      }
    };
    return new Step(`engine of ${workerId}: ${act}`, perform, isRunning(workerId));
  });

const begin = workerIds.map(
  (workerId) =>
    new Step(
      `engine of ${workerId} begins a run`,
      async (model, { rig }) => {
        const worker = at(model, workerId);
        const code = await codeOf(rig.puppet.context(workerId).beginRun());
        assertEqual(
          'code',
          code,
          worker.isConnected ? (worker.run ? 'WORKER_BUSY' : 'none') : 'EXECUTION_LOST',
        );
        if (code !== 'none') return;
        worker.run = { id: rig.puppet.last(workerId).run.runId, isStubborn: false };
      },
      (model) => model.has(workerId) && at(model, workerId).generation > 0 && at(model, workerId).isConnected,
    ),
);

const lateOutput = fc.constant(
  new Step('a detached run sends a message, calls its context and ends', async (_model, { detachedRuns }) => {
    for (const run of detachedRuns.splice(0)) {
      assertEqual('code', await codeOf(run.worker.beginRun()), 'EXECUTION_LOST');
      assertEqual('code', await codeOf(run.worker.createChild({ engine: 'puppet' })), 'EXECUTION_LOST');
      run.say('too late').finish();
    }
  }),
);

const restart = fc.constant(
  new Step('restart', async (model, real) => {
    await shutDown(real.rig);
    real.rig = makeRig({ store: real.store, limits: LIMITS, clock: real.rig.clock });
    await real.rig.runtime.start();
    await settle(20);
    for (const worker of model.values()) {
      worker.isConnected = false;
      endRun(worker, 'interrupted');
      if (worker.stopResult === null) startNext(worker);
    }
  }),
);

/** Weighted so that runs are active most of the time, and the steps that end them are rare. */
const anyStep = fc.oneof(
  { arbitrary: create, weight: 3 },
  { arbitrary: input, weight: 8 },
  { arbitrary: cancel, weight: 2 },
  { arbitrary: stop, weight: 1 },
  { arbitrary: resume, weight: 2 },
  { arbitrary: update, weight: 1 },
  { arbitrary: remove, weight: 1 },
  { arbitrary: respond, weight: 4 },
  { arbitrary: engineActs, weight: 16 },
  { arbitrary: begin, weight: 2 },
  { arbitrary: lateOutput, weight: 1 },
  { arbitrary: restart, weight: 1 },
);

test('P3: after random commands the state and the log of every Worker match the model', async (t) => {
  await fc.assert(
    fc.asyncProperty(fc.commands([anyStep], { maxCommands: 60, size: 'max' }), async (commands) => {
      const store = memoryStore();
      const rig = makeRig({ store, limits: LIMITS });
      await rig.runtime.start();
      const real: Real = { store, rig, detachedRuns: [], answers: new Map() };
      try {
        await fc.asyncModelRun(() => ({ model: new Map() as Model, real }), commands);
      } finally {
        await shutDown(real.rig);
      }
    }),
    { numRuns: 500, includeErrorInReport: true },
  );
  t.pass();
});
