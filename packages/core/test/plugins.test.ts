import test from 'ava';
import type { Command, WorkerSpec } from '../src/contracts/hooks.ts';
import { PLUGIN_API, type PluginHost, type RuntimePlugin } from '../src/contracts/plugin.ts';
import { RuntimeError } from '../src/contracts/runtime-error.ts';
import { memoryStore } from '../src/memory-store/memory-store.ts';
import { Runtime } from '../src/runtime/runtime.ts';
import { faultyStore } from '../src/testing/faulty-store.ts';
import { manualClock } from '../src/testing/manual-clock.ts';
import { Puppet } from './fixtures/puppet.ts';
import { codeOf, errorOf, makeRig, onClock, plugin, settle, shutDown, startRig } from './fixtures/rig.ts';

const never = (): Promise<never> => new Promise(() => {});

test('plugins are applied, started and called in order, and released in reverse order, the store last', async (t) => {
  const steps: string[] = [];
  const store = faultyStore(memoryStore());
  const recording = (name: string): RuntimePlugin =>
    plugin(name, (host) => {
      steps.push(`apply ${name}`);
      host.hooks.start.tapPromise(async () => {
        await settle(name === 'one' ? 3 : 1);
        steps.push(`start ${name}`);
        host.defer(() => void steps.push(`release ${name}, acquired in start`));
      });
      host.hooks.prepare.tapPromise(async (spec) => {
        steps.push(`prepare ${name}`);
        return spec;
      });
      host.hooks.admit.tapPromise(async ({ type }) => void steps.push(`admit ${name} ${type}`));
      host.hooks.committed.tap(({ events }) =>
        steps.push(`committed ${name} ${events.map(({ seq }) => seq).join(' ')}`),
      );
      host.hooks.drain.tapPromise(async ({ reason, signal }) => {
        steps.push(`drain ${name} ${reason} ${signal.aborted}`);
      });
      host.defer(() => void steps.push(`release ${name}`));
    });
  const rig = makeRig({ store, plugins: [recording('one'), recording('two')] });
  await rig.runtime.start();
  steps.push('started');
  await rig.runtime.createWorker({ workerId: 'w', engine: 'puppet' });
  await rig.runtime.stop({ reason: 'test' });
  steps.push(store.calls.at(-1)?.method ?? '');
  t.deepEqual(steps, [
    'apply one',
    'apply two',
    'start one',
    'start two',
    'started',
    'prepare one',
    'prepare two',
    'admit one worker.create',
    'admit two worker.create',
    'committed one 1',
    'committed two 1',
    'committed one 2',
    'committed two 2',
    'drain one test false',
    'drain two test false',
    'release two, acquired in start',
    'release one, acquired in start',
    'release two',
    'release one',
    'close',
  ]);
});

test('start taps run before the store opens, and commands are refused until the store is open', async (t) => {
  const store = faultyStore(memoryStore());
  const codes: string[] = [];
  const early = plugin('early', (host) =>
    host.hooks.start.tapPromise(async () => {
      t.is(store.calls.length, 0);
      t.is(host.runtime.status, 'starting');
      codes.push(await codeOf(host.runtime.createWorker({ engine: 'puppet' })));
      codes.push(await codeOf(host.runtime.summary()));
      codes.push(await codeOf(host.runtime.listWorkers()));
    }),
  );
  const rig = makeRig({ store, plugins: [early] });
  t.is(await codeOf(rig.runtime.listWorkers()), 'RUNTIME_NOT_READY');
  const stall = store.stall('open');
  const starting = rig.runtime.start();
  await stall.reached;
  t.is(await codeOf(rig.runtime.listWorkers()), 'RUNTIME_NOT_READY');
  stall.release('done');
  await starting;
  await rig.runtime.ready;
  t.deepEqual(codes, ['RUNTIME_NOT_READY', 'RUNTIME_NOT_READY', 'RUNTIME_NOT_READY']);
  await t.throwsAsync(rig.runtime.start(), { instanceOf: TypeError });
  await shutDown(rig);
  t.is(await codeOf(rig.runtime.listWorkers()), 'RUNTIME_STOPPING');
  t.is(await codeOf(rig.runtime.createWorker({ engine: 'puppet' })), 'RUNTIME_STOPPING');
});

