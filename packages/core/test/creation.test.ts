import test, { type ExecutionContext } from 'ava';
import type { RuntimePlugin } from '../src/contracts/plugin.ts';
import { type ErrorCode, RuntimeError } from '../src/contracts/runtime-error.ts';
import { memoryStore } from '../src/memory-store/memory-store.ts';
import { type FaultyStore, faultyStore, type StoreFault } from '../src/testing/faulty-store.ts';
import { storedLogs } from '../src/testing/stored-logs.ts';
import { Puppet } from './fixtures/puppet.ts';
import {
  codeOf,
  errorOf,
  logOf,
  makeRig,
  onClock,
  plugin,
  settle,
  shutDown,
  startRig,
} from './fixtures/rig.ts';

const COMMIT_TIMEOUT_MS = 1_000;
const ATTACH_TIMEOUT_MS = 2_000;
const LIMITS = {
  commitTimeoutMs: COMMIT_TIMEOUT_MS,
  attachTimeoutMs: ATTACH_TIMEOUT_MS,
  pluginTimeoutMs: 500,
};

const request = {
  workerId: 'w',
  engine: 'puppet',
  claims: [{ name: 'docs', resource: 'fs:/docs', mode: 'write' }],
  initialInput: { text: 'first' },
} as const;

interface Fault {
  readonly title: string;
  readonly code: ErrorCode;
  readonly plugins?: readonly RuntimePlugin[];
  readonly puppet?: Puppet;
  /** True if the log had begun before the fault, so that the engine must forget the Worker. */
  readonly hasBegun: boolean;
  readonly plan?: (faulty: FaultyStore) => void;
}

const never = (): Promise<never> => new Promise(() => {});

const refusing = (hook: 'prepare' | 'admit'): RuntimePlugin =>
  plugin('gate', (host) => {
    let isFirst = true;
    host.hooks[hook].tapPromise(async () => {
      const wasFirst = isFirst;
      isFirst = false;
      if (wasFirst) throw new RuntimeError('FORBIDDEN', 'Not today');
      return undefined as never;
    });
  });

const once = (act: () => Promise<void>): (() => Promise<void>) => {
  let isFirst = true;
  return async () => {
    const wasFirst = isFirst;
    isFirst = false;
    if (wasFirst) await act();
  };
};

const codes: Record<StoreFault, ErrorCode> = {
  full: 'STORE_FULL',
  conflict: 'STORE_CONFLICT',
  'unavailable-lost': 'STORE_UNAVAILABLE',
  'unavailable-done': 'STORE_UNAVAILABLE',
};

const faults: readonly Fault[] = [
  ...(['full', 'conflict', 'unavailable-lost'] as const).flatMap((fault): Fault[] => [
    {
      title: `${fault} at worker.created`,
      code: codes[fault],
      hasBegun: false,
      plan: (faulty) => faulty.failAt(1, fault),
    },
    {
      title: `${fault} at execution.attached`,
      code: codes[fault],
      hasBegun: true,
      plan: (faulty) => faulty.failAt(2, fault),
    },
  ]),
  { title: 'prepare throws', code: 'FORBIDDEN', hasBegun: false, plugins: [refusing('prepare')] },
  { title: 'admit throws', code: 'FORBIDDEN', hasBegun: false, plugins: [refusing('admit')] },
  {
    title: 'the engine refuses the config',
    code: 'CONFIG_UNSUPPORTED',
    hasBegun: false,
    puppet: (() => {
      let isFirst = true;
      return new Puppet({
        checkConfig: () => {
          if (isFirst) {
            isFirst = false;
            throw new RuntimeError('CONFIG_UNSUPPORTED');
          }
        },
      });
    })(),
  },
  {
    title: 'attach throws',
    code: 'ENGINE_UNAVAILABLE',
    hasBegun: true,
    puppet: new Puppet({ onAttach: once(() => Promise.reject(new TypeError('no'))) }),
  },
  {
    title: 'attach refuses',
    code: 'CONFIG_UNSUPPORTED',
    hasBegun: true,
    puppet: new Puppet({ onAttach: once(() => Promise.reject(new RuntimeError('CONFIG_UNSUPPORTED'))) }),
  },
  {
    title: 'attach hangs',
    code: 'ENGINE_UNAVAILABLE',
    hasBegun: true,
    puppet: new Puppet({ onAttach: once(never) }),
  },
];

