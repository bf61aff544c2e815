import test from 'ava';
import type { Engine, EngineContext } from '../src/contracts/engine.ts';
import { engine, inputText } from '../src/contracts/engine.ts';
import type { Command, Committed } from '../src/contracts/hooks.ts';
import { RuntimeError } from '../src/contracts/runtime-error.ts';
import { memoryStore } from '../src/memory-store/memory-store.ts';
import { Runtime, type RuntimeOptions } from '../src/runtime/runtime.ts';
import { Puppet } from './fixtures/puppet.ts';
import { codeOf, errorOf, makeRig, plugin, settle, shutDown, startRig } from './fixtures/rig.ts';

const parrot = engine('parrot', async function* (run) {
  yield { type: 'text', text: inputText(run.input) };
});

/** The members of `EngineContext`. The compiler requires each of them. */
const MEMBERS: Readonly<Record<keyof EngineContext, true>> = {
  runtimeId: true,
  workerId: true,
  generation: true,
  config: true,
  labels: true,
  tools: true,
  claims: true,
  signal: true,
  log: true,
  recorded: true,
  history: true,
  putFile: true,
  getFile: true,
  beginRun: true,
  lost: true,
  createChild: true,
};

test('an engine receives the members of its context and nothing else', async (t) => {
  const contexts: EngineContext[] = [];
  const nosy: Engine = {
    name: 'nosy',
    capabilities: {},
    attach: async (context) => {
      contexts.push(context);
      return { run: (run) => parrotRun(inputText(run.input)), detach: async () => {} };
    },
  };
  async function* parrotRun(text: string) {
    yield { type: 'text', text } as const;
  }
  const { runtime } = await startRig(t, { engines: [nosy] });
  await runtime.createWorker({ engine: 'nosy', workerId: 'n' });
  const [context] = contexts as [EngineContext];
  const reachable = new Set<string | symbol>();
  for (
    let level: object | null = context;
    level && level !== Object.prototype;
    level = Object.getPrototypeOf(level)
  )
    for (const key of Reflect.ownKeys(level)) reachable.add(key);
  t.deepEqual([...reachable].map(String).sort(), Object.keys(MEMBERS).sort());
  t.true(Object.isFrozen(context));
  t.throws(() => Object.assign(context, { workerId: 'other' }), { instanceOf: TypeError });
  t.is({ ...context }.workerId, 'n', 'an engine can wrap its context');
  t.is((await runtime.sendInput('n', { text: 'still here' })).queued, false);
});

test('engines and the store are options of a runtime', async (t) => {
  const store = memoryStore();
  const runtime = await Runtime.start({ engines: [parrot], store });
  t.teardown(() => runtime.stop());
  await runtime.createWorker({ engine: 'parrot', workerId: 'polly' });
  const { run } = await runtime.sendInput('polly', { text: 'hello' }, { waitMs: 5_000 });
  t.is(run?.outcome, 'completed');
  t.is((await runtime.summary()).store.kind, store.kind);
  const conflict = t.throws(
    () => new Runtime({ engines: [parrot], plugins: [plugin('p', (host) => host.useEngine(parrot))] }),
  );
  t.is(await codeOf(Promise.reject(conflict)), 'PLUGIN_CONFLICT');
  t.is(
    await codeOf(
      Promise.resolve().then(
        () => new Runtime({ store, plugins: [plugin('p', (host) => host.useStore(memoryStore()))] }),
      ),
    ),
    'PLUGIN_CONFLICT',
  );
});

test('a runtime refuses unknown options by name', async (t) => {
  const start = (options: unknown) => errorOf(Runtime.start(options as RuntimeOptions));
  for (const option of ['engine', 'stores', 'logger', 'toString']) {
    const error = await start({ [option]: [parrot] });
    t.is(error.code, 'INVALID_REQUEST');
    t.true(error.message.includes(`"${option}"`), error.message);
    t.true(error.message.includes('engines, store, plugins'), error.message);
  }
});

test('a runtime refuses what is not the part that an option is for, and says where it belongs', (t) => {
  const curfew = plugin('curfew', () => {});
  const makePlugin = () => curfew;
  const cases: readonly [options: unknown, message: string][] = [
    [{ plugins: [parrot] }, '"parrot" is an engine, not a plugin: pass it in the option "engines"'],
    [{ plugins: [makePlugin] }, 'The function "makePlugin" is not a plugin: call it, and pass its result'],
    [
      { plugins: ['curfew'] },
      'The option "plugins" needs a plugin: an object with a name and a method "apply", not the text "curfew"',
    ],
    [
      { plugins: [{ apply() {} }] },
      'The option "plugins" needs a plugin: an object with a name and a method "apply", not this object',
    ],
    [{ engines: [curfew] }, '"curfew" is a plugin, not an engine: pass it in the option "plugins"'],
    [{ engines: [engine] }, 'The function "engine" is not an engine: call it, and pass its result'],
    [{ store: curfew }, '"curfew" is a plugin, not a store: pass it in the option "plugins"'],
    [{ store: memoryStore }, 'The function "memoryStore" is not a store: call it, and pass its result'],
    [{ store: null }, 'The option "store" needs a store: an object with a method "open", not null'],
    [
      { plugins: [plugin('p', (host) => host.useEngine(curfew as never))] },
      '"curfew" is a plugin, not an engine: pass it in the option "plugins"',
    ],
  ];
  for (const [options, message] of cases)
    t.throws(() => new Runtime(options as RuntimeOptions), {
      instanceOf: RuntimeError,
      code: 'INVALID_REQUEST',
      message,
    });
});

