import type { Contract } from './contract.ts';

const LIMITS = { count: 10, bytes: 1_000, direction: 'forward' } as const;

/** Tests of a store's identity, its closing and its lock. */
export const openingTests = (contract: Contract): void => {
  contract('a new store lists no logs and has an identity', async (t, place) => {
    t.is(place.listed.size, 0);
    t.true(/^runtime_[0-9a-z]+$/.test(place.runtimeId), `"${place.runtimeId}" is a TypeID of a runtime`);
    t.deepEqual(await place.store.bundles(), []);
    t.true(place.store.kind !== '' && Number.isSafeInteger(place.store.version), 'kind and version are set');
  });

  contract('P12: a store keeps its identity when it is reopened', async (t, place) => {
    const { runtimeId } = place;
    for (let round = 0; round < 3; round += 1) {
      await place.reopen();
      t.is(place.runtimeId, runtimeId);
    }
  });

  contract('stores at two locations have different identities', async (t, place) => {
    const other = place.another();
    await other.open();
    t.true(other.runtimeId !== place.runtimeId);
  });

  contract('after close every call fails with STORE_UNAVAILABLE', async (_t, place) => {
    const ledger = await place.begin('log_a', ['one']);
    const store = await place.close();
    const next = ledger.batch(['two']);
    const calls = {
      create: () => store.create('log_b', { workerId: 'b', record: null }, next),
      append: () => store.append('log_a', ledger.head, next),
      head: () => store.head('log_a'),
      read: () => store.read('log_a', ledger.position(1), LIMITS),
      record: () => store.record('log_a'),
      keys: () => store.keys('log_a'),
      remove: () => store.remove('log_a'),
      putBundle: () => store.putBundle({ digest: 'd', body: new Uint8Array(1) }),
      bundle: () => store.bundle('d'),
      bundles: () => store.bundles(),
    };
    for (const [name, call] of Object.entries(calls)) await place.refuses('STORE_UNAVAILABLE', name, call);
    await place.open();
    await place.checkListing();
  });

  contract(
    'P15: a second open fails with STORE_LOCKED until the first store is closed',
    async (_t, place) => {
      await place.begin('log_a', ['one']);
      const second = await place.harness.open();
      await place.refuses('STORE_LOCKED', 'second open', () => second.open(place.host));
      await place.add('log_a', ['two']);
      await place.reopen();
      await place.checkListing();
    },
    'lock',
  );

  contract('an undamaged store opens without warnings', async (t, place) => {
    await place.begin('log_a', ['one', 'two']);
    await place.begin('log_b', ['one']);
    await place.remove('log_b');
    await place.reopen();
    t.deepEqual(
      place.findings.filter((finding) => finding.severity !== 'info'),
      [],
    );
  });
};
