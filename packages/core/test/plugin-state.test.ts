import test, { type ExecutionContext } from 'ava';
import type { JsonValue } from '../src/contracts/json.ts';
import type { PluginHost, PluginState } from '../src/contracts/plugin.ts';
import { memoryStore } from '../src/memory-store/memory-store.ts';
import { StateWriter } from '../src/plugin-kit/state-writer.ts';
import { faultyStore } from '../src/testing/faulty-store.ts';
import {
  codeOf,
  makeRig,
  onClock,
  plugin,
  type RigOptions,
  settle,
  shutDown,
  startRig,
} from './fixtures/rig.ts';

/** Starts a runtime with a plugin, and returns the state of the plugin. */
const startKeeper = async (t: ExecutionContext, options: RigOptions = {}, name = 'keeper') => {
  const hosts: PluginHost[] = [];
  const rig = await startRig(t, { ...options, plugins: [plugin(name, (host) => void hosts.push(host))] });
  return { ...rig, state: hosts[0]?.state as PluginState };
};

test('P50: a plugin finds its state after a restart, and no state of another plugin', async (t) => {
  const store = memoryStore();
  const found: [string, JsonValue][] = [];
  const keeper = (name: string, value: JsonValue) =>
    plugin(name, (host) => {
      host.hooks.opened.tapPromise(async () => void found.push([name, await host.state.read()]));
      host.hooks.drain.tapPromise(async () => host.state.write(value));
    });
  for (const round of [1, 2, 3]) {
    const rig = makeRig({
      store,
      plugins: [keeper('one', { round, cursors: ['é'] }), keeper('two', [round])],
    });
    await rig.runtime.start();
    await shutDown(rig);
  }
  t.deepEqual(found, [
    ['one', null],
    ['two', null],
    ['one', { round: 1, cursors: ['é'] }],
    ['two', [1]],
    ['one', { round: 2, cursors: ['é'] }],
    ['two', [2]],
  ]);
});

test('a state is refused before the store is open and after the stop, and accepted while resources are released', async (t) => {
  const codes: string[] = [];
  const hosts: PluginHost[] = [];
  const keeper = plugin('keeper', (host) => {
    hosts.push(host);
    host.hooks.start.tapPromise(async () => {
      codes.push(await codeOf(host.state.read()), await codeOf(host.state.write(1)));
    });
    host.defer(async () => void codes.push(await codeOf(host.state.write(2))));
  });
  const rig = makeRig({ plugins: [keeper] });
  await rig.runtime.start();
  await shutDown(rig);
  codes.push(await codeOf((hosts[0] as PluginHost).state.write(3)));
  t.deepEqual(codes, ['RUNTIME_NOT_READY', 'RUNTIME_NOT_READY', 'none', 'RUNTIME_STOPPING']);
});

test('P23: of the writes that wait for a slow store, the last one is made', async (t) => {
  const store = faultyStore(memoryStore());
  const { state } = await startKeeper(t, { store });
  const stall = store.stall('putPluginState');
  const value = { at: 0 };
  const writes = [state.write(value)];
  await stall.reached;
  for (let at = 1; at < 1_000; at += 1) {
    value.at = at;
    writes.push(state.write(value));
  }
  const read = state.read();
  await settle();
  t.is(stall.held, 1);
  stall.release('done');
  await Promise.all(writes);
  t.deepEqual(await read, { at: 999 });
  t.deepEqual(await state.read(), { at: 999 });
  t.is(store.calls.filter(({ method }) => method === 'putPluginState').length, 2);
});

test('P50: a write that fails is reported to its caller, and the next one is made', async (t) => {
  const store = faultyStore(memoryStore());
  const { state, clock } = await startKeeper(t, { store, limits: { commitTimeoutMs: 500 } });
  await state.write('first');
  store.failNext('putPluginState', 'full');
  t.is(await codeOf(state.write('lost')), 'STORE_FULL');
  t.is(await state.read(), 'first');
  await state.write('second');
  t.is(await state.read(), 'second');
  const stall = store.stall('putPluginState');
  t.is(await onClock(clock, codeOf(state.write('late')), 100), 'STORE_UNAVAILABLE');
  stall.release('done');
  await state.write('last');
  t.is(await state.read(), 'last');
  store.takeOver();
  t.deepEqual([await codeOf(state.read()), await codeOf(state.write('void'))], ['STORE_LOST', 'STORE_LOST']);
});

test('a state that is not JSON is refused, and so is one that cannot be read', async (t) => {
  const store = memoryStore();
  const { state } = await startKeeper(t, { store });
  const cycle: unknown[] = [];
  cycle.push(cycle);
  for (const value of [undefined, Number.NaN, () => {}, 1n, ['\ud800'], cycle])
    t.is(await codeOf(state.write(value as never)), 'INVALID_REQUEST');
  t.is(await state.read(), null);
  await store.putPluginState('keeper', Buffer.from('{"half":'));
  t.is(await codeOf(state.read()), 'STORE_CORRUPT');
  await state.write({ whole: true });
  t.deepEqual(await state.read(), { whole: true });
  const other = await startKeeper(t, {}, 'a name with spaces');
  t.deepEqual(
    [await codeOf(other.state.read()), await codeOf(other.state.write(1))],
    ['INVALID_REQUEST', 'INVALID_REQUEST'],
  );
});

test('P50: a state that changes often is written once a second, and again with backoff while the store refuses it', async (t) => {
  const store = faultyStore(memoryStore());
  const hosts: PluginHost[] = [];
  const rig = await startRig(t, { store, plugins: [plugin('counter', (host) => void hosts.push(host))] });
  const host = hosts[0] as PluginHost;
  let count = 0;
  const writer = new StateWriter({ host, clock: rig.clock, name: 'the count', read: () => ({ count }) });
  const add = (): void => {
    count += 1;
    writer.changed();
  };
  const pass = async (ms: number): Promise<JsonValue> => {
    await rig.clock.advance(ms);
    await settle();
    return host.state.read();
  };
  add();
  add();
  t.is(await pass(900), null);
  t.deepEqual(await pass(100), { count: 2 });
  store.failWhile('putPluginState', 'full');
  add();
  t.deepEqual(await pass(1_000), { count: 2 });
  t.deepEqual(await pass(2_000), { count: 2 });
  store.heal();
  t.deepEqual(await pass(3_900), { count: 2 });
  t.deepEqual(await pass(100), { count: 3 });
  add();
  await writer.close();
  t.deepEqual(await host.state.read(), { count: 4 });
  add();
  t.deepEqual(await pass(60_000), { count: 4 });
});