test('P50: the hook opened runs after recovery and before the first command, and can read what is stored', async (t) => {
  const store = memoryStore();
  const puppet = new Puppet();
  const first = makeRig({ store, engines: [puppet] });
  await first.runtime.start();
  await first.runtime.createWorker({ engine: 'puppet', workerId: 'w', labels: { team: 'x' } });
  await first.runtime.sendInput('w', { text: 'go' });
  await shutDown(first);

  const order: string[] = [];
  const reading = plugin('reading', (host) => {
    host.hooks.start.tapPromise(async () => void order.push('start'));
    host.hooks.opened.tapPromise(async () => {
      const { items } = await host.runtime.listWorkers();
      order.push(`opened ${items.map(({ workerId, status }) => `${workerId} ${status}`).join()}`);
      order.push(await codeOf(host.runtime.createWorker({ engine: 'puppet', workerId: 'early' })));
      await settle();
      order.push(host.runtime.status);
    });
    host.hooks.committed.tap(({ workerId }) => void order.push(`committed ${workerId}`));
  });
  const second = makeRig({ store, engines: [new Puppet()], plugins: [reading] });
  const created = second.runtime.ready.then(() =>
    second.runtime.createWorker({ engine: 'puppet', workerId: 'new' }),
  );
  await second.runtime.start();
  await created;
  t.deepEqual(
    order.filter((entry) => !entry.startsWith('committed')),
    ['start', 'opened w idle', 'RUNTIME_NOT_READY', 'starting'],
  );
  t.true(order.indexOf('committed new') > order.indexOf('starting'));
  await shutDown(second);
});

test('P50: a tap of opened that fails refuses the start and releases what was acquired', async (t) => {
  const released: string[] = [];
  const failing = plugin('failing', (host) => {
    host.defer(() => void released.push('failing'));
    host.hooks.opened.tapPromise(async () => {
      throw new TypeError('no quota file');
    });
  });
  const { runtime } = makeRig({ plugins: [failing] });
  const error = await errorOf(runtime.start());
  t.deepEqual([error.code, error.details], ['PLUGIN_FAILED', { plugin: 'failing', hook: 'opened' }]);
  t.deepEqual(released, ['failing']);
  t.is(runtime.status, 'failed');
});

test('P50: plugins get the facts of the Worker with each command and commit', async (t) => {
  const commands: Command[] = [];
  const commits: Committed[] = [];
  const spy = plugin('spy', ({ hooks }) => {
    hooks.admit.tapPromise(async (command) => void commands.push(command));
    hooks.committed.tap((committed) => void commits.push(committed));
  });
  const { runtime, puppet } = await startRig(t, { plugins: [spy] });
  await runtime.createWorker({ engine: 'puppet', workerId: 'p' });
  await runtime.createWorker({ engine: 'puppet', workerId: 'w', labels: { team: 'x' }, parent: 'p' });
  await runtime.updateWorker('w', { labels: { team: 'y' } });
  await runtime.sendInput('w', { text: 'go' });
  await settle();
  puppet.last('w').finish();
  await settle();
  await runtime.stopWorker('w');
  await runtime.resumeWorker('w');
  await runtime.stopWorker('w');
  await runtime.deleteWorker('w');
  const facts = (team: string) => ({ workerId: 'w', engine: 'puppet', labels: { team }, parent: 'p' });
  t.deepEqual(
    commands.flatMap((command) => ('worker' in command ? [[command.type, command.worker]] : [])),
    [
      ['worker.update', facts('x')],
      ['worker.input', facts('y')],
      ['worker.resume', facts('y')],
      ['worker.delete', facts('y')],
    ],
  );
  const ofWorker = commits.filter(({ workerId }) => workerId === 'w');
  t.deepEqual(ofWorker.at(1)?.worker, facts('x'));
  t.deepEqual(ofWorker.at(-1)?.worker, facts('y'));
});

test('P50: a run that an engine begins is admitted like an input', async (t) => {
  const commands: Command[] = [];
  let isOpen = false;
  const gate = plugin('gate', ({ hooks }) => {
    hooks.admit.tapPromise(async (command) => {
      commands.push(command);
      if (command.type === 'run.begin' && !isOpen) throw new TypeError('closed');
    });
  });
  const { runtime, puppet } = await startRig(t, { plugins: [gate] });
  await runtime.createWorker({ engine: 'puppet', workerId: 'w', labels: { team: 'x' } });
  const input = { role: 'user', parts: [{ type: 'text', text: 'by itself' }] } as const;
  const context = puppet.context('w');
  t.is(await codeOf(context.beginRun(input)), 'PLUGIN_FAILED');
  t.is((await runtime.getWorker('w')).status, 'idle');
  isOpen = true;
  await context.beginRun(input);
  t.is((await runtime.getWorker('w')).status, 'running');
  const begun = commands.filter(({ type }) => type === 'run.begin');
  t.is(begun.length, 2);
  const [refused, done] = begun as [Command, Command];
  t.deepEqual([await refused.settled, await done.settled], ['refused', 'done']);
  t.like(done, { workerId: 'w', worker: { labels: { team: 'x' } }, input });
});