test('prepare taps complete the specification of a creation, each from the result of the one before', async (t) => {
  const seen: WorkerSpec[] = [];
  const fill = (name: string, change: (spec: WorkerSpec) => WorkerSpec): RuntimePlugin =>
    plugin(name, (host) =>
      host.hooks.prepare.tapPromise(async (spec, request) => {
        seen.push(spec);
        t.deepEqual(request, { profile: 'writer', labels: { team: 'a' } });
        return change(spec);
      }),
    );
  const { runtime, puppet } = await startRig(t, {
    plugins: [
      fill('engine', (spec) => ({ ...spec, engine: 'puppet', config: { style: 'plain' } })),
      fill('labels', (spec) => ({ ...spec, labels: { ...spec.labels, by: 'labels' }, tools: ['read'] })),
    ],
  });
  const { worker } = await runtime.createWorker({ profile: 'writer', labels: { team: 'a' } });
  t.like(worker, {
    engine: 'puppet',
    profile: 'writer',
    labels: { team: 'a', by: 'labels' },
    tools: ['read'],
  });
  t.deepEqual(puppet.context().config, { style: 'plain' });
  t.is(seen[0]?.engine, null);
  t.is(seen[1]?.engine, 'puppet');
});

test('the result of prepare is checked like a request, so an unknown engine or tool is refused', async (t) => {
  let change: (spec: WorkerSpec) => WorkerSpec = (spec) => spec;
  const { runtime } = await startRig(t, {
    plugins: [plugin('changing', (host) => host.hooks.prepare.tapPromise(async (spec) => change(spec)))],
  });
  change = (spec) => ({ ...spec, engine: 'unknown' });
  t.is(await codeOf(runtime.createWorker({ engine: 'puppet' })), 'ENGINE_UNKNOWN');
  change = (spec) => ({ ...spec, tools: ['fly'] });
  t.is(await codeOf(runtime.createWorker({ engine: 'puppet' })), 'TOOL_UNKNOWN');
  change = (spec) => ({ ...spec, workerId: 'bad id "' });
  t.not(await codeOf(runtime.createWorker({ engine: 'puppet' })), 'none');
  change = (spec) => ({ ...spec, claims: [{ name: 'x', resource: 'nowhere', mode: 'write' }] });
  t.is(await codeOf(runtime.createWorker({ engine: 'puppet' })), 'INVALID_REQUEST');
  t.deepEqual((await runtime.listWorkers()).items, []);
});

test("P18: the error for an unknown tool names the tool and the engine's tools", async (t) => {
  const many = Array.from({ length: 21 }, (_, n) => `t${n}`);
  const engines = [
    new Puppet(),
    new Puppet({ name: 'bare', capabilities: {} }),
    new Puppet({ name: 'rich', capabilities: { tools: many } }),
  ];
  const { runtime } = await startRig(t, { engines });
  const refusal = async (engine: string, tools: readonly string[]) => {
    const { code, message, details } = await errorOf(runtime.createWorker({ engine, tools }));
    return [code, message, details];
  };
  t.deepEqual(await refusal('puppet', ['read', 'raed']), [
    'TOOL_UNKNOWN',
    'The engine "puppet" has no tool "raed"; its tools are read, write',
    { tools: ['raed'], known: ['read', 'write'] },
  ]);
  t.deepEqual(await refusal('bare', ['a', 'b']), [
    'TOOL_UNKNOWN',
    'The engine "bare" has no tools "a", "b"; it has no tools',
    { tools: ['a', 'b'], known: [] },
  ]);
  const [, message] = await refusal('rich', ['t21']);
  t.is(message, `The engine "rich" has no tool "t21"; its tools are ${many.slice(0, 20).join(', ')}, …`);
});

