import test, { type ExecutionContext } from 'ava';
import type { RuntimePlugin } from '../src/contracts/plugin.ts';
import { type ErrorCode, RuntimeError } from '../src/contracts/runtime-error.ts';
import { memoryStore } from '../src/memory-store/memory-store.ts';
import { type FaultyStore, faultyStore, type StoreFault } from '../src/testing/faulty-store.ts';
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
  /** Whether the log had begun, so that there is something to forget. */
  readonly hasBegun: boolean;
  readonly plan?: (faulty: FaultyStore) => void;
}

const never = (): Promise<never> => new Promise(() => {});

const refusing = (hook: 'prepare' | 'admit'): RuntimePlugin =>
  plugin('gate', (host) => {
    let isOn = true;
    host.hooks[hook].tapPromise(async () => {
      const wasOn = isOn;
      isOn = false;
      if (wasOn) throw new RuntimeError('FORBIDDEN', 'Not today');
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

const assertNothing = async (
  t: ExecutionContext,
  runtime: ReturnType<typeof makeRig>['runtime'],
): Promise<void> => {
  t.deepEqual((await runtime.listWorkers()).items, []);
  t.is((await runtime.summary()).workers.total, 0);
  t.is(await codeOf(runtime.getWorker('w')), 'WORKER_NOT_FOUND');
  t.is(await codeOf(runtime.sendInput('w', { text: 'hello' })), 'WORKER_NOT_FOUND');
};

for (const fault of faults) {
  test(`P11: ${fault.title}: nothing was created, id and claims are free, a retry is the first`, async (t) => {
    const inner = memoryStore();
    const faulty = faultyStore(inner);
    const puppet = fault.puppet ?? new Puppet();
    const told: string[] = [];
    const watcher = plugin('watcher', (host) =>
      host.hooks.committed.tap(({ events }) => told.push(...events.map((event) => event.type))),
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
    await assertNothing(t, runtime);
    t.deepEqual(puppet.forgotten, fault.hasBegun ? ['w'] : puppet.forgotten.slice(0, 1));
    t.is(puppet.runs.length, 0, 'no run has begun');
    if (fault.hasBegun) t.deepEqual(told, ['worker.created', 'worker.deleted']);

    // what is left after a crash now: nothing
    const { logs } = await (async () => {
      await inner.close();
      return inner.open({
        log: console,
        configuration: null,
        keptKeys: 1_000,
        snapshotOf: () => undefined,
        report: () => {},
      });
    })();
    t.deepEqual([...logs], []);

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

test('P11: a claim that conflicts, an id that is taken, a limit: refused before anything is written', async (t) => {
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

test('P11: of two creations of one id at the same instant exactly one is made', async (t) => {
  const { runtime } = await startRig(t);
  const made = await Promise.all([1, 2, 3].map(() => codeOf(runtime.createWorker(request))));
  t.deepEqual(made.sort(), ['WORKER_EXISTS', 'WORKER_EXISTS', 'none']);
});

for (const outcome of ['done', 'lost'] as const) {
  test(`P11: execution.attached stalls and is ${outcome} at last: refused in time, never shown, its run never begins`, async (t) => {
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
    await assertNothing(t, runtime);
    stall.release(outcome);
    await clock.advance(0);
    await assertNothing(t, runtime);
    await clock.advance(10_000);
    await assertNothing(t, runtime);
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

test('P11: a creation that was on when the process ended is taken back at the next start, and its engine told', async (t) => {
  const store = memoryStore();
  const stuck = makeRig({ store, engines: [new Puppet({ onAttach: never })], limits: LIMITS });
  await stuck.runtime.start();
  const creating = codeOf(stuck.runtime.createWorker(request, { idempotencyKey: 'key' }));
  await settle();
  await store.close();
  const { runtime, puppet } = await startRig(t, { store, limits: LIMITS });
  await assertNothing(t, runtime);
  t.deepEqual(puppet.forgotten, ['w']);
  const { replayed } = await runtime.createWorker(request, { idempotencyKey: 'key' });
  t.false(replayed);
  t.is(await onClock(stuck.clock, creating), 'ENGINE_UNAVAILABLE');
});

test('P11: a log that ended but was not removed in time is removed at the next start, and its engine told', async (t) => {
  const inner = memoryStore();
  const faulty = faultyStore(inner);
  const first = makeRig({ store: faulty, limits: LIMITS });
  await first.runtime.start();
  await first.runtime.createWorker({ workerId: 'w', engine: 'puppet' }, { idempotencyKey: 'key' });
  await first.runtime.stopWorker('w');
  faulty.failWhile('remove', 'unavailable-lost');
  await first.runtime.deleteWorker('w');
  await assertNothing(t, first.runtime);
  // its id is taken again before the old log is gone
  await first.runtime.createWorker({ workerId: 'w', engine: 'puppet' }, { idempotencyKey: 'key' });
  await shutDown(first);
  const { runtime, puppet } = await startRig(t, { store: inner, limits: LIMITS });
  t.deepEqual(
    (await runtime.listWorkers()).items.map((worker) => worker.workerId),
    ['w'],
  );
  t.deepEqual(puppet.forgotten, [], 'what the engine keeps is of the new Worker');
  const { replayed } = await runtime.createWorker(
    { workerId: 'w', engine: 'puppet' },
    { idempotencyKey: 'key' },
  );
  t.true(replayed);
});

test('P22: a store that does not remove, an engine that does not forget: deletion and refusal still end', async (t) => {
  const faulty = faultyStore(memoryStore());
  const puppet = new Puppet();
  puppet.forget = never;
  const { runtime, clock } = await startRig(t, { store: faulty, engines: [puppet], limits: LIMITS });
  await runtime.createWorker({ workerId: 'w', engine: 'puppet' });
  await runtime.stopWorker('w');
  const stall = faulty.stall('remove');
  await onClock(clock, runtime.deleteWorker('w'));
  await assertNothing(t, runtime);
  stall.release('done');
});

test('a session that comes after the time to attach is let go at once', async (t) => {
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
