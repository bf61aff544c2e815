import test from 'ava';
import { engine } from '../src/contracts/engine.ts';
import type { ListedWorker } from '../src/contracts/worker.ts';
import type { Runtime } from '../src/runtime/runtime.ts';
import { startRig } from './fixtures/rig.ts';

const echo = engine('echo', async function* () {
  yield { type: 'message', parts: [{ type: 'text', text: 'done' }] };
});

const listed = async (runtime: Runtime): Promise<readonly ListedWorker[]> => {
  const items: ListedWorker[] = [];
  for (let after = 'start'; ; ) {
    const page = await runtime.listWorkers({ after, limit: 1_000 });
    items.push(...page.items);
    if (page.next === null) return items;
    after = page.next;
  }
};

/** Returns the members that a list has of a Worker, as a read of that Worker has them. */
const readAs = async (runtime: Runtime, item: ListedWorker): Promise<object> => {
  const detail = await runtime.getWorker(item.workerId);
  return Object.fromEntries(Object.keys(item).map((name) => [name, detail[name as keyof typeof detail]]));
};

test('a list has the same frozen summary of a Worker until the Worker changes', async (t) => {
  const { runtime } = await startRig(t, { engines: [echo] });
  await runtime.createWorker({ workerId: 'w', engine: 'echo' });
  const changes: (() => Promise<unknown>)[] = [
    () => runtime.sendInput('w', { text: 'go' }, { waitMs: 5_000 }),
    () => runtime.updateWorker('w', { displayName: 'Ada' }),
    () => runtime.stopWorker('w'),
    () => runtime.resumeWorker('w'),
    async () => {
      await runtime.stopWorker('w');
      await runtime.deleteWorker('w');
      await runtime.createWorker({ workerId: 'w', engine: 'echo' });
    },
  ];
  for (const change of changes) {
    const [before] = await listed(runtime);
    t.is((await listed(runtime))[0], before);
    t.true(Object.isFrozen(before));
    await change();
    const [after] = await listed(runtime);
    t.not(after, before);
    t.deepEqual(await readAs(runtime, after as ListedWorker), { ...after });
  }
});

test('a list is correct for more Workers than it keeps the summaries of', async (t) => {
  const { runtime } = await startRig(t, { engines: [echo] });
  const ids = Array.from({ length: 2_100 }, (_, at) => `w-${at}`);
  for (const workerId of ids) await runtime.createWorker({ workerId, engine: 'echo' });
  t.deepEqual(
    (await listed(runtime)).map(({ workerId }) => workerId),
    ids,
  );
  await runtime.updateWorker('w-0', { displayName: 'first' });
  await runtime.updateWorker('w-2099', { displayName: 'last' });
  const items = await listed(runtime);
  t.is(items[0]?.displayName, 'first');
  t.is(items.at(-1)?.displayName, 'last');
  for (const item of [items[0], items[1_000], items.at(-1)] as ListedWorker[])
    t.deepEqual(await readAs(runtime, item), { ...item });
});
