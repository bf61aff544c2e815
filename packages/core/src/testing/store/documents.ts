import type { JsonValue } from '../../contracts/json.ts';
import type { Contract } from './contract.ts';

const RECORDS: readonly JsonValue[] = [
  null,
  0,
  '',
  'é 👍 \u2028 \ud83d',
  [],
  {},
  [1, [2, [3, null]], { deep: { deeper: [false] } }],
  { '': 'empty name', 'a.b': 1, constructor: 'a name like any other', n: 1e-7, big: 9_007_199_254_740_991 },
  { long: 'x'.repeat(300_000) },
];

const digestOf = (index: number): string => (index * 7_919 + 13).toString(16).padStart(64, '0');

/** What is kept beside the lines: records, idempotency keys, bundles. */
export const documentTests = (contract: Contract): void => {
  contract('a record is kept unchanged, now and after a reopen', async (t, place) => {
    for (const [index, record] of RECORDS.entries()) await place.begin(`log_${index}`, ['one'], { record });
    await place.checkAll();
    await place.add('log_6', ['two']);
    await place.reopen();
    await place.checkAll();
    t.is(place.ledgers.size, RECORDS.length);
  });

  contract('P9: keys are kept in order with the lines that they caused', async (t, place) => {
    await place.begin('log_a', ['created']);
    await place.begin('log_b', ['created']);
    t.deepEqual(await place.store.keys('log_a'), []);
    await place.add('log_a', ['one', 'two'], true);
    await place.add('log_b', ['other'], true);
    await place.add('log_a', ['without a key']);
    await place.add('log_a', ['three'], true);
    await place.checkKeys('log_a');
    await place.checkKeys('log_b');
    await place.reopen();
    await place.checkKeys('log_a');
    await place.add('log_a', ['four'], true);
    await place.checkKeys('log_a');
    await place.checkKeys('log_b');
  });

  contract('the first lines of a log may have keys', async (_t, place) => {
    await place.begin('log_a', ['created', 'input'], { hasKeys: true });
    await place.checkKeys('log_a');
    await place.reopen();
    await place.checkKeys('log_a');
  });

  contract('P23: at least the last 1,000 keys are kept, and not all for ever', async (t, place) => {
    await place.begin('log_a', ['created']);
    const texts = Array.from({ length: 100 }, (_, index) => `input ${index}`);
    for (let round = 0; round < 45; round += 1) {
      await place.add('log_a', texts, true);
      if (round === 9 || round === 20) await place.checkKeys('log_a');
      if (round === 30) await place.reopen();
    }
    await place.checkKeys('log_a');
    await place.reopen();
    await place.checkKeys('log_a');
    const kept = (await place.store.keys('log_a')).length;
    t.true(kept >= place.keptKeys && kept < 4_500, `${kept} of 4,500 keys are kept`);
  });

  contract('P9: a store keeps as many keys as its runtime asks for', async (t, place) => {
    place.keptKeys = 1_500;
    await place.begin('log_a', ['created']);
    const texts = Array.from({ length: 100 }, (_, index) => `input ${index}`);
    const addKeys = async (rounds: number): Promise<void> => {
      for (let round = 0; round < rounds; round += 1) await place.add('log_a', texts, true);
    };
    await addKeys(8);
    // Closing makes a checkpoint, so the next keys follow ones that are stored elsewhere.
    await place.reopen();
    await addKeys(7);
    await place.checkKeys('log_a');
    await place.reopen();
    await place.checkKeys('log_a');
    await addKeys(30);
    await place.checkKeys('log_a');
    await place.reopen();
    await place.checkKeys('log_a');
    t.true((await place.store.keys('log_a')).length < 4_500, 'the oldest keys are removed');
  });

  contract('bundles are found by digest, listed in order, and kept over a reopen', async (t, place) => {
    const bodies = new Map<string, Uint8Array>();
    for (let index = 0; index < 20; index += 1) {
      bodies.set(digestOf(index), Buffer.from(JSON.stringify({ index, text: 'ß'.repeat(index * 500) })));
    }
    await Promise.all([...bodies].map(([digest, body]) => place.store.putBundle({ digest, body })));
    for (let round = 0; round < 2; round += 1) {
      t.deepEqual(await place.store.bundles(), [...bodies.keys()].sort());
      for (const [digest, body] of bodies) {
        const found = await place.store.bundle(digest);
        place.checkBytes(found ?? new Uint8Array(0), body, digest);
      }
      t.is(await place.store.bundle(digestOf(99)), null);
      await place.reopen();
    }
  });

  contract('a bundle may be put again, also at once', async (t, place) => {
    const bundle = { digest: digestOf(1), body: Buffer.from('{"a":1}') };
    await Promise.all([place.store.putBundle(bundle), place.store.putBundle(bundle)]);
    await place.store.putBundle(bundle);
    await place.reopen();
    await place.store.putBundle(bundle);
    t.deepEqual(await place.store.bundles(), [bundle.digest]);
    place.checkBytes((await place.store.bundle(bundle.digest)) ?? new Uint8Array(0), bundle.body, 'bundle');
  });
};
