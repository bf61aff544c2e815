import type { ReadLimits } from '../../contracts/store.ts';
import type { Contract } from './contract.ts';
import { random } from './random.ts';
import type { StoreScene } from './scene.ts';

const DIRECTIONS = ['forward', 'backward'] as const;
const SHORT_LOG = 300;
const LONG_LOG = 60_000;
/** The sizes of memory that a store is given for the lines: too small for any, for some, and for none. */
const MEMORIES = [1, 200, 65_536];

/** Writes a log of 18 lines of varied lengths, in batches of 1 to 5. */
const writeUneven = async (scene: StoreScene): Promise<void> => {
  const dice = random(7);
  const text = (): string => 'ü'.repeat(dice.below(40));
  await scene.begin('log_a', [text(), text(), text()]);
  for (const count of [1, 5, 1, 2, 4, 1, 1]) await scene.add('log_a', Array.from({ length: count }, text));
};

const checkRead = async (
  scene: StoreScene,
  seq: number,
  limits: ReadLimits,
  offset?: number,
): Promise<void> => {
  const model = scene.model('log_a');
  const position = { seq, offset: offset ?? model.offsetOf(seq) };
  const slice = await scene.store.read('log_a', position, limits);
  const what = `read ${JSON.stringify({ ...position, ...limits })}`;
  scene.checkSlice('log_a', slice, model.expectedRange(seq, limits), what);
  for (const bytes of MEMORIES) {
    const into = new Uint8Array(bytes).fill(0xff);
    const read = await scene.store.read('log_a', position, { ...limits, into });
    scene.checkSlice('log_a', read, model.expectedRange(seq, limits), `${what} into ${bytes} bytes`);
  }
  if (slice.count === 0)
    scene.t.deepEqual({ ...slice.first }, position, `${what}: an empty slice has the position of the read`);
};

const readEverywhere = async (scene: StoreScene): Promise<void> => {
  const model = scene.model('log_a');
  const { seq: last, bytes: all } = model.head;
  for (let seq = 1; seq <= last + 1; seq += 1) {
    const threeAfter = model.offsetOf(Math.min(seq + 3, last + 1)) - model.offsetOf(seq);
    const threeBefore = model.offsetOf(seq) - model.offsetOf(Math.max(1, seq - 3));
    for (const direction of DIRECTIONS) {
      const three = direction === 'forward' ? threeAfter : threeBefore;
      for (const count of [1, 2, 4, last, last + 5]) {
        // A wrong byte limit shows near the end of a line.
        for (const bytes of [1, three - 1, three, three + 1, all]) {
          if (bytes >= 1) await checkRead(scene, seq, { count, bytes, direction });
        }
      }
    }
  }
};

const writeLong = async (scene: StoreScene, log: string, count: number): Promise<void> => {
  const batch = Array.from({ length: 100 }, (_, index) => `${index} `.repeat(20));
  await scene.begin(log, batch);
  for (let written = 100; written < count; written += 100) await scene.add(log, batch);
};

