import type { ReadLimits } from '../../contracts/store.ts';
import type { Contract } from './contract.ts';
import type { Place } from './place.ts';
import { random } from './random.ts';

const DIRECTIONS = ['forward', 'backward'] as const;
const SHORT_LOG = 300;
const LONG_LOG = 60_000;

/** A log of 18 lines, of many lengths, in batches of 1 to 5. */
const writeUneven = async (place: Place): Promise<void> => {
  const dice = random(7);
  const text = (): string => 'ü'.repeat(dice.below(40));
  await place.begin('log_a', [text(), text(), text()]);
  for (const count of [1, 5, 1, 2, 4, 1, 1]) await place.add('log_a', Array.from({ length: count }, text));
};

const checkRead = async (place: Place, seq: number, limits: ReadLimits, offset?: number): Promise<void> => {
  const ledger = place.ledger('log_a');
  const position = { seq, offset: offset ?? ledger.offsetOf(seq) };
  const slice = await place.store.read('log_a', position, limits);
  const what = `read ${JSON.stringify({ ...position, ...limits })}`;
  place.checkSlice('log_a', slice, ledger.expected(seq, limits), what);
  if (slice.count === 0)
    place.t.deepEqual({ ...slice.first }, position, `${what}: where nothing is, first is what was asked`);
};

const readEverywhere = async (place: Place): Promise<void> => {
  const ledger = place.ledger('log_a');
  const { seq: last, bytes: all } = ledger.head;
  for (let seq = 1; seq <= last + 1; seq += 1) {
    const threeOn = ledger.offsetOf(Math.min(seq + 3, last + 1)) - ledger.offsetOf(seq);
    const threeBack = ledger.offsetOf(seq) - ledger.offsetOf(Math.max(1, seq - 3));
    for (const direction of DIRECTIONS) {
      const three = direction === 'forward' ? threeOn : threeBack;
      for (const count of [1, 2, 4, last, last + 5]) {
        // Around the end of a line is where a limit goes wrong.
        for (const bytes of [1, three - 1, three, three + 1, all]) {
          if (bytes >= 1) await checkRead(place, seq, { count, bytes, direction });
        }
      }
    }
  }
};

const writeLong = async (place: Place, log: string, count: number): Promise<void> => {
  const batch = Array.from({ length: 100 }, (_, index) => `${index} `.repeat(20));
  await place.begin(log, batch);
  for (let written = 100; written < count; written += 100) await place.add(log, batch);
};

export const readingTests = (contract: Contract): void => {
  contract(
    'P5: a read gives exactly the lines asked for, at every position and with every limit',
    async (_t, place) => {
      await writeUneven(place);
      await readEverywhere(place);
    },
  );

  contract('P7: after a reopen a read still gives exactly the lines asked for', async (_t, place) => {
    await writeUneven(place);
    await place.reopen();
    await readEverywhere(place);
  });

  contract('P6: a stale offset is only a hint, the line is found by its number', async (_t, place) => {
    await writeUneven(place);
    const ledger = place.ledger('log_a');
    const { seq: last, bytes: all } = ledger.head;
    for (let round = 0; round < 2; round += 1) {
      for (let seq = 1; seq <= last; seq += 1) {
        const right = ledger.offsetOf(seq);
        const wrong = [
          0,
          1,
          right - 1,
          right + 1,
          ledger.offsetOf(1 + (seq % last)),
          all - 1,
          all,
          all + 1_000,
        ];
        for (const offset of wrong) {
          if (offset < 0 || offset === right) continue;
          for (const direction of DIRECTIONS)
            await checkRead(place, seq, { count: 3, bytes: all, direction }, offset);
        }
      }
      await place.reopen();
    }
  });

  contract('beyond the head there is nothing, and before it is the end of the log', async (t, place) => {
    await writeUneven(place);
    const { seq: last, bytes: all } = place.ledger('log_a').head;
    for (const [seq, offset] of [
      [last + 2, all],
      [last + 2, all + 50],
      [last + 1_000, all + 100_000],
      [last + 1_000, 0],
    ] as const) {
      const limits = { count: 3, bytes: all };
      const on = await place.store.read('log_a', { seq, offset }, { ...limits, direction: 'forward' });
      place.checkSlice('log_a', on, { from: seq, to: seq }, 'forward beyond the head');
      t.deepEqual({ ...on.first }, { seq, offset });
      const back = await place.store.read('log_a', { seq, offset }, { ...limits, direction: 'backward' });
      place.checkSlice('log_a', back, { from: last - 2, to: last + 1 }, 'backward from beyond the head');
    }
  });

  contract('a slice has at least one line, however long it is', async (_t, place) => {
    const long = '長'.repeat(5_000);
    await place.begin('log_a', ['short', long, 'short', long, long]);
    for (const bytes of [1, 100, 14_999]) {
      for (let seq = 1; seq <= 6; seq += 1) {
        for (const direction of DIRECTIONS) await checkRead(place, seq, { count: 10, bytes, direction });
      }
    }
  });

  contract(
    'P8: a slice that a slow reader still holds does not change when the log goes on',
    async (_t, place) => {
      const ledger = await place.begin('log_a', ['one', 'two']);
      const limits = { count: 10, bytes: 1_000, direction: 'forward' } as const;
      const held = await place.store.read('log_a', ledger.position(1), limits);
      for (let round = 0; round < 50; round += 1) await place.add('log_a', [`later ${round}`]);
      place.checkSlice('log_a', held, { from: 1, to: 3 }, 'held slice');
    },
  );

  contract('pages in both directions walk a long log without gap or repetition', async (t, place) => {
    await writeLong(place, 'log_a', 2_500);
    await place.add('log_a', ['the end']);
    const ledger = place.ledger('log_a');
    const limits = { count: 64, bytes: 4_000, direction: 'backward' } as const;
    const pages: Uint8Array[] = [];
    let position = ledger.position(ledger.head.seq + 1);
    while (position.seq > 1) {
      const slice = await place.store.read('log_a', position, limits);
      t.true(slice.count > 0);
      pages.unshift(slice.lines);
      position = slice.first;
    }
    place.checkBytes(Buffer.concat(pages), ledger.bytes(), 'backward pages');
    await place.checkLog('log_a');
  });

  contract(
    'P21: a page of a long log reads as little as one of a short log',
    async (t, place) => {
      await writeLong(place, 'log_short', SHORT_LOG);
      await writeLong(place, 'log_long', LONG_LOG);
      // Reopened, so that no line is left in memory from writing it.
      await place.reopen();
      const costs: Record<string, number> = {};
      for (const log of ['log_short', 'log_long']) {
        const ledger = place.ledger(log);
        const before = place.harness.bytesRead?.() ?? Number.NaN;
        for (const direction of DIRECTIONS) {
          const middle = ledger.position(ledger.head.seq / 2 + 1);
          const limits = { count: 100, bytes: 100_000, direction };
          const slice = await place.store.read(log, middle, limits);
          place.checkSlice(log, slice, ledger.expected(middle.seq, limits), `${log} ${direction}`);
        }
        costs[log] = (place.harness.bytesRead?.() ?? Number.NaN) - before;
      }
      const { log_short: short = Number.NaN, log_long: long = Number.NaN } = costs;
      // A block more or less is how pages lie in blocks; the long log has 200 times the bytes.
      t.true(long <= 2 * short + 65_536, `${long} bytes read from the long log, ${short} from the short one`);
    },
    'meter',
  );
};
