import test from 'ava';
import { RuntimeError } from '../src/contracts/runtime-error.ts';
import type { Batch, LogHead, RuntimeStore } from '../src/contracts/store.ts';
import { memoryStore } from '../src/memory-store/memory-store.ts';
import { codeOf, logOf, settle, startRig } from './fixtures/rig.ts';

/** A store that is full on demand, and that holds appends on demand. */
const fullStore = () => {
  const inner = memoryStore();
  const control = { isFull: false, held: null as Promise<void> | null };
  const append = async (log: string, after: LogHead, batch: Batch): Promise<void> => {
    await control.held;
    if (control.isFull && !batch.isEssential) throw new RuntimeError('STORE_FULL');
    return inner.append(log, after, batch);
  };
  const create: RuntimeStore['create'] = async (log, begin, batch) => {
    if (control.isFull) throw new RuntimeError('STORE_FULL');
    return inner.create(log, begin, batch);
  };
  const store = new Proxy(inner, {
    get: (target, name: keyof RuntimeStore) => {
      if (name === 'append') return append;
      if (name === 'create') return create;
      const member: unknown = target[name];
      return typeof member === 'function' ? member.bind(target) : member;
    },
  });
  return { store, control };
};

test('P52: on a full store runs end, and Workers are cancelled, stopped and deleted; what fills it is refused', async (t) => {
  const { store, control } = fullStore();
  const { runtime, puppet } = await startRig(t, { store });
  for (const workerId of ['a', 'b', 'c']) {
    await runtime.createWorker({ engine: 'puppet', workerId });
    await runtime.sendInput(workerId, { text: 'begin' });
    await runtime.sendInput(workerId, { text: 'next', whenBusy: 'queue' });
  }
  await settle();
  control.isFull = true;
  t.is(await codeOf(runtime.sendInput('a', { text: 'x', whenBusy: 'queue' })), 'STORE_FULL');
  t.is(await codeOf(runtime.createWorker({ engine: 'puppet', workerId: 'd' })), 'STORE_FULL');
  t.is(await codeOf(runtime.updateWorker('a', { displayName: 'x' })), 'STORE_FULL');
  // A run whose output is refused ends, and so do the queued ones.
  puppet.runs[0]?.say('too much');
  await settle();
  t.is((await logOf(runtime, 'a')).filter(({ type }) => type === 'run.finished').length, 1);
  t.true((await runtime.cancelRun('b')).changed);
  for (const workerId of ['a', 'b', 'c']) {
    t.like(await runtime.stopWorker(workerId), { status: 'stopped', outcome: 'graceful' });
    await runtime.deleteWorker(workerId);
    t.is(await codeOf(runtime.getWorker(workerId)), 'WORKER_NOT_FOUND');
  }
  control.isFull = false;
  await runtime.createWorker({ engine: 'puppet', workerId: 'd' });
});

test('P52: a stop that waits together with a change is committed without it on a full store', async (t) => {
  const { store, control } = fullStore();
  const { runtime } = await startRig(t, { store });
  await runtime.createWorker({ engine: 'puppet', workerId: 'w' });
  let release = (): void => {};
  control.held = new Promise((resolve) => {
    release = resolve;
  });
  control.isFull = true;
  const first = codeOf(runtime.updateWorker('w', { displayName: 'x' }));
  // Both are decided in the next turn, after the append that is held.
  const second = codeOf(runtime.updateWorker('w', { displayName: 'y' }));
  await settle();
  const stop = runtime.stopWorker('w');
  await settle();
  control.held = null;
  release();
  t.is(await first, 'STORE_FULL');
  t.is(await second, 'STORE_FULL');
  t.like(await stop, { changed: true, status: 'stopped' });
  t.is((await runtime.getWorker('w')).status, 'stopped');
});