const assertNoWorker = async (
  t: ExecutionContext,
  runtime: ReturnType<typeof makeRig>['runtime'],
): Promise<void> => {
  t.deepEqual((await runtime.listWorkers()).items, []);
  t.is((await runtime.summary()).workers.total, 0);
  t.is(await codeOf(runtime.getWorker('w')), 'WORKER_NOT_FOUND');
  t.is(await codeOf(runtime.sendInput('w', { text: 'hello' })), 'WORKER_NOT_FOUND');
};

for (const fault of faults) {
  test(`P11: ${fault.title}: nothing is created, id and claims are free, and a retry is not a replay`, async (t) => {
    const inner = memoryStore();
    const faulty = faultyStore(inner);
    const puppet = fault.puppet ?? new Puppet();
    const committed: string[] = [];
    const watcher = plugin('watcher', (host) =>
      host.hooks.committed.tap(({ events }) => committed.push(...events.map((event) => event.type))),
    );
    const rig = makeRig({
      store: faulty,
      engines: [puppet],
      plugins: [...(fault.plugins ?? []), watcher],
      limits: LIMITS,
    });
    const { runtime, clock } = rig;
    await runtime.start();
    fault.plan?.(faulty);
    const options = { idempotencyKey: 'key' };
    t.is(await onClock(clock, codeOf(runtime.createWorker(request, options))), fault.code);
    await assertNoWorker(t, runtime);
    t.deepEqual(puppet.forgotten, fault.hasBegun ? ['w'] : puppet.forgotten.slice(0, 1));
    t.is(puppet.runs.length, 0, 'no run has begun');
    if (fault.hasBegun) t.deepEqual(committed, ['worker.created', 'worker.deleted']);

    // A crash at this moment would leave no log.
    await inner.close();
    const host = {
      log: console,
      configuration: null,
      keptKeys: 1_000,
      lost: () => {},
      snapshotOf: () => undefined,
      report: () => {},
    };
    t.deepEqual(await storedLogs(inner.open(host)), []);

    const { worker, input, replayed } = await runtime.createWorker(request, options);
    t.deepEqual([worker.status, replayed, input?.queued], ['running', false, false]);
    t.is(await codeOf(runtime.createWorker({ ...request, workerId: 'v' })), 'CLAIM_CONFLICT');
    t.deepEqual(
      (await logOf(runtime, 'w')).map((event) => event.type),
      ['worker.created', 'execution.attached', 'input.accepted', 'run.started'],
    );
    await shutDown(rig);
  });
}

test('P11: a claim conflict, an id in use and a full runtime are refused before anything is written', async (t) => {
  const faulty = faultyStore(memoryStore());
  const { runtime, puppet } = await startRig(t, { store: faulty, limits: { workers: 2 } });
  await runtime.createWorker(request);
  const writes = (): number => faulty.calls.filter((call) => call.isWrite).length;
  const before = writes();
  t.is(await codeOf(runtime.createWorker({ ...request, workerId: 'v' })), 'CLAIM_CONFLICT');
  t.is(await codeOf(runtime.createWorker(request)), 'WORKER_EXISTS');
  await runtime.createWorker({ workerId: 'v', engine: 'puppet' });
  t.is(await codeOf(runtime.createWorker({ engine: 'puppet' })), 'LIMIT_REACHED');
  t.is(writes(), before + 2);
  t.deepEqual(puppet.forgotten, []);
});

test('P11: of several concurrent creations of one id exactly one succeeds', async (t) => {
  const { runtime } = await startRig(t);
  const outcomes = await Promise.all([1, 2, 3].map(() => codeOf(runtime.createWorker(request))));
  t.deepEqual(outcomes.sort(), ['WORKER_EXISTS', 'WORKER_EXISTS', 'none']);
});

