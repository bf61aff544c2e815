import type { Batch } from '../../contracts/store.ts';
import type { Contract } from './contract.ts';
import { Ledger } from './ledger.ts';
import type { Place } from './place.ts';

const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

interface Attempt {
  readonly log: string;
  readonly ledger: Ledger;
  readonly batch: Batch;
  isAcknowledged: boolean;
}

/** Starts a write, and notes whether it was acknowledged before the kill. */
const attempt = (log: string, ledger: Ledger, batch: Batch, write: () => Promise<void>): Attempt => {
  const started: Attempt = { log, ledger, batch, isAcknowledged: false };
  write().then(
    () => {
      started.isAcknowledged = true;
    },
    // A write that a kill breaks off may fail in any way, or never settle.
    () => {},
  );
  return started;
};

const startWrites = (place: Place, round: number): readonly Attempt[] => {
  const attempts: Attempt[] = [];
  for (const [log, ledger] of place.ledgers) {
    const batch = ledger.batch(['one of three', 'x'.repeat(2_000), 'three of three'], true);
    attempts.push(attempt(log, ledger, batch, () => place.store.append(log, ledger.head, batch)));
  }
  for (let index = 0; index < 5; index += 1) {
    const log = `log_${round}_${index}`;
    const begin = { workerId: `worker-of-${log}`, record: { log } };
    const ledger = new Ledger(begin);
    const batch = ledger.batch(['created', 'attached']);
    attempts.push(attempt(log, ledger, batch, () => place.store.create(log, begin, batch)));
  }
  return attempts;
};

/** Notes what a broken-off write left: nothing or all of it, and all of it where it was acknowledged. */
const settle = (place: Place, { log, ledger, batch, isAcknowledged }: Attempt): void => {
  const stored = place.listed.get(log);
  const isThere = stored !== undefined && stored.head.seq > ledger.head.seq;
  place.t.true(isThere || !isAcknowledged, `${log}: what was acknowledged is there`);
  if (!isThere) return;
  ledger.note(batch);
  place.ledgers.set(log, ledger);
};

/** What is found after a crash. */
export const killingTests = (contract: Contract): void => {
  contract(
    'P9: what was acknowledged is there after a kill',
    async (t, place) => {
      const { runtimeId } = place;
      for (const log of ['log_a', 'log_b', 'log_c'])
        await place.begin(log, ['created', 'input'], { hasKeys: true });
      await place.store.putBundle({ digest: 'ab12', body: Buffer.from('{}') });
      await place.reopen();
      await place.begin('log_d', ['created after the reopen']);
      await place.add('log_a', ['one', 'two'], true);
      await place.add('log_d', ['x'.repeat(100_000)]);
      await place.remove('log_c');
      await place.store.putBundle({ digest: 'cd34', body: Buffer.from('[]') });
      for (let round = 0; round < 3; round += 1) {
        await place.kill();
        await place.open();
        t.is(place.runtimeId, runtimeId);
        await place.checkListing();
        await place.checkAll();
        for (const log of place.ledgers.keys()) await place.checkKeys(log);
        t.deepEqual(await place.store.bundles(), ['ab12', 'cd34']);
        await place.add('log_a', [`after kill ${round}`], true);
      }
    },
    'kill',
  );

  contract(
    'P11: a kill during writes leaves each batch and each creation whole or absent',
    async (_t, place) => {
      for (let index = 0; index < 5; index += 1) await place.begin(`log_${index}`, ['created']);
      for (let round = 0; round < 8; round += 1) {
        const attempts = startWrites(place, round);
        for (let turn = 0; turn < round; turn += 1) await nextTurn();
        await place.kill();
        await place.open();
        for (const started of attempts) settle(place, started);
        await place.checkListing();
        await place.checkAll();
        for (const log of place.ledgers.keys()) await place.checkKeys(log);
      }
    },
    'kill',
  );
};