export const readingTests = (contract: Contract): void => {
  contract(
    'P5: a read returns exactly the requested lines, at every position and with every limit',
    async (_t, scene) => {
      await writeUneven(scene);
      await readEverywhere(scene);
    },
  );

  contract('P7: a read returns exactly the requested lines after a reopen', async (_t, scene) => {
    await writeUneven(scene);
    await scene.reopen();
    await readEverywhere(scene);
  });

  contract('P6: a read with a stale offset finds the line by its number', async (_t, scene) => {
    await writeUneven(scene);
    const model = scene.model('log_a');
    const { seq: last, bytes: all } = model.head;
    for (let round = 0; round < 2; round += 1) {
      for (let seq = 1; seq <= last; seq += 1) {
        const right = model.offsetOf(seq);
        const wrong = [
          0,
          1,
          right - 1,
          right + 1,
          model.offsetOf(1 + (seq % last)),
          all - 1,
          all,
          all + 1_000,
        ];
        for (const offset of wrong) {
          if (offset < 0 || offset === right) continue;
          for (const direction of DIRECTIONS)
            await checkRead(scene, seq, { count: 3, bytes: all, direction }, offset);
        }
      }
      await scene.reopen();
    }
  });

  contract(
    'a read beyond the head returns nothing forward, and the last lines backward',
    async (t, scene) => {
      await writeUneven(scene);
      const { seq: last, bytes: all } = scene.model('log_a').head;
      for (const [seq, offset] of [
        [last + 2, all],
        [last + 2, all + 50],
        [last + 1_000, all + 100_000],
        [last + 1_000, 0],
      ] as const) {
        const limits = { count: 3, bytes: all };
        const forward = await scene.store.read('log_a', { seq, offset }, { ...limits, direction: 'forward' });
        scene.checkSlice('log_a', forward, { from: seq, to: seq }, 'forward from beyond the head');
        t.deepEqual({ ...forward.first }, { seq, offset });
        const backward = await scene.store.read(
          'log_a',
          { seq, offset },
          { ...limits, direction: 'backward' },
        );
        scene.checkSlice(
          'log_a',
          backward,
          { from: last - 2, to: last + 1 },
          'backward from beyond the head',
        );
      }
    },
  );

  contract('a slice has at least one line, even if the line exceeds the byte limit', async (_t, scene) => {
    const long = '長'.repeat(5_000);
    await scene.begin('log_a', ['short', long, 'short', long, long]);
    for (const bytes of [1, 100, 14_999]) {
      for (let seq = 1; seq <= 6; seq += 1) {
        for (const direction of DIRECTIONS) await checkRead(scene, seq, { count: 10, bytes, direction });
      }
    }
  });

  contract('P8: later appends do not change a slice that was returned', async (_t, scene) => {
    const model = await scene.begin('log_a', ['one', 'two']);
    const limits = { count: 10, bytes: 1_000, direction: 'forward' } as const;
    const held = await scene.store.read('log_a', model.position(1), limits);
    for (let round = 0; round < 50; round += 1) await scene.add('log_a', [`later ${round}`]);
    scene.checkSlice('log_a', held, { from: 1, to: 3 }, 'held slice');
  });

  contract(
    'reading page by page, in either direction, returns a long log without gap or repetition',
    async (t, scene) => {
      await writeLong(scene, 'log_a', 2_500);
      await scene.add('log_a', ['the end']);
      const model = scene.model('log_a');
      const limits = { count: 64, bytes: 4_000, direction: 'backward' } as const;
      const pages: Uint8Array[] = [];
      let position = model.position(model.head.seq + 1);
      while (position.seq > 1) {
        const slice = await scene.store.read('log_a', position, limits);
        t.true(slice.count > 0);
        pages.unshift(slice.lines);
        position = slice.first;
      }
      scene.checkBytes(Buffer.concat(pages), model.bytes(), 'backward pages');
      await scene.checkLog('log_a');
    },
  );

  contract(
    'P21: a page of a long log costs no more bytes read than a page of a short log',
    async (t, scene) => {
      await writeLong(scene, 'log_short', SHORT_LOG);
      await writeLong(scene, 'log_long', LONG_LOG);
      // A reopened store has no line left in memory from writing it.
      await scene.reopen();
      const costs: Record<string, number> = {};
      for (const log of ['log_short', 'log_long']) {
        const model = scene.model(log);
        const before = scene.harness.bytesRead?.() ?? Number.NaN;
        for (const direction of DIRECTIONS) {
          const middle = model.position(model.head.seq / 2 + 1);
          const limits = { count: 100, bytes: 100_000, direction };
          const slice = await scene.store.read(log, middle, limits);
          scene.checkSlice(log, slice, model.expectedRange(middle.seq, limits), `${log} ${direction}`);
        }
        costs[log] = (scene.harness.bytesRead?.() ?? Number.NaN) - before;
      }
      const { log_short: short = Number.NaN, log_long: long = Number.NaN } = costs;
      // Pages may touch one block more or less. The long log has 200 times the bytes.
      t.true(
        long <= 2 * short + 65_536,
        `${long} bytes were read from the long log, ${short} from the short one`,
      );
    },
    'meter',
  );
};