test('admit is called for every command except stop, cancel and respond, and can refuse each', async (t) => {
  const admitted: string[] = [];
  let isClosed = false;
  const gate = plugin('gate', (host) =>
    host.hooks.admit.tapPromise(async ({ type }) => {
      admitted.push(type);
      if (isClosed) throw new RuntimeError('FORBIDDEN', 'Not today', { details: { quota: 3 } });
    }),
  );
  const store = faultyStore(memoryStore());
  const { runtime, puppet } = await startRig(t, { store, plugins: [gate] });
  const digest = `sha256-${'0'.repeat(64)}`;
  const commands = (workerId: string): readonly (() => Promise<unknown>)[] => [
    () => runtime.createWorker({ workerId: 'v', engine: 'puppet' }),
    () => runtime.sendInput(workerId, { text: 'go' }),
    () => runtime.updateWorker(workerId, { displayName: 'x' }),
    () => runtime.resumeWorker(workerId),
    () => runtime.deleteWorker(workerId),
    () => runtime.putBundle(digest, {}),
  ];
  await runtime.createWorker({ workerId: 'w', engine: 'puppet', initialInput: { text: 'go' } });
  puppet.last().finish();
  await settle();
  isClosed = true;
  const writes = store.calls.filter((call) => call.isWrite).length;
  admitted.length = 0;
  for (const command of commands('w')) {
    const error = await errorOf(command());
    t.like(error, { code: 'FORBIDDEN', message: 'Not today', details: { quota: 3 } });
  }
  t.deepEqual(admitted, [
    'worker.create',
    'worker.input',
    'worker.update',
    'worker.resume',
    'worker.delete',
    'bundle.put',
  ]);
  t.is(store.calls.filter((call) => call.isWrite).length, writes, 'nothing was written');
  admitted.length = 0;
  await runtime.cancelRun('w');
  t.is(await codeOf(runtime.respond('w', 'request_x', { decision: 'yes' })), 'REQUEST_NOT_FOUND');
  await runtime.stopWorker('w');
  t.deepEqual(admitted, []);
});

test('admit of a resume receives the claims that the Worker takes again', async (t) => {
  const seen: Command[] = [];
  const watcher = plugin('watcher', (host) =>
    host.hooks.admit.tapPromise(async (command) => void seen.push(command)),
  );
  const { runtime } = await startRig(t, { plugins: [watcher] });
  const claims = [{ name: 'docs', resource: 'fs:/srv/docs', mode: 'write' }] as const;
  await runtime.createWorker({ workerId: 'w', engine: 'puppet', claims });
  await runtime.stopWorker('w');
  await runtime.resumeWorker('w');
  t.like(seen.at(-1), { type: 'worker.resume', workerId: 'w', claims });
});

test('settled reports how each command ended, so that a quota can release its reservation', async (t) => {
  const held: string[] = [];
  const settled: string[] = [];
  const quota = plugin('quota', (host) =>
    host.hooks.admit.tapPromise(async (command: Command) => {
      held.push(command.type);
      void command.settled.then((how) => settled.push(`${command.type} ${how}`));
    }),
  );
  const strict = plugin('strict', (host) =>
    host.hooks.admit.tapPromise(async (command) => {
      if (command.type === 'worker.update') throw new RuntimeError('FORBIDDEN');
    }),
  );
  const { runtime } = await startRig(t, { plugins: [quota, strict] });
  await runtime.createWorker({ workerId: 'w', engine: 'puppet' });
  await codeOf(runtime.createWorker({ workerId: 'w', engine: 'puppet' }));
  await runtime.sendInput('w', { text: 'go' });
  await codeOf(runtime.sendInput('w', { text: 'busy' }));
  await codeOf(runtime.updateWorker('w', { displayName: 'x' }));
  await codeOf(runtime.deleteWorker('w'));
  await runtime.resumeWorker('w');
  t.is(held.length, 7);
  t.deepEqual(settled, [
    'worker.create done',
    'worker.create refused',
    'worker.input done',
    'worker.input refused',
    'worker.update refused',
    'worker.delete refused',
    'worker.resume done',
  ]);
});

