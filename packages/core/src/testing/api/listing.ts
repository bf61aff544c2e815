import type { ListWorkers, UpdateWorker } from '../../contracts/worker.ts';
import type { Contract } from './contract.ts';
import { type Scene, wrong } from './scene.ts';

const idsOf = async (scene: Scene, query: ListWorkers, limit: number): Promise<readonly string[]> =>
  (await scene.all((after) => scene.api.listWorkers({ ...query, after, limit }))).map(
    ({ workerId }) => workerId,
  );

export const listingTests = (contract: Contract): void => {
  contract('Workers are listed in the order of their creation, in pages of any size', async (t, scene) => {
    const ids: string[] = [];
    for (let index = 0; index < 7; index += 1) ids.push(await scene.create({ workerId: `w${9 - index}` }));
    for (const limit of [1, 2, 3, 6, 7, 8]) t.deepEqual(await idsOf(scene, {}, limit), ids);
    const page = await scene.api.listWorkers({ limit: 7 });
    t.is(page.next, null);
    t.deepEqual((await scene.api.listWorkers({ after: '0' })).items, page.items);
    const detail = await scene.api.getWorker('w9');
    for (const [key, value] of Object.entries(page.items[0] ?? {}))
      t.deepEqual(detail[key as keyof typeof detail], value, key);
  });

  contract(
    'a list is filtered by status, parent and labels, and all filters must match',
    async (t, scene) => {
      await scene.create({ workerId: 'a', labels: { team: 'docs', tier: '1' } });
      await scene.create({ workerId: 'b', labels: { team: 'docs', tier: '2' }, parent: 'a' });
      await scene.create({ workerId: 'c', labels: { team: 'code', tier: '1' }, parent: 'a' });
      await scene.create({ workerId: 'd', parent: 'b' });
      await scene.createAt('work', { workerId: 'e' });
      await scene.api.stopWorker('c');
      const cases: readonly (readonly [ListWorkers, readonly string[]])[] = [
        [{}, ['a', 'b', 'c', 'd', 'e']],
        [{ status: 'idle' }, ['a', 'b', 'd']],
        [{ status: 'stopped' }, ['c']],
        [{ status: 'running' }, ['e']],
        [{ status: 'waiting' }, []],
        [{ parent: 'a' }, ['b', 'c']],
        [{ parent: 'absent' }, []],
        [{ labels: { team: 'docs' } }, ['a', 'b']],
        [{ labels: { team: 'docs', tier: '2' } }, ['b']],
        [{ labels: { team: 'docs', absent: '1' } }, []],
        [{ labels: { constructor: 'x' } }, []],
        [{ labels: { tier: '1' }, status: 'stopped', parent: 'a' }, ['c']],
      ];
      for (const [query, ids] of cases) {
        for (const limit of [1, 100])
          t.deepEqual(await idsOf(scene, query, limit), ids, JSON.stringify(query));
      }
      const { workers } = await scene.api.summary();
      t.deepEqual(workers, { total: 5, idle: 3, running: 1, waiting: 0, stopped: 1 });
    },
  );

  contract(
    'the stored size of a Worker is that of its events and files, and the sum that of all Workers',
    async (t, scene) => {
      for (const workerId of ['a', 'b', 'c']) await scene.create({ workerId });
      await scene.say('b', 'grüezi');
      await scene.api.putFile('b', new Uint8Array(12_345), { mediaType: 'text/plain' });
      await scene.api.putFile('c', new Uint8Array(5), { mediaType: 'text/plain' });
      await scene.api.stopWorker('c');
      await scene.api.deleteWorker('c');
      const fileBytes: Record<string, number> = { a: 0, b: 12_345 };
      const check = async (): Promise<void> => {
        let eventBytes = 0;
        for (const { workerId, stored } of (await scene.api.listWorkers()).items) {
          const lines = (await scene.log(workerId)).map((event) => `${JSON.stringify(event)}\n`);
          const bytes = Buffer.byteLength(lines.join(''));
          t.deepEqual(stored, { eventBytes: bytes, fileBytes: fileBytes[workerId] ?? 0 }, workerId);
          eventBytes += bytes;
        }
        const { store } = await scene.api.summary();
        t.deepEqual([store.eventBytes, store.fileBytes], [eventBytes, 12_345]);
      };
      await check();
      await scene.say('b', 'again');
      await check();
    },
    'storedEvents',
  );

  contract('a list of Workers includes the overviews if it is asked for them', async (t, scene) => {
    for (const workerId of ['a', 'b', 'c']) await scene.create({ workerId });
    await scene.say('b', 'hello');
    const plain = await scene.api.listWorkers();
    t.true(plain.items.every((item) => !('overview' in item)));
    for (const limit of [1, 2, 10]) {
      const items = await scene.all((after) => scene.api.listWorkers({ include: 'overview', after, limit }));
      const overviews = await Promise.all(items.map(({ workerId }) => scene.api.overview(workerId)));
      t.deepEqual(
        items,
        plain.items.map((summary, at) => ({ ...summary, overview: overviews[at] })),
      );
    }
    await scene.refuses('INVALID_REQUEST', 'another word', () =>
      scene.api.listWorkers({ include: wrong('everything') }),
    );
  });

  contract(
    'a list continues after the last Worker of a page even if that one was deleted',
    async (t, scene) => {
      for (const workerId of ['a', 'b', 'c']) await scene.create({ workerId });
      const { next } = await scene.api.listWorkers({ limit: 2 });
      await scene.api.stopWorker('b');
      await scene.api.deleteWorker('b');
      const { items } = await scene.api.listWorkers({ after: next ?? '' });
      t.deepEqual(
        items.map(({ workerId }) => workerId),
        ['c'],
      );
    },
  );

  contract(
    'an update changes only the given fields, replaces all labels, and is one event',
    async (t, scene) => {
      const workerId = await scene.create({ displayName: 'Ada', labels: { a: '1', b: '2' } });
      const steps: readonly (readonly [UpdateWorker, UpdateWorker])[] = [
        [{ displayName: 'Grace' }, { displayName: 'Grace', labels: { a: '1', b: '2' } }],
        [{ labels: { c: '3' } }, { displayName: 'Grace', labels: { c: '3' } }],
        [
          { displayName: null, labels: {} },
          { displayName: null, labels: {} },
        ],
      ];
      for (const [update, expected] of steps) {
        const { displayName, labels } = await scene.api.updateWorker(workerId, update);
        t.deepEqual({ displayName, labels }, expected);
      }
      t.deepEqual(
        (await scene.only(workerId, 'worker.updated')).map(({ data }) => data),
        steps.map(([update]) => update),
      );
      const { lastSeq } = await scene.api.updateWorker(workerId, { displayName: null });
      t.is(lastSeq, 5, 'P10: an update that changes nothing records no event');
      t.is((await scene.api.updateWorker(workerId, {})).lastSeq, 5);
    },
  );

  contract('P16: only a stopped Worker can be deleted, and afterwards every call fails', async (t, scene) => {
    const workerId = await scene.create({ workerId: 'ada' });
    await scene.refuses('WORKER_NOT_STOPPED', 'an idle Worker', () => scene.api.deleteWorker(workerId));
    await scene.api.stopWorker(workerId);
    t.is(await scene.api.deleteWorker(workerId), undefined);
    await scene.engine.called('forget', workerId);
    const { api } = scene;
    const calls = {
      getWorker: () => api.getWorker(workerId),
      updateWorker: () => api.updateWorker(workerId, {}),
      deleteWorker: () => api.deleteWorker(workerId),
      sendInput: () => api.sendInput(workerId, { text: 'hello' }),
      cancelRun: () => api.cancelRun(workerId),
      stopWorker: () => api.stopWorker(workerId),
      resumeWorker: () => api.resumeWorker(workerId),
      listRequests: () => api.listRequests(workerId),
      respond: () => api.respond(workerId, 'request_x', { decision: 'yes' }),
      events: () => api.events(workerId),
      transcript: () => api.transcript(workerId),
      overview: () => api.overview(workerId),
      observe: async () => {
        for await (const item of api.observe(workerId)) t.fail(`the stream delivered ${item.type}`);
      },
    };
    for (const [name, call] of Object.entries(calls)) await scene.refuses('WORKER_NOT_FOUND', name, call);
    t.deepEqual((await api.listWorkers()).items, []);
    t.is((await api.summary()).workers.total, 0);
    const again = await scene.create({ workerId });
    t.is((await api.getWorker(again)).lastSeq, 2);
    t.deepEqual(await scene.typesOf(again), ['worker.created', 'execution.attached']);
  });
};
