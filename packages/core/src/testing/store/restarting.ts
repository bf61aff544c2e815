import type { Contract } from './contract.ts';
import type { Place } from './place.ts';
import { random } from './random.ts';

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
const randomCall = async (place: Place, dice: ReturnType<typeof random>, name: string): Promise<void> => {
  const logs = [...place.ledgers.keys()];
  const log = logs[dice.below(Math.max(1, logs.length))];
  const texts = Array.from({ length: 1 + dice.below(6) }, () => 'ø'.repeat(dice.below(300)));
  const choice = dice.below(20);
  if (!log || choice < 4) await place.begin(name, texts, { hasKeys: choice % 2 === 0 });
  else if (choice < 15) await place.add(log, texts, choice % 2 === 0);
  else if (choice < 16) await place.remove(log);
  else if (choice < 18) await place.checkLog(log);
  else {
    place.offersSnapshots = choice % 2 === 0;
    await place.reopen();
    await place.checkListing();
  }
};

/** Tests of a store that is closed and opened again, and of removed logs. */
export const restartingTests = (contract: Contract): void => {
  contract(
    'P7: a reopened store lists every log, and its snapshot, tail and reads match its lines',
    async (_t, place) => {
      for (let index = 0; index < 12; index += 1) {
        await place.begin(`log_${index}`, ['created', 'attached']);
        for (let round = 0; round < index; round += 1)
          await place.add(`log_${index}`, [`${round}`, 'x'.repeat(index * 40)]);
      }
      await place.reopen();
      await place.checkListing();
      for (const log of ['log_0', 'log_5']) await place.add(log, ['after the restart']);
      await place.reopen();
      await place.checkListing();
      await place.reopen();
      await place.checkListing();
      await place.checkAll();
    },
  );

  contract('P7: a log is complete after a reopen without a snapshot from the runtime', async (_t, place) => {
    place.offersSnapshots = false;
    await place.begin('log_a', ['created']);
    for (let round = 0; round < 30; round += 1) await place.add('log_a', ['x'.repeat(3_000), 'y']);
    await place.reopen();
    await place.checkListing();
    place.offersSnapshots = true;
    await place.reopen();
    await place.checkListing();
    await place.add('log_a', ['more']);
    place.offersSnapshots = false;
    await place.reopen();
    await place.checkListing();
  });

  contract(
    'P16: a removed log is absent, before and after a reopen, and other logs do not change',
    async (t, place) => {
      for (const log of ['log_a', 'log_b', 'log_c'])
        await place.begin(log, [`created ${log}`, 'input'], { hasKeys: true });
      await place.remove('log_b');
      for (let round = 0; round < 2; round += 1) {
        await place.refuses('WORKER_NOT_FOUND', 'head', () => place.store.head('log_b'));
        await place.refuses('WORKER_NOT_FOUND', 'record', () => place.store.record('log_b'));
        await place.checkAll();
        await place.checkKeys('log_a');
        await place.add('log_c', ['more']);
        await place.reopen();
        await place.checkListing();
        t.is(place.listed.has('log_b'), false);
      }
    },
  );

  contract(
    'removing a log that was removed succeeds, because the first attempt may be in doubt',
    async (t, place) => {
      await place.begin('log_a', ['created']);
      await place.remove('log_a');
      await place.store.remove('log_a');
      await place.reopen();
      await place.store.remove('log_a');
      t.is(place.listed.size, 0);
    },
  );

  contract('P6: a new log of a reused Worker id contains nothing of the old log', async (_t, place) => {
    await place.begin('log_old', ['created', 'a secret of the old one'], {
      workerId: 'worker',
      record: 'old',
      hasKeys: true,
    });
    await place.remove('log_old');
    await place.begin('log_new', ['created'], { workerId: 'worker', record: 'new' });
    for (let round = 0; round < 3; round += 1) {
      await place.checkAll();
      await place.checkKeys('log_new');
      await place.refuses('WORKER_NOT_FOUND', 'the old log', () => place.store.head('log_old'));
      await place.reopen();
      await place.checkListing();
    }
  });

  contract('similar Worker ids are kept apart', async (_t, place) => {
    for (const [index, workerId] of TRICKY_IDS.entries()) {
      await place.begin(`log_${index}`, [workerId], { workerId, record: { workerId } });
    }
    await Promise.all(TRICKY_IDS.map((workerId, index) => place.add(`log_${index}`, [`again ${workerId}`])));
    await place.reopen();
    await place.checkListing();
    await place.checkAll();
    await place.remove('log_0');
    await place.reopen();
    await place.checkListing();
    await place.checkAll();
  });

  contract(
    'P7: after random writes, removals and reopens the store contains what was acknowledged',
    async (_t, place) => {
      for (let seed = 1; seed <= 8; seed += 1) {
        const dice = random(seed);
        for (let count = 0; count < 40; count += 1) await randomCall(place, dice, `log_${seed}_${count}`);
      }
      await place.reopen();
      await place.checkListing();
      await place.checkAll();
      for (const log of place.ledgers.keys()) await place.checkKeys(log);
    },
  );
};