test('P9, P10: committed receives each stored event once, in order, even if another tap throws', async (t) => {
  const store = faultyStore(memoryStore());
  const committed: number[] = [];
  const throwing = plugin('throwing', (host) =>
    host.hooks.committed.tap(() => {
      throw new TypeError('a bug at /srv/secret');
    }),
  );
  const recording = plugin('recording', (host) =>
    host.hooks.committed.tap(({ workerId, events }) => {
      if (workerId === 'w') committed.push(...events.map(({ seq }) => seq));
    }),
  );
  const { runtime, puppet } = await startRig(t, { store, plugins: [throwing, recording] });
  await runtime.createWorker({ workerId: 'w', engine: 'puppet' });
  const stall = store.stall('append');
  const updates = ['a', 'b', 'c'].map((displayName) => runtime.updateWorker('w', { displayName }));
  await stall.reached;
  t.deepEqual(committed, [1, 2], 'no tap is called before the store has the events');
  stall.release('done');
  await Promise.all(updates);
  store.failNext('append', 'full');
  t.is(await codeOf(runtime.updateWorker('w', { displayName: 'd' })), 'STORE_FULL');
  await runtime.sendInput('w', { text: 'go' });
  puppet.last().finish();
  await settle();
  const { lastSeq } = await runtime.getWorker('w');
  t.deepEqual(
    committed,
    Array.from({ length: lastSeq }, (_, index) => index + 1),
  );
  const { items } = await runtime.diagnostics();
  const failures = items.filter(({ code }) => !code.startsWith('STORE_'));
  t.true(failures.length > 0);
  for (const item of failures) {
    t.like(item, { code: 'PLUGIN_FAILED', details: { plugin: 'throwing', hook: 'committed' } });
    t.false(JSON.stringify(item).includes('secret'));
  }
});

test('the diagnostic hook receives each diagnostic, and a tap that throws is only logged', async (t) => {
  const received: string[] = [];
  const logged: unknown[] = [];
  const log = {
    debug: () => {},
    info: () => {},
    warn: () => {},
    error: (fields: unknown) => logged.push(fields),
  };
  const throwing = plugin('throwing', (host) =>
    host.hooks.diagnostic.tap(() => {
      throw new TypeError('again and again');
    }),
  );
  const recording = plugin('recording', (host) =>
    host.hooks.diagnostic.tap(({ code }) => received.push(code)),
  );
  const { runtime, puppet } = await startRig(t, { log, plugins: [throwing, recording] });
  await runtime.createWorker({ workerId: 'w', engine: 'puppet', initialInput: { text: 'go' } });
  puppet.last().fail(new TypeError('no'));
  await settle();
  t.deepEqual(received, ['ENGINE_FAILED']);
  t.is((await runtime.diagnostics()).items.length, 1);
  t.true(logged.some((fields) => (fields as { plugin?: string }).plugin === 'throwing'));
});

for (const [title, fail, code] of [
  ['throws', () => Promise.reject(new TypeError('no')), 'PLUGIN_FAILED'],
  ['hangs', never, 'PLUGIN_TIMEOUT'],
  ['refuses', () => Promise.reject(new RuntimeError('STORE_VERSION')), 'STORE_VERSION'],
] as const) {
  test(`a start tap that ${title} fails the start; the acquired resources are released in reverse order`, async (t) => {
    const steps: string[] = [];
    const acquiring = (name: string) =>
      plugin(name, (host) =>
        host.hooks.start.tapPromise(async () => {
          host.defer(() => void steps.push(`release ${name}`));
          host.defer(async () => {
            steps.push(`release more of ${name}`);
            throw new TypeError('a release that fails');
          });
        }),
      );
    const failing = plugin('failing', (host) => host.hooks.start.tapPromise(fail));
    const later = plugin('later', (host) =>
      host.hooks.start.tapPromise(async () => void steps.push('later')),
    );
    const { runtime, clock } = makeRig({
      plugins: [acquiring('one'), acquiring('two'), failing, later],
      limits: { pluginTimeoutMs: 100 },
    });
    const error = await onClock(clock, errorOf(runtime.start()), 100);
    t.is(error.code, code);
    if (code !== 'STORE_VERSION') t.like(error.details, { plugin: 'failing', hook: 'start' });
    t.deepEqual(steps, ['release more of two', 'release two', 'release more of one', 'release one']);
    t.is(runtime.status, 'failed');
    t.is(await codeOf(runtime.ready), code);
    t.is(await codeOf(runtime.listWorkers()), 'RUNTIME_NOT_READY');
    await runtime.stop();
  });
}

