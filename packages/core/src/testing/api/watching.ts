import type { Cursor } from '../../contracts/cursor.ts';
import type { WorkerSummary } from '../../contracts/worker.ts';
import type { Contract } from './contract.ts';
import { Watcher } from './watcher.ts';

const sorted = (workers: Iterable<WorkerSummary>): readonly WorkerSummary[] =>
  [...workers].sort((a, b) => (a.workerId < b.workerId ? -1 : 1));

export const watchingTests = (contract: Contract): void => {
  contract('a watch delivers all Workers, then `synced`, then the changes', async (t, scene) => {
    const ids = await Promise.all(Array.from({ length: 5 }, () => scene.create()));
    const watcher = new Watcher(t, scene.api);
    await watcher.synced();
    t.deepEqual(
      watcher.items.map(({ type }) => type),
      [...ids.map(() => 'worker'), 'synced'],
    );
    t.deepEqual(sorted(watcher.workers.values()), sorted((await scene.api.listWorkers()).items));
    const [first = '', second = ''] = ids;
    await scene.say(first, 'hello');
    await scene.api.updateWorker(second, { displayName: 'Grace' });
    const added = await scene.create();
    await watcher.synced(({ workers }) => workers.has(added) && workers.get(second)?.displayName === 'Grace');
    t.deepEqual(sorted(watcher.workers.values()), sorted((await scene.api.listWorkers()).items));
    await scene.api.stopWorker(second);
    await scene.api.deleteWorker(second);
    await watcher.synced(({ workers }) => !workers.has(second));
    t.deepEqual(sorted(watcher.workers.values()), sorted((await scene.api.listWorkers()).items));
    await watcher.close();
  });

  contract('P6: a watch from the cursor of a list continues without gap or repetition', async (t, scene) => {
    for (const workerId of ['a', 'b', 'c', 'd']) await scene.create({ workerId });
    const list = await scene.api.listWorkers();
    await scene.say('b', 'hello');
    await scene.api.stopWorker('c');
    await scene.api.deleteWorker('c');
    await scene.create({ workerId: 'e' });
    const watcher = new Watcher(t, scene.api, list.asOf, list.items);
    await watcher.synced();
    t.deepEqual(
      watcher.items.map((item) => (item.type === 'worker' ? item.worker.workerId : item.type)),
      ['b', 'worker-removed', 'e', 'synced'],
    );
    const { items, asOf } = await scene.api.listWorkers();
    t.deepEqual(sorted(watcher.workers.values()), sorted(items));
    t.is(watcher.cursor, asOf);
    await watcher.close();

    const quiet = new Watcher(t, scene.api, asOf);
    await quiet.synced();
    t.deepEqual(quiet.items, [{ type: 'synced', cursor: asOf }]);
    await quiet.close();
  });

  contract('P6: a watch that is interrupted at any moment resumes from its cursor', async (t, scene) => {
    const known = new Map<string, WorkerSummary>();
    let cursor: Cursor | undefined;
    for (let round = 0; round < 12; round += 1) {
      const watcher = new Watcher(t, scene.api, cursor, [...known.values()]);
      await watcher.synced();
      t.true(!watcher.items.some(({ type }) => type === 'reset'));
      t.deepEqual(sorted(watcher.workers.values()), sorted((await scene.api.listWorkers()).items));
      await watcher.close();
      known.clear();
      for (const [id, worker] of watcher.workers) known.set(id, worker);
      cursor = watcher.cursor ?? undefined;
      await scene.create({ workerId: `w${round}` });
      if (round % 3 === 2) {
        await scene.api.stopWorker(`w${round - 1}`);
        await scene.api.deleteWorker(`w${round - 1}`);
      }
      if (round % 4 === 3) await scene.create({ workerId: `w${round}-child`, parent: `w${round}` });
    }
  });

  contract(
    'P12: a watch from a cursor of before a restart begins with `reset` and all Workers',
    async (t, scene) => {
      for (const workerId of ['a', 'b']) await scene.create({ workerId });
      const before = new Watcher(t, scene.api);
      await before.synced();
      const list = await scene.api.listWorkers();
      await scene.restart();
      await before.ended();
      t.deepEqual(before.items.at(-1), { type: 'ended', code: 'RUNTIME_STOPPING' });
      for (const cursor of [before.cursor ?? '', list.asOf]) {
        const watcher = new Watcher(t, scene.api, cursor, list.items);
        await watcher.synced();
        t.deepEqual(
          watcher.items.map(({ type }) => type),
          ['reset', 'worker', 'worker', 'synced'],
        );
        t.deepEqual(sorted(watcher.workers.values()), sorted((await scene.api.listWorkers()).items));
        await watcher.close();
      }
    },
    'restart',
  );
};
