import { inspect } from 'node:util';
import test, { type ExecutionContext } from 'ava';
import { bundleDigest } from '../src/commands/bundles.ts';
import { engine } from '../src/contracts/engine.ts';
import { ERROR_CODES, type ErrorCode, RuntimeError } from '../src/contracts/runtime-error.ts';
import { memoryStore } from '../src/memory-store/memory-store.ts';
import { Runtime } from '../src/runtime/runtime.ts';
import { scoped } from '../src/scope/scoped.ts';
import { faultyStore } from '../src/testing/faulty-store.ts';
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

/** Produces an error. Returns the code that a call, or a run, failed with. */
type Scenario = (t: ExecutionContext) => Promise<unknown>;

const never = (): Promise<never> => new Promise(() => {});
const idle = { workerId: 'w', engine: 'puppet' } as const;
const busy = { ...idle, initialInput: { text: 'go' } } as const;
const digest = `sha256-${'0'.repeat(64)}`;

/** Returns the error code of a run whose engine throws this error. */
const runError = async (t: ExecutionContext, error: unknown): Promise<unknown> => {
  const throwing = engine('throwing', async function* () {
    yield* [];
    throw error;
  });
  const { runtime } = await startRig(t, { engines: [throwing] });
  await runtime.createWorker({ workerId: 'w', engine: 'throwing' });
  const { run } = await runtime.sendInput('w', { text: 'go' }, { waitMs: 1_000 });
  return run?.error?.code;
};

const faultAtUpdate = async (t: ExecutionContext, fault: 'full' | 'conflict' | 'unavailable-lost') => {
  const store = faultyStore(memoryStore());
  const { runtime } = await startRig(t, { store });
  await runtime.createWorker(idle);
  store.failNext('append', fault);
  return codeOf(runtime.updateWorker('w', { displayName: 'x' }));
};

const startDamaged = async (t: ExecutionContext) => {
  const store = memoryStore();
  const first = makeRig({ store });
  await first.runtime.start();
  await first.runtime.createWorker(idle);
  await shutDown(first);
  const withDamage = new Proxy(store, {
    get: (target, name: keyof typeof store) => {
      if (name === 'open')
        return async (host: Parameters<typeof store.open>[0]) => {
          const opened = await target.open(host);
          const logs = await storedLogs(opened);
          return { ...opened, logs: logs.map((log) => ({ ...log, isDamaged: true })) };
        };
      const member: unknown = target[name];
      return typeof member === 'function' ? member.bind(target) : member;
    },
  });
  return startRig(t, { store: withDamage });
};

const OTHERS = 'made by transports, plugins or stores';