for (const outcome of ['done', 'lost'] as const) {
  test(`P11: if execution.attached stalls, then is ${outcome}, the creation fails in time and leaves no Worker`, async (t) => {
    const faulty = faultyStore(memoryStore());
    const rig = makeRig({ store: faulty, limits: LIMITS });
    const { runtime, clock, puppet } = rig;
    await runtime.start();
    const seen: string[] = [];
    const watching = (async () => {
      for await (const item of runtime.watch()) seen.push(item.type);
    })();
    const stall = faulty.stall('append');
    const created = codeOf(runtime.createWorker(request, { idempotencyKey: 'key' }));
    await stall.reached;
    t.is(await onClock(clock, created, 100), 'STORE_UNAVAILABLE');
    await assertNoWorker(t, runtime);
    stall.release(outcome);
    await clock.advance(0);
    await assertNoWorker(t, runtime);
    await clock.advance(10_000);
    await assertNoWorker(t, runtime);
    t.is(puppet.runs.length, 0);
    t.deepEqual(puppet.detached, [{ workerId: 'w', generation: 1, reason: 'creation' }]);
    t.deepEqual(puppet.forgotten, ['w']);
    const again = await runtime.createWorker(request, { idempotencyKey: 'key' });
    t.is(again.worker.status, 'running');
    await shutDown(rig);
    await watching;
    t.deepEqual(
      seen.filter((type) => type === 'worker-removed'),
      [],
    );
  });
}

test('P11: a creation that a crash interrupted is removed at the next start, and its engine forgets it', async (t) => {
  const store = memoryStore();
  const stuck = makeRig({ store, engines: [new Puppet({ onAttach: never })], limits: LIMITS });
  await stuck.runtime.start();
  const creating = codeOf(stuck.runtime.createWorker(request, { idempotencyKey: 'key' }));
  await settle();
  await store.close();
  const { runtime, puppet } = await startRig(t, { store, limits: LIMITS });
  await assertNoWorker(t, runtime);
  t.deepEqual(puppet.forgotten, ['w']);
  const { replayed } = await runtime.createWorker(request, { idempotencyKey: 'key' });
  t.false(replayed);
  t.is(await onClock(stuck.clock, creating), 'ENGINE_UNAVAILABLE');
});

test('P11: a log whose removal failed is removed at the next start, and a new Worker with its id is kept', async (t) => {
  const inner = memoryStore();
  const faulty = faultyStore(inner);
  const first = makeRig({ store: faulty, limits: LIMITS });
  await first.runtime.start();
  await first.runtime.createWorker({ workerId: 'w', engine: 'puppet' }, { idempotencyKey: 'key' });
  await first.runtime.stopWorker('w');
  faulty.failWhile('remove', 'unavailable-lost');
  await first.runtime.deleteWorker('w');
  await assertNoWorker(t, first.runtime);
  // A new Worker gets the id before the old log is removed.
  await first.runtime.createWorker({ workerId: 'w', engine: 'puppet' }, { idempotencyKey: 'key' });
  await shutDown(first);
  const { runtime, puppet } = await startRig(t, { store: inner, limits: LIMITS });
  t.deepEqual(
    (await runtime.listWorkers()).items.map((worker) => worker.workerId),
    ['w'],
  );
  t.deepEqual(puppet.forgotten, [], 'the engine keeps the data of the new Worker');
  const { replayed } = await runtime.createWorker(
    { workerId: 'w', engine: 'puppet' },
    { idempotencyKey: 'key' },
  );
  t.true(replayed);
});

test('P22: a deletion ends in time even if the store does not remove and the engine does not forget', async (t) => {
  const faulty = faultyStore(memoryStore());
  const puppet = new Puppet();
  puppet.forget = never;
  const { runtime, clock } = await startRig(t, { store: faulty, engines: [puppet], limits: LIMITS });
  await runtime.createWorker({ workerId: 'w', engine: 'puppet' });
  await runtime.stopWorker('w');
  const stall = faulty.stall('remove');
  await onClock(clock, runtime.deleteWorker('w'));
  await assertNoWorker(t, runtime);
  stall.release('done');
});

test('a session that arrives after the attach timeout is detached immediately', async (t) => {
  let connect = (): void => {};
  const puppet = new Puppet({
    onAttach: () =>
      new Promise((resolve) => {
        connect = resolve;
      }),
  });
  const { runtime, clock } = await startRig(t, { engines: [puppet], limits: LIMITS });
  const created = errorOf(runtime.createWorker(request));
  await settle();
  await clock.advance(ATTACH_TIMEOUT_MS);
  t.is((await created).code, 'ENGINE_UNAVAILABLE');
  t.deepEqual(puppet.detached, []);
  connect();
  await settle();
  t.deepEqual(puppet.detached, [{ workerId: 'w', generation: 1, reason: 'creation' }]);
});
