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
  contract('P9: an acknowledged append is readable immediately, byte for byte', async (_t, place) => {
    await place.begin('log_a', TEXTS);
    await place.checkLog('log_a');
    for (const text of TEXTS) {
      await place.add('log_a', [text]);
      await place.checkLog('log_a');
    }
    await place.add('log_a', TEXTS);
    await place.checkLog('log_a');
  });

  contract(
    'large lines and large batches are returned byte for byte, before and after a reopen',
    async (_t, place) => {
      const large = 'é'.repeat(MEBIBYTE / 2 - 100);
      await place.begin('log_a', ['small', large]);
      await place.add('log_a', [large, 'small', large, large]);
      await place.add('log_a', ['small']);
      await place.checkLog('log_a');
      await place.reopen();
      await place.checkListing();
      await place.checkLog('log_a');
    },
  );

  contract(
    'P11: creating a log that exists fails with STORE_CONFLICT and changes nothing',
    async (_t, place) => {
      const ledger = await place.begin('log_a', ['one', 'two']);
      const first = new Uint8Array(ledger.bytes({ from: 1, to: 2 }));
      await place.refuses('STORE_CONFLICT', 'same log', () =>
        place.store.create('log_a', { workerId: 'other', record: 'other' }, { lines: first, count: 1 }),
      );
      await place.checkLog('log_a');
      await place.reopen();
      await place.checkListing();
      await place.checkLog('log_a');
    },
  );

  contract('P11: of two concurrent creations of one log exactly one succeeds', async (t, place) => {
    const attempts = await Promise.allSettled([
      place.begin('log_a', ['one', 'two']),
      place.begin('log_a', ['three']),
    ]);
    const fulfilled = attempts.filter((attempt) => attempt.status === 'fulfilled');
    t.is(fulfilled.length, 1);
    const rejected = attempts.find((attempt) => attempt.status === 'rejected');
    await place.refuses('STORE_CONFLICT', 'the other creation', () => Promise.reject(rejected?.reason));
    await place.checkLog('log_a');
  });

  contract(
    'an append at a wrong head fails with STORE_CONFLICT and adds nothing; a later one at the head succeeds',
    async (_t, place) => {
      const ledger = await place.begin('log_a', ['one', 'two']);
      await place.add('log_a', ['three']);
      const { seq, bytes } = ledger.head;
      const wrong = [
        { seq: 0, bytes: 0 },
        { seq: seq - 1, bytes: ledger.offsetOf(seq) },
        { seq: seq + 1, bytes: bytes + 10 },
        { seq: seq - 1, bytes },
        { seq: seq + 1, bytes },
        { seq, bytes: bytes - 1 },
        { seq, bytes: bytes + 1 },
      ];
      const batch = ledger.batch(['lost', 'lost too'], true);
      for (const after of wrong) {
        await place.refuses('STORE_CONFLICT', JSON.stringify(after), () =>
          place.store.append('log_a', after, batch),
        );
        await place.checkLog('log_a');
      }
      await place.reopen();
      await place.checkListing();
      await place.add('log_a', ['four'], true);
      await place.checkLog('log_a');
      await place.checkKeys('log_a');
    },
  );

  contract('appending the same batch a second time fails with STORE_CONFLICT', async (_t, place) => {
    const ledger = await place.begin('log_a', ['one']);
    const before = ledger.head;
    const batch = ledger.batch(['two', 'three']);
    await place.store.append('log_a', before, batch);
    ledger.add(batch);
    await place.refuses('STORE_CONFLICT', 'retry', () => place.store.append('log_a', before, batch));
    await place.checkLog('log_a');
  });

  contract('P22: concurrent writes to many logs do not mix', async (_t, place) => {
    const logs = Array.from({ length: 40 }, (_, index) => `log_${index}`);
    await Promise.all(
      logs.map(async (log, index) => {
        const dice = random(index);
        await place.begin(log, [`first of ${log}`]);
        for (let round = 0; round < 12; round += 1) {
          const texts = Array.from({ length: 1 + dice.below(4) }, () => `${log} `.repeat(1 + dice.below(60)));
          await place.add(log, texts, round % 3 === 0);
        }
      }),
    );
    await place.checkAll();
    await place.reopen();
    await place.checkListing();
    for (const log of logs) await place.checkKeys(log);
  });

  contract('a call for an unknown log fails with WORKER_NOT_FOUND', async (_t, place) => {
    const ledger = await place.begin('log_a', ['one']);
    const { store } = place;
    const limits = { count: 1, bytes: 100, direction: 'forward' } as const;
    const calls = {
      append: () => store.append('log_b', ledger.head, ledger.batch(['two'])),
      head: () => store.head('log_b'),
      read: () => store.read('log_b', { seq: 1, offset: 0 }, limits),
      record: () => store.record('log_b'),
      keys: () => store.keys('log_b'),
    };
    for (const [name, call] of Object.entries(calls)) await place.refuses('WORKER_NOT_FOUND', name, call);
    await place.reopen();
    await place.checkListing();
  });
};