/** For every error code, a scenario in core that produces it, or `OTHERS`. */
const codes: Record<ErrorCode, Scenario | typeof OTHERS> = {
  INVALID_REQUEST: async (t) => codeOf((await startRig(t)).runtime.createWorker({ engine: '' })),
  LIMIT_TOO_LARGE: async (t) => codeOf((await startRig(t)).runtime.listWorkers({ limit: 1_001 })),
  CURSOR_INVALID: async (t) => {
    const { runtime } = await startRig(t);
    await runtime.createWorker(idle);
    return codeOf(runtime.events('w', { after: 'nonsense' }));
  },
  CURSOR_FOREIGN: async (t) => {
    const { runtime } = await startRig(t);
    await runtime.createWorker(idle);
    const { worker } = await runtime.createWorker({ engine: 'puppet' });
    return codeOf(runtime.events('w', { after: worker.asOf }));
  },
  CURSOR_EXPIRED: async (t) => {
    const { runtime, puppet } = await startRig(t, { limits: { diagnostics: 1 } });
    await runtime.createWorker(idle);
    for (let n = 0; n < 3; n += 1) {
      await runtime.sendInput('w', { text: 'go' });
      puppet.last().fail(new TypeError('no'));
      await settle();
    }
    return codeOf(runtime.diagnostics({ after: 'd.1' }));
  },
  PAYLOAD_TOO_LARGE: async (t) => {
    const { runtime } = await startRig(t, { limits: { configBytes: 1 } });
    return codeOf(runtime.createWorker({ ...idle, config: { a: 1 } }));
  },
  UNSUPPORTED_MEDIA_TYPE: OTHERS,
  ARCHIVE_CORRUPT: OTHERS,
  STORE_INCOMPLETE: OTHERS,
  NOT_ACCEPTABLE: OTHERS,
  HEADERS_TOO_LARGE: OTHERS,
  REQUEST_TIMEOUT: OTHERS,
  VERSION_UNSUPPORTED: OTHERS,
  UNAUTHENTICATED: OTHERS,
  AUTHORITY_EXPIRED: OTHERS,
  LOGIN_UNAVAILABLE: OTHERS,
  FORBIDDEN: async (t) => {
    const { runtime } = await startRig(t);
    return codeOf(scoped(runtime, { permissions: ['observe'], workers: '*', stamp: {} }).createWorker(idle));
  },
  RUNTIME_NOT_FOUND: OTHERS,
  RUNTIME_UNREACHABLE: OTHERS,
  WORKER_NOT_FOUND: async (t) => codeOf((await startRig(t)).runtime.getWorker('w')),
  BUNDLE_NOT_FOUND: async (t) => codeOf((await startRig(t)).runtime.getBundle(digest)),
  FILE_NOT_FOUND: async (t) => {
    const { runtime } = await startRig(t);
    await runtime.createWorker(idle);
    return codeOf(runtime.getFile('w', digest));
  },
  RUN_NOT_FOUND: async (t) => {
    const { runtime } = await startRig(t);
    await runtime.createWorker(idle);
    return codeOf(runtime.waitForRun('w', 'run_x'));
  },
  REQUEST_NOT_FOUND: async (t) => {
    const { runtime } = await startRig(t);
    await runtime.createWorker(idle);
    return codeOf(runtime.respond('w', 'request_x', { decision: 'yes' }));
  },
  ROUTE_NOT_FOUND: OTHERS,
  METHOD_NOT_ALLOWED: OTHERS,
  WORKER_BUSY: async (t) => {
    const { runtime } = await startRig(t);
    await runtime.createWorker(busy);
    return codeOf(runtime.sendInput('w', { text: 'too' }));
  },
  WORKER_STOPPED: async (t) => {
    const { runtime } = await startRig(t);
    await runtime.createWorker(idle);
    await runtime.stopWorker('w');
    return codeOf(runtime.sendInput('w', { text: 'go' }));
  },
  WORKER_NOT_STOPPED: async (t) => {
    const { runtime } = await startRig(t);
    await runtime.createWorker(idle);
    return codeOf(runtime.deleteWorker('w'));
  },
  WORKER_EXISTS: async (t) => {
    const { runtime } = await startRig(t);
    await runtime.createWorker(idle);
    return codeOf(runtime.createWorker(idle));
  },
  WORKER_DAMAGED: async (t) => {
    const { runtime } = await startDamaged(t);
    t.is((await runtime.getWorker('w')).health, 'damaged');
    t.is((await runtime.events('w')).items.length, 2, 'the events of a damaged Worker are readable');
    for (const call of [
      () => runtime.sendInput('w', { text: 'go' }),
      () => runtime.stopWorker('w'),
      () => runtime.resumeWorker('w'),
    ])
      t.is(await codeOf(call()), 'WORKER_DAMAGED');
    return codeOf(runtime.updateWorker('w', { displayName: 'x' }));
  },
  RUN_MISMATCH: async (t) => {
    const { runtime } = await startRig(t);
    await runtime.createWorker(busy);
    return codeOf(runtime.cancelRun('w', { runId: 'run_x' }));
  },
  REQUEST_RESOLVED: async (t) => {
    const { runtime, puppet } = await startRig(t);
    await runtime.createWorker(busy);
    void puppet.last().run.ask({ kind: 'question', prompt: 'Well?', options: ['yes', 'no'] });
    await settle();
    const requestId = (await runtime.listRequests('w')).items[0]?.requestId ?? '';
    await runtime.respond('w', requestId, { decision: 'yes' });
    return codeOf(runtime.respond('w', requestId, { decision: 'no' }));
  },
  CLAIM_CONFLICT: async (t) => {
    const { runtime } = await startRig(t);
    const claims = [{ name: 'it', resource: 'fs:/a', mode: 'write' }] as const;
    await runtime.createWorker({ ...idle, claims });
    return codeOf(runtime.createWorker({ engine: 'puppet', claims }));
  },
  OPERATION_UNSUPPORTED: async (t) => {
    const puppet = new Puppet({ capabilities: {} });
    const { runtime } = await startRig(t, { engines: [puppet] });
    await runtime.createWorker(busy);
    return codeOf(puppet.last().run.ask({ kind: 'question', prompt: 'Well?', options: ['yes'] }));
  },
  IDEMPOTENCY_IN_FLIGHT: async (t) => {
    const { runtime } = await startRig(t);
    const [first, second] = [1, 2].map(() => codeOf(runtime.createWorker(idle, { idempotencyKey: 'k' })));
    t.is(await first, 'none');
    return second;
  },
  IDEMPOTENCY_MISMATCH: async (t) => {
    const { runtime } = await startRig(t);
    await runtime.createWorker(idle, { idempotencyKey: 'k' });
    return codeOf(runtime.createWorker(busy, { idempotencyKey: 'k' }));
  },
  BUNDLE_DIGEST_MISMATCH: async (t) => codeOf((await startRig(t)).runtime.putBundle(digest, { id: 'a' })),
  PROFILE_INVALID: async (t) => codeOf((await startRig(t)).runtime.createWorker({ profile: 'a' })),
  ENGINE_UNKNOWN: async (t) => codeOf((await startRig(t)).runtime.createWorker({ engine: 'a' })),
  TOOL_UNKNOWN: async (t) => codeOf((await startRig(t)).runtime.createWorker({ ...idle, tools: ['fly'] })),
  CONFIG_UNSUPPORTED: async (t) => {
    const bundle = { id: 'a', nonsense: 1 };
    return codeOf((await startRig(t)).runtime.putBundle(bundleDigest(bundle), bundle));
  },
  LIMIT_REACHED: async (t) => {
    const { runtime } = await startRig(t, { limits: { workers: 1 } });
    await runtime.createWorker(idle);
    return codeOf(runtime.createWorker({ engine: 'puppet' }));
  },
  RUNTIME_NOT_READY: () => codeOf(new Runtime().listWorkers()),
  RUNTIME_STOPPING: async () => {
    const rig = makeRig();
    await rig.runtime.start();
    await shutDown(rig);
    return codeOf(rig.runtime.createWorker(idle));
  },
  RUNTIME_MOVED: async (t) => {
    const { runtime } = await startRig(t);
    runtime.fence();
    return codeOf(runtime.createWorker(idle));
  },
  ENGINE_UNAVAILABLE: async (t) => {
    const puppet = new Puppet({ onAttach: () => Promise.reject(new TypeError('no')) });
    return codeOf((await startRig(t, { engines: [puppet] })).runtime.createWorker(idle));
  },
  STORE_UNAVAILABLE: (t) => faultAtUpdate(t, 'unavailable-lost'),
  STORE_FULL: (t) => faultAtUpdate(t, 'full'),
  STORE_LOST: async (t) => {
    const store = faultyStore(memoryStore());
    const { runtime } = await startRig(t, { store });
    store.takeOver();
    return codeOf(runtime.createWorker(idle));
  },
  STORE_CORRUPT: OTHERS,
  STORE_CONFLICT: (t) => faultAtUpdate(t, 'conflict'),
  INTERNAL: async () => RuntimeError.from(new TypeError('a bug')).code,
  STORE_LOCKED: async (t) => {
    const store = memoryStore();
    await startRig(t, { store });
    return codeOf(makeRig({ store }).runtime.start());
  },
  STORE_VERSION: OTHERS,
  PLUGIN_UNKNOWN: OTHERS,
  PLUGIN_CONFLICT: async () => {
    try {
      makeRig({ plugins: [plugin('rig', () => {})] });
    } catch (error) {
      return RuntimeError.from(error).code;
    }
    return 'none';
  },
  PLUGIN_FAILED: async () => {
    const failing = plugin('failing', (host) =>
      host.hooks.start.tapPromise(() => Promise.reject(new TypeError('no'))),
    );
    return codeOf(makeRig({ plugins: [failing] }).runtime.start());
  },
  PLUGIN_TIMEOUT: async () => {
    const hanging = plugin('hanging', (host) => host.hooks.start.tapPromise(never));
    const { runtime, clock } = makeRig({ plugins: [hanging] });
    return onClock(clock, codeOf(runtime.start()), 10_000);
  },
  ENGINE_FAILED: (t) => runError(t, new TypeError('no')),
  EXECUTION_LOST: async (t) => {
    const { runtime, puppet } = await startRig(t);
    await runtime.createWorker(busy);
    const sent = runtime.sendInput('w', { text: 'next', whenBusy: 'queue' });
    await sent;
    puppet.context().lost(new TypeError('gone'));
    await settle();
    const finished = (await logOf(runtime, 'w')).find((event) => event.type === 'run.finished');
    return finished?.type === 'run.finished' ? finished.data.error?.code : undefined;
  },
  RUN_DEADLINE: async (t) => {
    const { runtime, clock } = await startRig(t, { limits: { runTimeoutMs: 1_000 } });
    await runtime.createWorker(idle);
    const sent = runtime.sendInput('w', { text: 'go' }, { waitMs: 10_000 });
    return (await onClock(clock, sent)).run?.error?.code;
  },
  OUTPUT_TOO_LARGE: async (t) => {
    const { runtime, clock, puppet } = await startRig(t, { limits: { inFlightBytes: 1 } });
    await runtime.createWorker(idle);
    const sent = runtime.sendInput('w', { text: 'go' }, { waitMs: 10_000 });
    await settle();
    puppet.last().yield({ type: 'text', text: 'long' });
    return (await onClock(clock, sent)).run?.error?.code;
  },
  CONTEXT_LIMIT: (t) => runError(t, new RuntimeError('CONTEXT_LIMIT')),
};

