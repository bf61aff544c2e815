import type { Snapshot } from '../../contracts/store.ts';
import type { Contract } from './contract.ts';
import type { StoreScene } from './scene.ts';

const BIG = 'x'.repeat(30_000);
const FORWARD = { count: 1_000, bytes: 1_048_576, direction: 'forward' } as const;
const BACKWARD = { ...FORWARD, direction: 'backward' } as const;

const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Returns a base at the end of a line. */
const baseAt = (scene: StoreScene, log: string, seq: number): Snapshot => {
  const bytes = scene.model(log).offsetOf(seq + 1);
  return { head: { seq, bytes }, text: JSON.stringify({ base: seq, note: `é ","value":${bytes}` }) };
};

const trim = async (scene: StoreScene, log: string, seq: number): Promise<void> => {
  await scene.store.trim(log, baseAt(scene, log, seq));
  scene.model(log).trimmedTo = seq;
};

/** Creates a log of 40 lines of different sizes, in batches of 1 to 5 lines, with keys. */
const beginLong = async (scene: StoreScene, log: string): Promise<void> => {
  await scene.begin(log, ['created'], { hasKeys: true });
  for (let round = 0; scene.model(log).head.seq < 40; round += 1) {
    const texts = Array.from(
      { length: 1 + (round % 5) },
      (_, at) => `${round}.${at} ${at === 2 ? BIG : 'é'}`,
    );
    await scene.add(log, texts, round % 2 === 0);
  }
};

/** Checks all that is left of a trimmed log. */
const checkTrimmed = async (scene: StoreScene, log: string): Promise<void> => {
  const model = scene.model(log);
  await scene.checkLog(log);
  await scene.checkKeys(log);
  const expected = model.trimmedTo === 0 ? null : baseAt(scene, log, model.trimmedTo);
  scene.t.deepEqual(await scene.store.base(log), expected, `${log}: base`);
  for (const seq of new Set([0, 1, Math.max(1, model.trimmedTo - 1), model.trimmedTo]))
    if (model.trimmedTo > 0 && seq <= model.trimmedTo)
      await scene.refuses('CURSOR_EXPIRED', `${log}: a read of line ${seq}`, () =>
        scene.store.read(log, { seq, offset: model.offsetOf(seq) || 0 }, FORWARD),
      );
  for (const seq of [1, model.trimmedTo, model.trimmedTo + 1, model.trimmedTo + 2, model.head.seq + 1]) {
    const from = seq <= model.trimmedTo + 1 ? seq : model.trimmedTo + 1;
    const slice = await scene.store.read(log, model.position(seq), BACKWARD);
    scene.checkSlice(log, slice, { from, to: seq }, `${log}: backward from ${seq}`);
  }
};

