import { setImmediate } from 'node:timers/promises';
import { Runtime } from '@worker-runtime/core';
import { UNLIMITED } from '@worker-runtime/core/scope';
import { scriptedEngine } from '@worker-runtime/core/testing';
import test from 'ava';
import { Registry, type RegistryItem } from '../src/index.ts';
import { RemotePlace } from './world.ts';

/** Reads a watch until the condition holds for all items so far. */
const readUntil = async (
  items: AsyncIterator<RegistryItem>,
  seen: RegistryItem[],
  holds: (item: RegistryItem) => boolean,
): Promise<void> => {
  for (;;) {
    const { value, done } = await items.next();
    if (done) throw new Error('the watch has ended');
    seen.push(value);
    if (holds(value)) return;
  }
};

test('a watch delivers the Workers of all runtimes and the states of the runtimes, also of one that comes back', async (t) => {
  const here = await Runtime.start({ engines: [scriptedEngine()] });
  const far = await RemotePlace.start();
  await here.createWorker({ engine: 'scripted', workerId: 'ada' });
  await far.runtime.createWorker({ engine: 'scripted', workerId: 'grace' });
  const registry = new Registry([
    { name: 'here', runtime: here },
    { name: 'far', url: far.gate.url },
  ]);
  const abort = new AbortController();
  t.teardown(async () => {
    abort.abort();
    registry.close();
    await far.dispose();
    await here.stop();
  });
  const items = registry.watch({ signal: abort.signal })[Symbol.asyncIterator]();
  const seen: RegistryItem[] = [];
  const has = (workerId: string) => (item: RegistryItem) =>
    item.type === 'item' && item.item.type === 'worker' && item.item.worker.workerId === workerId;
  const isState = (name: string, state: string) => (item: RegistryItem) =>
    item.type === 'runtime' && item.entry.name === name && item.entry.state === state;
  while (!seen.some(has('ada')) || !seen.some(has('grace')) || !seen.some(isState('far', 'ok')))
    await readUntil(items, seen, () => true);

  await here.createWorker({ engine: 'scripted', workerId: 'later' });
  await readUntil(items, seen, has('later'));

  far.gate.cut();
  await registry.test('far');
  await readUntil(items, seen, isState('far', 'unreachable'));
  await far.runtime.createWorker({ engine: 'scripted', workerId: 'missed' });
  far.restore();
  await registry.test('far');
  await readUntil(items, seen, has('missed'));
  t.false(seen.some((item) => item.type === 'item' && item.item.type === 'ended'));
});

test('a runtime that does not exist for a caller is in no list, and its id and `self` are unknown', async (t) => {
  const here = await Runtime.start({ engines: [scriptedEngine()] });
  const far = await RemotePlace.start();
  for (const runtime of [here, far.runtime]) await runtime.createWorker({ engine: 'scripted' });
  const { runtimeId } = far.runtime;
  const registry = new Registry([
    { name: 'here', runtime: here },
    { name: 'far', url: far.gate.url, runtimeId },
  ]);
  t.teardown(async () => {
    registry.close();
    await far.dispose();
    await here.stop();
  });
  const caller = { name: 'ada', scope: UNLIMITED, runtimes: ['far'] };
  t.is((await registry.test('far')).state, 'ok');
  t.deepEqual(
    (await registry.entries(caller)).map(({ name }) => name),
    ['far'],
  );
  const workers = await registry.workers({}, caller);
  t.deepEqual(
    workers.items.map((worker) => worker.runtimeId),
    [runtimeId],
  );
  far.gate.cut();
  await registry.test('far');
  const nobody = { ...caller, runtimes: [] };
  t.deepEqual(await registry.workers({}, nobody), { items: [], next: null, unavailable: [] });
  for (const id of ['self', here.runtimeId])
    t.throws(() => registry.get(id, caller), { code: 'RUNTIME_NOT_FOUND' });
});

test('sources are added, removed and replaced while the registry is in use', async (t) => {
  const here = await Runtime.start({ engines: [scriptedEngine()] });
  const [first, second] = await Promise.all([RemotePlace.start(), RemotePlace.start()]);
  const registry = new Registry([{ name: 'here', runtime: here }]);
  t.teardown(async () => {
    registry.close();
    await Promise.all([first.dispose(), second.dispose()]);
    await here.stop();
  });
  const { runtimeId } = first.runtime;
  t.throws(() => registry.runtime(runtimeId), { code: 'RUNTIME_NOT_FOUND' });
  const far = { name: 'far', url: first.gate.url };
  t.deepEqual(registry.reload([{ name: 'here', runtime: here }, far]), {
    added: ['far'],
    removed: [],
    kept: ['here'],
  });
  t.is((await registry.test('far')).state, 'ok');
  t.is((await registry.runtime(runtimeId).summary()).runtimeId, runtimeId);

  // a second address of the same runtime is not a second runtime
  const twice = { name: 'twice', url: first.directUrl };
  registry.reload([{ name: 'here', runtime: here }, far, twice]);
  t.is((await registry.test('twice')).state, 'foreign');

  t.deepEqual(registry.reload([far, { ...twice, url: second.gate.url }]), {
    added: ['twice'],
    removed: ['here', 'twice'],
    kept: ['far'],
  });
  t.is((await registry.test('twice')).runtimeId, second.runtime.runtimeId);
  t.throws(() => registry.runtime(here.runtimeId), { code: 'RUNTIME_NOT_FOUND' });
  await t.throwsAsync(registry.test('here'), { code: 'RUNTIME_NOT_FOUND' });
  await setImmediate();
  t.is((await here.summary()).status, 'running', 'its owner stops it');
});