for (const [code, scenario] of Object.entries(codes)) {
  if (scenario === OTHERS) continue;
  test(`core produces ${code}`, async (t) => {
    t.is(await scenario(t), code);
  });
}

test('every error code has a title, and no title contains a path', (t) => {
  for (const [code, { title, retryable }] of Object.entries(ERROR_CODES)) {
    t.regex(code, /^[A-Z]+(_[A-Z]+)*$/);
    t.true(title.length > 5 && !/[/\\]/.test(title), code);
    const error = new RuntimeError(code as ErrorCode);
    t.deepEqual([error.message, error.retryable, error.details], [title, retryable, {}]);
  }
});

test('P19: a RuntimeError of another copy of the package is accepted if its code is known', async (t) => {
  // The query makes it another module, like the copy that a plugin may depend on.
  const other = (await import(
    `../src/contracts/runtime-error.ts?${'copy'}`
  )) as typeof import('../src/contracts/runtime-error.ts');
  t.not(other.RuntimeError as unknown, RuntimeError);
  const foreign = new other.RuntimeError('FORBIDDEN', 'Too early', { details: { hour: 3 } });
  t.is(RuntimeError.from(foreign), foreign);
  const refusing = plugin('curfew', (host) => {
    host.hooks.admit.tapPromise(async () => {
      throw foreign;
    });
  });
  const { runtime } = await startRig(t, { plugins: [refusing] });
  t.is(await errorOf(runtime.createWorker(idle)), foreign);

  const newer = new other.RuntimeError('FROM_THE_FUTURE' as ErrorCode, 'unknown here');
  t.is(RuntimeError.from(newer).code, 'INTERNAL');
  for (const like of [null, 'FORBIDDEN', new Error('FORBIDDEN'), { code: 'FORBIDDEN', name: 'RuntimeError' }])
    t.false((like as unknown) instanceof RuntimeError);

  // A subclass can still distinguish its own instances.
  class Closed extends RuntimeError {}
  t.true(new Closed('FORBIDDEN') instanceof Closed && new Closed('FORBIDDEN') instanceof RuntimeError);
  t.false(new RuntimeError('FORBIDDEN') instanceof Closed);
});

