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
  { '': 'empty name', 'a.b': 1, constructor: 'an ordinary name', n: 1e-7, big: 9_007_199_254_740_991 },
  { long: 'x'.repeat(300_000) },
];

const digestOf = (index: number): string => (index * 7_919 + 13).toString(16).padStart(64, '0');

/** Tests of what a store keeps beside the lines: private records, idempotency keys, bundles. */
export const documentTests = (contract: Contract): void => {
  contract('a private record is returned unchanged, before and after a reopen', async (t, scene) => {
    for (const [index, record] of RECORDS.entries()) await scene.begin(`log_${index}`, ['one'], { record });
    await scene.checkAll();
    await scene.add('log_6', ['two']);
    await scene.reopen();
    await scene.checkAll();
    t.is(scene.models.size, RECORDS.length);
  });

  contract('P9: keys are kept in order, each with the line that it caused', async (t, scene) => {
    await scene.begin('log_a', ['created']);
    await scene.begin('log_b', ['created']);
    t.deepEqual(await scene.store.keys('log_a'), []);
    await scene.add('log_a', ['one', 'two'], true);
    await scene.add('log_b', ['other'], true);
    await scene.add('log_a', ['without a key']);
    await scene.add('log_a', ['three'], true);
    await scene.checkKeys('log_a');
    await scene.checkKeys('log_b');
    await scene.reopen();
    await scene.checkKeys('log_a');
    await scene.add('log_a', ['four'], true);
    await scene.checkKeys('log_a');
    await scene.checkKeys('log_b');
  });

  contract('the first lines of a log may have keys', async (_t, scene) => {
    await scene.begin('log_a', ['created', 'input'], { hasKeys: true });
    await scene.checkKeys('log_a');
    await scene.reopen();
    await scene.checkKeys('log_a');
  });

  contract('P23: at least the last 1,000 keys are kept, and older ones are removed', async (t, scene) => {
    await scene.begin('log_a', ['created']);
    const texts = Array.from({ length: 100 }, (_, index) => `input ${index}`);
    for (let round = 0; round < 45; round += 1) {
      await scene.add('log_a', texts, true);
      if (round === 9 || round === 20) await scene.checkKeys('log_a');
      if (round === 30) await scene.reopen();
    }
    await scene.checkKeys('log_a');
    await scene.reopen();
    await scene.checkKeys('log_a');
    const kept = (await scene.store.keys('log_a')).length;
    t.true(kept >= scene.keptKeys && kept < 4_500, `${kept} of 4,500 keys are kept`);
  });

  contract('P9: a store keeps as many keys as its runtime asks for', async (t, scene) => {
    scene.keptKeys = 1_500;
    await scene.begin('log_a', ['created']);
    const texts = Array.from({ length: 100 }, (_, index) => `input ${index}`);
    const addKeys = async (rounds: number): Promise<void> => {
      for (let round = 0; round < rounds; round += 1) await scene.add('log_a', texts, true);
    };
    await addKeys(8);
    // Closing makes a checkpoint, so the next keys follow ones that are stored elsewhere.
    await scene.reopen();
    await addKeys(7);
    await scene.checkKeys('log_a');
    await scene.reopen();
    await scene.checkKeys('log_a');
    await addKeys(30);
    await scene.checkKeys('log_a');
    await scene.reopen();
    await scene.checkKeys('log_a');
    t.true((await scene.store.keys('log_a')).length < 4_500, 'the oldest keys are removed');
  });

  contract(
    'blobs are kept beside their log, before and after a reopen, and removed with it',
    async (t, scene) => {
      await scene.begin('log_a', ['created']);
      await scene.begin('log_b', ['created']);
      const bodies = new Map<string, Uint8Array>(
        ['sha256-ab', 'config-CD_1', 'x'.repeat(128)].map((name, index) => [
          name,
          Buffer.from(`${name}\n\0\xff`.repeat(1 + index * 20_000), 'latin1'),
        ]),
      );
      for (const [name, body] of bodies) await scene.store.putBlob('log_a', name, body);
      await scene.store.putBlob('log_a', 'sha256-ab', bodies.get('sha256-ab') ?? new Uint8Array(0));
      for (let round = 0; round < 2; round += 1) {
        for (const [name, body] of bodies) {
          scene.checkBytes((await scene.store.blob('log_a', name)) ?? new Uint8Array(0), body, name);
          t.is(await scene.store.blob('log_b', name), null);
        }
        t.is(await scene.store.blob('log_a', 'none'), null);
        t.deepEqual(await scene.store.blobs('log_a'), [...bodies.keys()].sort());
        t.deepEqual(await scene.store.blobs('log_b'), []);
        await scene.reopen();
      }
      await scene.remove('log_a');
      await scene.refuses('WORKER_NOT_FOUND', 'a blob of a removed log', () =>
        scene.store.blob('log_a', 'sha256-ab'),
      );
      await scene.refuses('WORKER_NOT_FOUND', 'a new blob of a removed log', () =>
        scene.store.putBlob('log_a', 'late', new Uint8Array(1)),
      );
      await scene.reopen();
      await scene.checkListing();
    },
  );

  contract(
    'the state of a plugin is the one that was kept last, before and after a reopen',
    async (t, scene) => {
      const names = ['webhooks', 'a.b/C:1', '~'.repeat(128)];
      for (let round = 0; round < 3; round += 1) {
        for (const [index, name] of names.entries()) {
          const before = await scene.store.pluginState(name);
          const states = [0, 1, 2].map((version) =>
            Buffer.from(`${round}.${version}\n\0\xff`.repeat(1 + (3 - version) * index * 20_000), 'latin1'),
          );
          if (round === 0) t.is(before, null);
          else scene.checkBytes(before ?? new Uint8Array(0), Buffer.from(`${round - 1} of ${name}`), name);
          for (const state of states) {
            await scene.store.putPluginState(name, state);
            scene.checkBytes((await scene.store.pluginState(name)) ?? new Uint8Array(0), state, name);
          }
          await scene.store.putPluginState(name, Buffer.from(`${round} of ${name}`));
        }
        t.is(await scene.store.pluginState('none'), null);
        t.deepEqual(await scene.store.pluginStates(), names.toSorted());
        t.deepEqual(await scene.store.bundles(), []);
        await scene.reopen();
      }
      await scene.store.putPluginState('webhooks', new Uint8Array(0));
      await scene.reopen();
      t.is((await scene.store.pluginState('webhooks'))?.length, 0);
      await scene.checkListing();
    },
  );

  contract('bundles are found by digest and listed in order, before and after a reopen', async (t, scene) => {
    const bodies = new Map<string, Uint8Array>();
    for (let index = 0; index < 20; index += 1) {
      bodies.set(digestOf(index), Buffer.from(JSON.stringify({ index, text: 'ß'.repeat(index * 500) })));
    }
    await Promise.all([...bodies].map(([digest, body]) => scene.store.putBundle({ digest, body })));
    for (let round = 0; round < 2; round += 1) {
      t.deepEqual(await scene.store.bundles(), [...bodies.keys()].sort());
      for (const [digest, body] of bodies) {
        const found = await scene.store.bundle(digest);
        scene.checkBytes(found ?? new Uint8Array(0), body, digest);
      }
      t.is(await scene.store.bundle(digestOf(99)), null);
      await scene.reopen();
    }
  });

  contract('a bundle may be put repeatedly and concurrently', async (t, scene) => {
    const bundle = { digest: digestOf(1), body: Buffer.from('{"a":1}') };
    await Promise.all([scene.store.putBundle(bundle), scene.store.putBundle(bundle)]);
    await scene.store.putBundle(bundle);
    await scene.reopen();
    await scene.store.putBundle(bundle);
    t.deepEqual(await scene.store.bundles(), [bundle.digest]);
    scene.checkBytes((await scene.store.bundle(bundle.digest)) ?? new Uint8Array(0), bundle.body, 'bundle');
  });
};