/** Tests of logs whose first lines are removed. */
export const trimmingTests = (contract: Contract): void => {
  contract(
    'P85: a trimmed log keeps its later lines, positions, record, keys and blobs',
    async (t, scene) => {
      await beginLong(scene, 'log_a');
      await scene.begin('log_b', ['another']);
      await scene.store.putBlob('log_a', 'file-1', Buffer.from('bytes'));
      for (const seq of [1, 2, 7, 23, 39]) {
        await trim(scene, 'log_a', seq);
        await checkTrimmed(scene, 'log_a');
      }
      // a repetition changes nothing, an earlier base or the whole log is refused
      await trim(scene, 'log_a', 39);
      const { seq } = scene.model('log_a').head;
      for (const other of [5, seq, seq + 1])
        await scene.refuses('STORE_CONFLICT', `base ${other}`, () =>
          scene.store.trim('log_a', { ...baseAt(scene, 'log_a', 39), head: { seq: other, bytes: 10 } }),
        );
      await scene.refuses('WORKER_NOT_FOUND', 'an unknown log', () =>
        scene.store.trim('log_x', baseAt(scene, 'log_a', 39)),
      );
      await scene.add('log_a', ['continues', BIG, 'é'], true);
      await checkTrimmed(scene, 'log_a');
      await scene.checkLog('log_b');
      t.is(Buffer.from((await scene.store.blob('log_a', 'file-1')) ?? []).toString(), 'bytes');
    },
  );

  contract('P85: a trimmed log is listed with its base after every restart', async (t, scene) => {
    await beginLong(scene, 'log_a');
    await beginLong(scene, 'log_b');
    await scene.begin('log_c', ['whole', 'log']);
    await trim(scene, 'log_a', 20);
    for (const offers of [true, false, true]) {
      scene.offersSnapshots = offers;
      await scene.reopen();
      await scene.checkListing();
      for (const log of ['log_a', 'log_b']) await checkTrimmed(scene, log);
      t.is(scene.listed.get('log_c')?.base, undefined);
      await scene.add('log_a', ['later'], true);
      await trim(scene, 'log_a', scene.model('log_a').trimmedTo + 3);
      await trim(scene, 'log_b', scene.model('log_b').trimmedTo + 5);
    }
    await scene.remove('log_a');
    await scene.reopen();
    await scene.checkListing();
  });

  contract('P85: a new log can begin trimmed', async (_t, scene) => {
    await beginLong(scene, 'log_a');
    const model = scene.model('log_a');
    const base = baseAt(scene, 'log_a', 30);
    // the keys of lines that were removed stay
    model.keys.splice(0, model.keys.length, ...model.keys.filter(({ seq }) => seq > 10 && seq <= 33));
    const first = { count: 3, lines: model.bytes({ from: 31, to: 34 }), keys: [...model.keys] };
    await scene.remove('log_a');
    const { workerId, record } = model;
    await scene.store.create('log_b', { workerId, record, base }, first);
    model.trimmedTo = 30;
    const rest = { count: model.head.seq - 33, lines: model.bytes({ from: 34, to: model.head.seq + 1 }) };
    await scene.store.append('log_b', { seq: 33, bytes: model.offsetOf(34) }, rest);
    scene.models.set('log_b', model);
    await checkTrimmed(scene, 'log_b');
    await scene.reopen();
    await scene.checkListing();
    await checkTrimmed(scene, 'log_b');
    await trim(scene, 'log_b', 35);
    await scene.add('log_b', ['continues']);
    await scene.reopen();
    await scene.checkListing();
    await checkTrimmed(scene, 'log_b');
  });

  contract('P85: a log is trimmed while lines are appended to it and to others', async (_t, scene) => {
    await beginLong(scene, 'log_a');
    await beginLong(scene, 'log_b');
    for (let round = 1; round <= 6; round += 1) {
      const trimmed = trim(scene, 'log_a', round * 5);
      for (let index = 0; index < 5; index += 1) {
        await scene.add('log_a', [`round ${round}`, BIG], true);
        await scene.add('log_b', [`round ${round}`]);
      }
      await trimmed;
      await checkTrimmed(scene, 'log_a');
    }
    await scene.reopen();
    await scene.checkListing();
    await checkTrimmed(scene, 'log_a');
    await scene.checkLog('log_b');
  });

  contract(
    'P85: a kill at any moment of a trim leaves all lines or the base, and an acknowledged trim stays',
    async (t, scene) => {
      await beginLong(scene, 'log_a');
      for (let round = 1; round <= 12; round += 1) {
        const model = scene.model('log_a');
        await scene.add('log_a', [`before ${round}`, BIG, 'é'], true);
        const seq = model.trimmedTo + 3;
        let isAcknowledged = false;
        scene.store.trim('log_a', baseAt(scene, 'log_a', seq)).then(
          () => {
            isAcknowledged = true;
          },
          () => {},
        );
        for (let turn = 0; turn < round * round; turn += 1) await nextTurn();
        await scene.kill();
        await scene.open();
        const base = scene.listed.get('log_a')?.base ?? null;
        if (base?.head.seq === seq) model.trimmedTo = seq;
        else t.is(isAcknowledged, false, `round ${round}`);
        await scene.checkListing();
        await checkTrimmed(scene, 'log_a');
      }
    },
    'kill',
  );
};
