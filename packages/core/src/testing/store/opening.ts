import type { Contract } from './contract.ts';

const LIMITS = { count: 10, bytes: 1_000, direction: 'forward' } as const;

/** Tests of a store's identity, its closing and its lock. */
export const openingTests = (contract: Contract): void => {
  contract('a new store lists no logs and has an identity', async (t, scene) => {
    t.is(scene.listed.size, 0);
    t.true(/^runtime_[0-9a-z]+$/.test(scene.runtimeId), `"${scene.runtimeId}" is a TypeID of a runtime`);
    t.deepEqual(await scene.store.bundles(), []);
    t.true(scene.store.kind !== '' && Number.isSafeInteger(scene.store.version), 'kind and version are set');
  });

  contract('P12: a store keeps its identity when it is reopened', async (t, scene) => {
    const { runtimeId } = scene;
    for (let round = 0; round < 3; round += 1) {
      await scene.reopen();
      t.is(scene.runtimeId, runtimeId);
    }
  });

  contract('stores at two locations have different identities', async (t, scene) => {
    const other = scene.another();
    await other.open();
    t.true(other.runtimeId !== scene.runtimeId);
  });

  contract('after close every call fails with STORE_UNAVAILABLE', async (_t, scene) => {
    const model = await scene.begin('log_a', ['one']);
    const store = await scene.close();
    const next = model.batch(['two']);
    const calls = {
      create: () => store.create('log_b', { workerId: 'b', record: null }, next),
      append: () => store.append('log_a', model.head, next),
      head: () => store.head('log_a'),
      read: () => store.read('log_a', model.position(1), LIMITS),
      record: () => store.record('log_a'),
      keys: () => store.keys('log_a'),
      remove: () => store.remove('log_a'),
      putBlob: () => store.putBlob('log_a', 'b', new Uint8Array(1)),
      blob: () => store.blob('log_a', 'b'),
      putBundle: () => store.putBundle({ digest: 'd', body: new Uint8Array(1) }),
      bundle: () => store.bundle('d'),
      bundles: () => store.bundles(),
    };
    for (const [name, call] of Object.entries(calls)) await scene.refuses('STORE_UNAVAILABLE', name, call);
    await scene.open();
    await scene.checkListing();
  });

  contract(
    'P15: a second open fails with STORE_LOCKED until the first store is closed',
    async (_t, scene) => {
      await scene.begin('log_a', ['one']);
      const second = await scene.harness.open();
      await scene.refuses('STORE_LOCKED', 'second open', () => second.open(scene.host));
      await scene.add('log_a', ['two']);
      await scene.reopen();
      await scene.checkListing();
    },
    'lock',
  );

  contract('an undamaged store opens without warnings', async (t, scene) => {
    await scene.begin('log_a', ['one', 'two']);
    await scene.begin('log_b', ['one']);
    await scene.remove('log_b');
    await scene.reopen();
    t.deepEqual(
      scene.findings.filter((finding) => finding.severity !== 'info'),
      [],
    );
  });
};
