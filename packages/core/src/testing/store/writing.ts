import type { Contract } from './contract.ts';
import { random } from './random.ts';

const MEBIBYTE = 1_048_576;

/** Texts that a wrong encoding would damage: multi-byte characters, lone surrogates, line ends other than `\n`. */
const TEXTS = [
  '',
  'plain',
  'naïve café',
  '東京、縦書き',
  'a family 👩‍👩‍👧 and a flag 🇨🇭',
  'lone \ud83d half',
  'line\nfeed, carriage\r\nreturn, \u2028 separator, \u0000 zero, \u0085 next line',
  '{"seq":1,"data":"looks like a line"}',
  '\ufeffmark',
];

export const writingTests = (contract: Contract): void => {
  contract('P9: an acknowledged append is readable immediately, byte for byte', async (_t, scene) => {
    await scene.begin('log_a', TEXTS);
    await scene.checkLog('log_a');
    for (const text of TEXTS) {
      await scene.add('log_a', [text]);
      await scene.checkLog('log_a');
    }
    await scene.add('log_a', TEXTS);
    await scene.checkLog('log_a');
  });

  contract(
    'large lines and large batches are returned byte for byte, before and after a reopen',
    async (_t, scene) => {
      const large = 'é'.repeat(MEBIBYTE / 2 - 100);
      await scene.begin('log_a', ['small', large]);
      await scene.add('log_a', [large, 'small', large, large]);
      await scene.add('log_a', ['small']);
      await scene.checkLog('log_a');
      await scene.reopen();
      await scene.checkListing();
      await scene.checkLog('log_a');
    },
  );

  contract(
    'P11: creating a log that exists fails with STORE_CONFLICT and changes nothing',
    async (_t, scene) => {
      const model = await scene.begin('log_a', ['one', 'two']);
      const first = new Uint8Array(model.bytes({ from: 1, to: 2 }));
      await scene.refuses('STORE_CONFLICT', 'same log', () =>
        scene.store.create('log_a', { workerId: 'other', record: 'other' }, { lines: first, count: 1 }),
      );
      await scene.checkLog('log_a');
      await scene.reopen();
      await scene.checkListing();
      await scene.checkLog('log_a');
    },
  );

  contract('P11: of two concurrent creations of one log exactly one succeeds', async (t, scene) => {
    const attempts = await Promise.allSettled([
      scene.begin('log_a', ['one', 'two']),
      scene.begin('log_a', ['three']),
    ]);
    const fulfilled = attempts.filter((attempt) => attempt.status === 'fulfilled');
    t.is(fulfilled.length, 1);
    const rejected = attempts.find((attempt) => attempt.status === 'rejected');
    await scene.refuses('STORE_CONFLICT', 'the other creation', () => Promise.reject(rejected?.reason));
    await scene.checkLog('log_a');
  });

  contract(
    'an append at a wrong head fails with STORE_CONFLICT and adds nothing; a later one at the head succeeds',
    async (_t, scene) => {
      const model = await scene.begin('log_a', ['one', 'two']);
      await scene.add('log_a', ['three']);
      const { seq, bytes } = model.head;
      const wrong = [
        { seq: 0, bytes: 0 },
        { seq: seq - 1, bytes: model.offsetOf(seq) },
        { seq: seq + 1, bytes: bytes + 10 },
        { seq: seq - 1, bytes },
        { seq: seq + 1, bytes },
        { seq, bytes: bytes - 1 },
        { seq, bytes: bytes + 1 },
      ];
      const batch = model.batch(['lost', 'lost too'], true);
      for (const after of wrong) {
        await scene.refuses('STORE_CONFLICT', JSON.stringify(after), () =>
          scene.store.append('log_a', after, batch),
        );
        await scene.checkLog('log_a');
      }
      await scene.reopen();
      await scene.checkListing();
      await scene.add('log_a', ['four'], true);
      await scene.checkLog('log_a');
      await scene.checkKeys('log_a');
    },
  );

  contract('appending the same batch a second time fails with STORE_CONFLICT', async (_t, scene) => {
    const model = await scene.begin('log_a', ['one']);
    const before = model.head;
    const batch = model.batch(['two', 'three']);
    await scene.store.append('log_a', before, batch);
    model.add(batch);
    await scene.refuses('STORE_CONFLICT', 'retry', () => scene.store.append('log_a', before, batch));
    await scene.checkLog('log_a');
  });

  contract('P22: concurrent writes to many logs do not mix', async (_t, scene) => {
    const logs = Array.from({ length: 40 }, (_, index) => `log_${index}`);
    await Promise.all(
      logs.map(async (log, index) => {
        const dice = random(index);
        await scene.begin(log, [`first of ${log}`]);
        for (let round = 0; round < 12; round += 1) {
          const texts = Array.from({ length: 1 + dice.below(4) }, () => `${log} `.repeat(1 + dice.below(60)));
          await scene.add(log, texts, round % 3 === 0);
        }
      }),
    );
    await scene.checkAll();
    await scene.reopen();
    await scene.checkListing();
    for (const log of logs) await scene.checkKeys(log);
  });

  contract('a call for an unknown log fails with WORKER_NOT_FOUND', async (_t, scene) => {
    const model = await scene.begin('log_a', ['one']);
    const { store } = scene;
    const limits = { count: 1, bytes: 100, direction: 'forward' } as const;
    const calls = {
      append: () => store.append('log_b', model.head, model.batch(['two'])),
      head: () => store.head('log_b'),
      read: () => store.read('log_b', { seq: 1, offset: 0 }, limits),
      record: () => store.record('log_b'),
      keys: () => store.keys('log_b'),
    };
    for (const [name, call] of Object.entries(calls)) await scene.refuses('WORKER_NOT_FOUND', name, call);
    await scene.reopen();
    await scene.checkListing();
  });
};
