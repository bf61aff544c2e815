import type { Cursor } from '../../contracts/cursor.ts';
import type { ErrorCode } from '../../contracts/runtime-error.ts';
import type { Contract } from './contract.ts';
import { createWithHistory } from './reading.ts';
import type { Scene } from './scene.ts';

/** Returns the cursors of all positions of a log: before the first event, and after each event. */
export const positionsOf = async (scene: Scene, workerId: string): Promise<readonly Cursor[]> => {
  const positions: Cursor[] = ['start'];
  for (let next: Cursor | null = 'start'; next !== null; ) {
    const page: { readonly next: Cursor | null; readonly asOf: Cursor } = await scene.api.events(workerId, {
      after: next,
      limit: 1,
    });
    positions.push(page.asOf);
    next = page.next;
  }
  return positions;
};

/** Checks that every call that takes a cursor of a Worker's log fails with this code. */
const checkRefused = async (
  scene: Scene,
  code: ErrorCode,
  workerId: string,
  cursor: Cursor,
): Promise<void> => {
  const what = `${code} ${cursor}`;
  await scene.refuses(code, `events ${what}`, () => scene.api.events(workerId, { after: cursor }));
  await scene.refuses(code, `events before ${what}`, () => scene.api.events(workerId, { before: cursor }));
  await scene.refuses(code, `after ${what}`, () => scene.api.transcript(workerId, { after: cursor }));
  await scene.refuses(code, `before ${what}`, () => scene.api.transcript(workerId, { before: cursor }));
  await scene.refuses(code, `observe ${what}`, async () => {
    for await (const item of scene.api.observe(workerId, { after: cursor })) scene.t.fail(item.type);
  });
};

export const cursorTests = (contract: Contract): void => {
  contract('P6: every cursor resumes exactly, in pages and in streams', async (t, scene) => {
    const workerId = await createWithHistory(scene);
    const log = await scene.log(workerId);
    const positions = await positionsOf(scene, workerId);
    t.is(positions.length, log.length + 1);
    t.is(new Set(positions).size, positions.length);
    for (const [index, cursor] of positions.entries()) {
      const { items, asOf } = await scene.api.events(workerId, { after: cursor });
      t.is(JSON.stringify(items), JSON.stringify(log.slice(index)));
      t.is(asOf, positions.at(-1));
      const viewer = scene.view(workerId, { after: cursor });
      await viewer.until('the last event', ({ events }) => events.length === log.length - index);
      await viewer.close();
      t.is(JSON.stringify(viewer.events.map(({ event }) => event)), JSON.stringify(log.slice(index)));
      t.deepEqual(
        viewer.events.map((seen) => seen.cursor),
        positions.slice(index + 1),
      );
    }
  });

  contract('P6: a position by number is the position after that event', async (t, scene) => {
    const workerId = await createWithHistory(scene);
    const log = await scene.log(workerId);
    const positions = await positionsOf(scene, workerId);
    const items = (await scene.api.transcript(workerId)).items;
    for (const [seq, cursor] of positions.entries()) {
      const number = `@${seq}`;
      const { api } = scene;
      const after = await api.events(workerId, { after: number, limit: 2 });
      t.deepEqual(after, await api.events(workerId, { after: cursor, limit: 2 }), number);
      t.deepEqual(
        after.items.map((event) => event.seq),
        log.slice(seq, seq + 2).map((event) => event.seq),
      );
      const before = await api.events(workerId, { before: number, limit: 2 });
      t.deepEqual(before, await api.events(workerId, { before: cursor, limit: 2 }), number);
      t.is(before.items.at(-1)?.seq ?? 0, seq);
      t.deepEqual(
        [
          ...(await api.transcript(workerId, { before: number })).items,
          ...(await api.transcript(workerId, { after: number })).items,
        ],
        items,
      );
      const viewer = scene.view(workerId, { after: number });
      await viewer.until('the last event', ({ events }) => events.length === log.length - seq);
      await viewer.close();
      t.deepEqual(
        viewer.events.map((seen) => seen.cursor),
        positions.slice(seq + 1),
      );
    }
    for (const seq of [log.length + 1, 999_999_999_999_999])
      await checkRefused(scene, 'CURSOR_FOREIGN', workerId, `@${seq}`);
  });

  contract('P6: a cursor of another Worker is refused as CURSOR_FOREIGN', async (_t, scene) => {
    const [one, other] = [await createWithHistory(scene, 'one'), await createWithHistory(scene, 'other')];
    for (const cursor of (await positionsOf(scene, other)).slice(1))
      await checkRefused(scene, 'CURSOR_FOREIGN', one, cursor);
  });

  contract(
    'P6: a cursor of a deleted Worker is refused by a new Worker with the same id',
    async (_t, scene) => {
      const workerId = await createWithHistory(scene);
      const positions = await positionsOf(scene, workerId);
      await scene.api.stopWorker(workerId);
      await scene.api.deleteWorker(workerId);
      await createWithHistory(scene);
      for (const cursor of positions.slice(1)) await checkRefused(scene, 'CURSOR_FOREIGN', workerId, cursor);
    },
  );

  contract('P6: a text that is not a cursor is refused as CURSOR_INVALID', async (_t, scene) => {
    const workerId = await createWithHistory(scene);
    const { asOf } = await scene.api.getWorker(workerId);
    const bad = [
      'x',
      '1',
      '-1',
      'START',
      'null',
      `${asOf}x.`,
      `${asOf}.0`,
      asOf.slice(0, asOf.lastIndexOf('.')),
      'ü',
      '../..',
      '@',
      '@-1',
      '@01',
      '@1.0',
      '@1e3',
      '@1234567890123456',
    ];
    for (const cursor of bad) {
      await checkRefused(scene, 'CURSOR_INVALID', workerId, cursor);
      await scene.refuses('CURSOR_INVALID', `list ${cursor}`, () => scene.api.listWorkers({ after: cursor }));
      await scene.refuses('CURSOR_INVALID', `requests ${cursor}`, () =>
        scene.api.listOpenRequests({ after: cursor }),
      );
      await scene.refuses('CURSOR_INVALID', `bundles ${cursor}`, () =>
        scene.api.listBundles({ after: cursor }),
      );
      await scene.refuses('CURSOR_INVALID', `diagnostics ${cursor}`, () =>
        scene.api.diagnostics({ after: cursor }),
      );
      await scene.refuses('CURSOR_INVALID', `watch ${cursor}`, async () => {
        for await (const item of scene.api.watch({ after: cursor })) scene.t.fail(item.type);
      });
    }
    const list = await scene.api.listWorkers();
    for (const cursor of [list.asOf, 'end']) {
      await scene.refuses('CURSOR_INVALID', `events ${cursor}`, () =>
        scene.api.events(workerId, { after: cursor }),
      );
    }
  });

  contract(
    'P6: all cursors of a log resume exactly after a restart',
    async (t, scene) => {
      const workerId = await createWithHistory(scene);
      const log = await scene.log(workerId);
      const positions = await positionsOf(scene, workerId);
      const deleted = await scene.create();
      const { asOf: old } = await scene.api.getWorker(deleted);
      await scene.api.stopWorker(deleted);
      await scene.api.deleteWorker(deleted);
      await scene.restart();
      for (const [index, cursor] of positions.entries()) {
        const { items } = await scene.api.events(workerId, { after: cursor });
        t.is(JSON.stringify(items), JSON.stringify(log.slice(index)));
      }
      await checkRefused(scene, 'CURSOR_FOREIGN', workerId, old);
    },
    'restart',
  );
};