test('a store whose open fails ends the start with its error code, and is closed', async (t) => {
  const store = faultyStore(memoryStore());
  store.failNext('open', 'unavailable-lost');
  const steps: string[] = [];
  const { runtime } = makeRig({
    store,
    plugins: [plugin('one', (host) => host.defer(() => void steps.push('one')))],
  });
  t.is(await codeOf(runtime.start()), 'STORE_UNAVAILABLE');
  t.deepEqual(steps, ['one']);
  t.is(store.calls.at(-1)?.method, 'close');
});

test('a resource that a start tap acquires after its time limit is released immediately', async (t) => {
  let acquire = (): void => {};
  let isReleased = false;
  const slow = plugin('slow', (host) =>
    host.hooks.start.tapPromise(async () => {
      await new Promise<void>((resolve) => {
        acquire = resolve;
      });
      host.defer(() => {
        isReleased = true;
      });
    }),
  );
  const { runtime, clock } = makeRig({ plugins: [slow], limits: { pluginTimeoutMs: 100 } });
  t.is(await onClock(clock, codeOf(runtime.start()), 100), 'PLUGIN_TIMEOUT');
  acquire();
  await settle();
  t.true(isReleased);
});

test('P4: a stop during the start releases all resources, and the start fails', async (t) => {
  const steps: string[] = [];
  const store = faultyStore(memoryStore());
  const one = plugin('one', (host) =>
    host.defer(async () => {
      await settle();
      steps.push('released');
    }),
  );
  const { runtime } = makeRig({ store, plugins: [one] });
  const stall = store.stall('open');
  const started = codeOf(runtime.start());
  await stall.reached;
  const stopped = runtime.stop().then(() => steps.push('stopped'));
  await settle();
  t.is(runtime.status, 'stopping');
  stall.release('done');
  t.is(await started, 'RUNTIME_STOPPING');
  await stopped;
  t.deepEqual(steps, ['released', 'stopped']);
  t.is(store.calls.at(-1)?.method, 'close');
  t.is(runtime.status, 'stopped');
});

test('two plugins with the same store slot, engine or name conflict, and the message names both', (t) => {
  const conflict = (
    one: (host: PluginHost) => void,
    two: (host: PluginHost) => void,
  ): RuntimeError | undefined =>
    t.throws(() => new Runtime({ plugins: [plugin('first', one), plugin('second', two)] }), {
      instanceOf: RuntimeError,
      code: 'PLUGIN_CONFLICT',
    });
  const useStore = (host: PluginHost): void => host.useStore(memoryStore());
  const useEngine = (host: PluginHost): void => host.useEngine(new Puppet());
  for (const use of [useStore, useEngine]) {
    const error = conflict(use, use);
    t.regex(error?.message ?? '', /"first".*"second"/);
    t.deepEqual(error?.details.plugins, ['first', 'second']);
  }
  t.throws(() => new Runtime({ plugins: [plugin('same', () => {}), plugin('same', () => {})] }), {
    code: 'PLUGIN_CONFLICT',
  });
});

test('P25: a plugin for another API version is refused before apply, and the message says what to update', (t) => {
  const apply = (): void => t.fail('apply was called');
  for (const [api, update] of [
    [PLUGIN_API + 1, /update the runtime/],
    [0, /update the plugin/],
  ] as const)
    t.throws(() => new Runtime({ plugins: [{ name: 'other', api, apply }] }), {
      code: 'VERSION_UNSUPPORTED',
      message: update,
    });
  t.notThrows(() => new Runtime({ plugins: [{ name: 'same', api: PLUGIN_API, apply() {} }] }));
});

test('an apply that throws or is asynchronous is refused, and the message names the plugin', (t) => {
  const thrower = plugin('thrower', () => {
    throw new TypeError('no');
  });
  t.throws(() => new Runtime({ plugins: [thrower] }), { code: 'PLUGIN_FAILED', message: /"thrower".*apply/ });
  const slow: RuntimePlugin = { name: 'slow', apply: (async () => {}) as () => void };
  t.throws(() => new Runtime({ plugins: [slow] }), { code: 'PLUGIN_FAILED', message: /"slow".*apply/ });
});

