import type { Contract } from './contract.ts';
import { random } from './random.ts';
import type { StoreScene } from './scene.ts';

/** Worker ids that a file system or a wrong encoding would confuse. */
const TRICKY_IDS = [
  'worker',
  'Worker',
  'WORKER',
  'con',
  'CON',
  'nul.txt',
  'a.b',
  'a-b',
  'a_b',
  'a.',
  'a..b',
  '0',
  '00',
  'constructor',
  'x'.repeat(128),
  `${'x'.repeat(127)}X`,
  'x'.repeat(127),
];

/** Makes one random call, of those that a runtime makes to a store. */
const randomCall = async (
  scene: StoreScene,
  dice: ReturnType<typeof random>,
  name: string,
): Promise<void> => {
  const logs = [...scene.models.keys()];
  const log = logs[dice.below(Math.max(1, logs.length))];
  const texts = Array.from({ length: 1 + dice.below(6) }, () => 'ø'.repeat(dice.below(300)));
  const choice = dice.below(20);
  if (!log || choice < 4) await scene.begin(name, texts, { hasKeys: choice % 2 === 0 });
  else if (choice < 15) await scene.add(log, texts, choice % 2 === 0);
  else if (choice < 16) await scene.remove(log);
  else if (choice < 18) await scene.checkLog(log);
  else {
    scene.offersSnapshots = choice % 2 === 0;
    await scene.reopen();
    await scene.checkListing();
  }
};

/** Tests of a store that is closed and opened again, and of removed logs. */
export const restartingTests = (contract: Contract): void => {
  contract(
    'P7: a reopened store lists every log, and its snapshot, tail and reads match its lines',
    async (_t, scene) => {
      for (let index = 0; index < 12; index += 1) {
        await scene.begin(`log_${index}`, ['created', 'attached']);
        for (let round = 0; round < index; round += 1)
          await scene.add(`log_${index}`, [`${round}`, 'x'.repeat(index * 40)]);
      }
      await scene.reopen();
      await scene.checkListing();
      for (const log of ['log_0', 'log_5']) await scene.add(log, ['after the restart']);
      await scene.reopen();
      await scene.checkListing();
      await scene.reopen();
      await scene.checkListing();
      await scene.checkAll();
    },
  );

  contract(
    'P7: what was listed of a log stays the same while the log is read, grows and is removed',
    async (t, scene) => {
      const logs = ['log_read', 'log_grows', 'log_removed', 'log_unused'];
      for (const offersSnapshots of [true, false]) {
        scene.offersSnapshots = offersSnapshots;
        for (const log of logs) await scene.begin(`${log}_${offersSnapshots}`, ['created', 'ä']);
        await scene.reopen();
        const seen = () =>
          [...scene.listed.values()].map(({ log, workerId, head, snapshot, tail, isDamaged }) => ({
            log,
            workerId,
            head,
            snapshot: snapshot && { head: snapshot.head, text: snapshot.text },
            tail: Buffer.from(tail).toString(),
            isDamaged,
          }));
        const before = seen();
        await scene.checkLog(`log_read_${offersSnapshots}`);
        for (let round = 0; round < 3; round += 1)
          await scene.add(`log_grows_${offersSnapshots}`, ['after the restart']);
        await scene.remove(`log_removed_${offersSnapshots}`);
        t.deepEqual(seen(), before);
      }
    },
  );

  contract('P7: a log is complete after a reopen without a snapshot from the runtime', async (_t, scene) => {
    scene.offersSnapshots = false;
    await scene.begin('log_a', ['created']);
    for (let round = 0; round < 30; round += 1) await scene.add('log_a', ['x'.repeat(3_000), 'y']);
    await scene.reopen();
    await scene.checkListing();
    scene.offersSnapshots = true;
    await scene.reopen();
    await scene.checkListing();
    await scene.add('log_a', ['more']);
    scene.offersSnapshots = false;
    await scene.reopen();
    await scene.checkListing();
  });

  contract(
    'P16: a removed log is absent, before and after a reopen, and other logs do not change',
    async (t, scene) => {
      for (const log of ['log_a', 'log_b', 'log_c'])
        await scene.begin(log, [`created ${log}`, 'input'], { hasKeys: true });
      await scene.remove('log_b');
      for (let round = 0; round < 2; round += 1) {
        await scene.refuses('WORKER_NOT_FOUND', 'head', () => scene.store.head('log_b'));
        await scene.refuses('WORKER_NOT_FOUND', 'record', () => scene.store.record('log_b'));
        await scene.checkAll();
        await scene.checkKeys('log_a');
        await scene.add('log_c', ['more']);
        await scene.reopen();
        await scene.checkListing();
        t.is(scene.listed.has('log_b'), false);
      }
    },
  );

  contract(
    'removing a log that was removed succeeds, because the first attempt may be in doubt',
    async (t, scene) => {
      await scene.begin('log_a', ['created']);
      await scene.remove('log_a');
      await scene.store.remove('log_a');
      await scene.reopen();
      await scene.store.remove('log_a');
      t.is(scene.listed.size, 0);
    },
  );

  contract('P6: a new log of a reused Worker id contains nothing of the old log', async (_t, scene) => {
    await scene.begin('log_old', ['created', 'a secret of the old one'], {
      workerId: 'worker',
      record: 'old',
      hasKeys: true,
    });
    await scene.remove('log_old');
    await scene.begin('log_new', ['created'], { workerId: 'worker', record: 'new' });
    for (let round = 0; round < 3; round += 1) {
      await scene.checkAll();
      await scene.checkKeys('log_new');
      await scene.refuses('WORKER_NOT_FOUND', 'the old log', () => scene.store.head('log_old'));
      await scene.reopen();
      await scene.checkListing();
    }
  });

  contract('similar Worker ids are kept apart', async (_t, scene) => {
    for (const [index, workerId] of TRICKY_IDS.entries()) {
      await scene.begin(`log_${index}`, [workerId], { workerId, record: { workerId } });
    }
    await Promise.all(TRICKY_IDS.map((workerId, index) => scene.add(`log_${index}`, [`again ${workerId}`])));
    await scene.reopen();
    await scene.checkListing();
    await scene.checkAll();
    await scene.remove('log_0');
    await scene.reopen();
    await scene.checkListing();
    await scene.checkAll();
  });

  contract(
    'P7: after random writes, removals and reopens the store contains what was acknowledged',
    async (_t, scene) => {
      for (let seed = 1; seed <= 8; seed += 1) {
        const dice = random(seed);
        for (let count = 0; count < 40; count += 1) await randomCall(scene, dice, `log_${seed}_${count}`);
      }
      await scene.reopen();
      await scene.checkListing();
      await scene.checkAll();
      for (const log of scene.models.keys()) await scene.checkKeys(log);
    },
  );
};