const CANARIES = ['/srv/canary-path/engine.sock', 'canary-token-4711'];
const canary = (): Error => new TypeError(`connect ${CANARIES.join(' with ')}`);

const assertClean = (t: ExecutionContext, what: string, ...shown: readonly unknown[]): void => {
  const text = shown.map((one) => (typeof one === 'string' ? one : JSON.stringify(one))).join('\n');
  t.false(text.includes('canary'), `${what}: ${text.match(/.{0,80}canary.{0,80}/)?.[0]}`);
};

/** Returns all of an error that a transport could send by JSON or by spreading it. */
const visibleOf = (error: unknown): unknown =>
  error instanceof Error
    ? [JSON.stringify(error), Object.entries(error), error.message, error.name, error.toString()]
    : error;

test("P19: the cause of an error appears only in the operator's log", (t) => {
  const error = new RuntimeError('ENGINE_FAILED', undefined, { cause: canary() });
  assertClean(t, 'the error', visibleOf(error), Object.keys(error), Object.entries(error));
  t.true(inspect(error).includes('canary'), 'the log shows the cause');
  t.is(RuntimeError.from(error), error);
  assertClean(t, 'an unknown error', visibleOf(RuntimeError.from(canary())));
});

test('P19: no answer, event, stream or diagnostic contains a path or token of a config or a failure', async (t) => {
  const logged: unknown[] = [];
  const record = (fields: unknown): void => void logged.push(fields);
  const log = { debug: record, info: record, warn: record, error: record };
  let isBroken = false;
  const fail = (): void => {
    if (isBroken) throw canary();
  };
  const puppet = new Puppet({
    onAttach: fail,
    onDetach: fail,
    checkConfig: (config) => {
      if (config.isBad) throw canary();
    },
  });
  puppet.forget = async () => fail();
  const store = faultyStore(memoryStore());
  const shown: unknown[] = [];
  const failing = plugin('failing', (host) => {
    host.hooks.committed.tap(fail);
    host.hooks.drain.tapPromise(async () => fail());
    host.defer(fail);
    host.hooks.prepare.tapPromise(async (spec) => {
      if (spec.labels.bad) throw canary();
      return spec;
    });
    host.hooks.diagnostic.tap((diagnostic) => shown.push(diagnostic));
  });
  const rig = makeRig({ store, engines: [puppet], plugins: [failing], log });
  const { runtime } = rig;
  await runtime.start();
  const collect = async (call: Promise<unknown>): Promise<void> => {
    try {
      shown.push(await call);
    } catch (error) {
      t.true(error instanceof RuntimeError, String(error));
      shown.push(visibleOf(error));
    }
  };
  const config = { token: CANARIES[1] as string, socket: CANARIES[0] as string };
  const claims = [{ name: 'docs', resource: `fs:${CANARIES[0]}`, mode: 'write' }] as const;
  const observed = (async () => {
    for await (const item of runtime.observe('w')) shown.push(item);
  })();
  await collect(runtime.createWorker({ workerId: 'w', engine: 'puppet', config, claims }));
  await settle();
  const watching = (async () => {
    for await (const item of runtime.watch()) shown.push(item);
  })();
  const observing = (async () => {
    for await (const item of runtime.observe('w', { after: 'start' })) shown.push(item);
  })();
  t.is(await codeOf(observed), 'WORKER_NOT_FOUND');
  await collect(runtime.createWorker({ engine: 'puppet', claims }));
  await collect(runtime.createWorker({ engine: 'puppet', config: { ...config, isBad: true } }));
  await collect(runtime.createWorker({ engine: 'puppet', labels: { bad: 'x' } }));
  for (const error of [canary(), 'canary', { canary: 1 }, undefined, null]) {
    await collect(runtime.sendInput('w', { text: 'go' }));
    puppet.last().fail(error);
    await settle();
  }
  await collect(runtime.sendInput('w', { text: 'go' }));
  puppet.last().yield({ type: CANARIES[0] as 'notice', severity: 'info', code: 'x', message: 'y' });
  await settle();
  await collect(runtime.sendInput('w', { text: 'go' }));
  puppet.context().lost(canary());
  await settle();
  isBroken = true;
  await collect(runtime.sendInput('w', { text: 'go' }));
  await collect(runtime.createWorker({ engine: 'puppet' }));
  await collect(runtime.updateWorker('w', { displayName: 'x' }));
  await collect(runtime.stopWorker('w'));
  await collect(runtime.summary());
  await collect(runtime.getWorker('w'));
  await collect(runtime.listWorkers());
  await collect(logOf(runtime, 'w'));
  await collect(runtime.transcript('w'));
  await collect(runtime.overview('w'));
  await collect(runtime.diagnostics());
  await shutDown(rig);
  await Promise.all([watching, observing]);
  t.true(shown.length > 40);
  assertClean(t, 'all that callers received', ...shown);
  // The operator's log has an entry with the cause for each public correlation id.
  const { items } = { items: shown.filter((one) => (one as { correlationId?: string }).correlationId) };
  t.true(items.length > 5);
  for (const item of items) {
    const { correlationId } = item as { correlationId: string };
    t.true(logged.some((fields) => (fields as { correlationId?: string }).correlationId === correlationId));
  }
  t.true(inspect(logged, { depth: 5 }).includes('canary'));
});

test('P19: a commit fails with a typed error even if the store throws another kind of error', async (t) => {
  const inner = memoryStore();
  let isBroken = false;
  const foreign = new Proxy(inner, {
    get: (store, name: keyof typeof inner) => {
      const member: unknown = store[name];
      if (typeof member !== 'function') return member;
      return (...args: readonly unknown[]): unknown =>
        isBroken && (name === 'append' || name === 'create')
          ? Promise.reject(canary())
          : Reflect.apply(member, store, args);
    },
  });
  const { runtime } = await startRig(t, { store: foreign });
  await runtime.createWorker(idle);
  isBroken = true;
  for (const call of [
    runtime.updateWorker('w', { displayName: 'x' }),
    runtime.createWorker({ engine: 'puppet' }),
  ]) {
    const error = await errorOf(call);
    t.is(error.code, 'STORE_UNAVAILABLE');
    assertClean(t, 'a commit', visibleOf(error));
  }
  isBroken = false;
  t.is(await codeOf(runtime.updateWorker('w', { displayName: 'y' })), 'none');
});