test('taps, store and engines cannot be registered once the start has begun', async (t) => {
  const hosts: PluginHost[] = [];
  const clock = manualClock();
  const runtime = new Runtime({ clock, plugins: [plugin('late', (host) => void hosts.push(host))] });
  await runtime.start();
  const [host] = hosts as [PluginHost];
  const late: readonly (() => void)[] = [
    () => host.hooks.start.tapPromise(async () => {}),
    () => host.hooks.prepare.tapPromise(async (spec) => spec),
    () => host.hooks.admit.tapPromise(async () => {}),
    () => host.hooks.committed.tap(() => {}),
    () => host.hooks.diagnostic.tap(() => {}),
    () => host.hooks.drain.tapPromise(async () => {}),
    () => host.useStore(memoryStore()),
    () => host.useEngine(new Puppet()),
  ];
  for (const register of late) t.throws(register, { instanceOf: TypeError, message: /"late"/ });
  await shutDown({ runtime, clock });
});

test('a hook of the plugin host has one method, which adds a tap', (t) => {
  const runtime = new Runtime({
    plugins: [
      plugin('curious', ({ hooks }) => {
        t.deepEqual(Object.keys(hooks).sort(), [
          'admit',
          'committed',
          'diagnostic',
          'drain',
          'opened',
          'prepare',
          'start',
        ]);
        for (const hook of Object.values(hooks)) t.is(Object.keys(hook).length, 1);
      }),
    ],
  });
  t.is(runtime.status, 'new');
});

for (const hook of ['prepare', 'admit'] as const) {
  test(`the error of a failing ${hook} tap names plugin and hook, and does not show its cause`, async (t) => {
    let fail: () => Promise<never> = never;
    const failing = plugin('failing', (host) => host.hooks[hook].tapPromise(() => fail()));
    const { runtime, clock } = await startRig(t, { plugins: [failing], limits: { pluginTimeoutMs: 100 } });
    const late = await onClock(clock, errorOf(runtime.createWorker({ engine: 'puppet' })), 100);
    t.like(late, { code: 'PLUGIN_TIMEOUT', details: { plugin: 'failing', hook } });
    fail = () => Promise.reject(new TypeError('at /srv/secret'));
    const error = await errorOf(runtime.createWorker({ engine: 'puppet' }));
    t.like(error, { code: 'PLUGIN_FAILED', details: { plugin: 'failing', hook } });
    t.true(error.cause instanceof TypeError);
    t.false(JSON.stringify([error, error.message, error.details]).includes('secret'));
    t.is((await runtime.listWorkers()).items.length, 0);
  });
}

test('drain taps run concurrently, and a failing one leads to a diagnostic, not to a failed stop', async (t) => {
  const steps: string[] = [];
  const log: string[] = [];
  const draining = (name: string, drain: () => Promise<void>) =>
    plugin(name, (host) => {
      host.hooks.drain.tapPromise(drain);
      host.hooks.diagnostic.tap(({ code }) => {
        if (name === 'fine') log.push(code);
      });
    });
  let release = (): void => {};
  const released = new Promise<void>((resolve) => {
    release = resolve;
  });
  const { runtime, clock } = makeRig({
    plugins: [
      draining('throws', async () => {
        throw new TypeError('no');
      }),
      draining('waits', () => released),
      draining('fine', async () => {
        steps.push('drained');
        release();
      }),
      draining('hangs', never),
    ],
    limits: { shutdownDeadlineMs: 1_000 },
  });
  await runtime.start();
  await onClock(clock, runtime.stop(), 100);
  t.deepEqual(steps, ['drained']);
  t.is(runtime.status, 'stopped');
  t.deepEqual(log, ['PLUGIN_FAILED', 'PLUGIN_TIMEOUT']);
});

test('a stop succeeds and is idempotent even if the close of the store fails', async (t) => {
  const store = faultyStore(memoryStore());
  const { runtime } = makeRig({ store });
  await runtime.start();
  store.failNext('close', 'unavailable-lost');
  const first = runtime.stop();
  t.is(runtime.stop(), first);
  await first;
  t.is(runtime.status, 'stopped');
});
