import test from 'ava';
import { makeDirectory, removeDirectory } from './directory.ts';
import { randomFrom, seedFrom } from './seed.ts';
import { lineOf, Writer } from './writer.ts';

const LINES = 20_000;
const random = randomFrom(seedFrom(process.env.LINE_NUMBERS_SEED));

/** The lengths of the texts of a log, by the number of a line. The second number: the most reads of the disk that find a line. */
const LOGS: Readonly<Record<string, readonly [(seq: number) => number, number]>> = {
  'of one length': [() => 200, 10],
  'of random lengths': [() => Math.floor(random() * 600), 10],
  'of which the later half is ten times as long': [(seq) => (seq > LINES / 2 ? 1_000 : 100), 30],
  'of which one is as long as all others': [(seq) => (seq === LINES / 4 ? 1_000_000 : 50), 50],
};

for (const [what, [lengthOf, mostReads]] of Object.entries(LOGS))
  test(`P21: a line is found by its number with at most ${mostReads} reads in a log of lines ${what}`, async (t) => {
    const dir = await makeDirectory();
    const writer = await new Writer({ dir }).open();
    await writer.create('log_a');
    const lines = [lineOf(1, 'created')];
    for (let seq = 2; seq <= LINES; seq += 1) lines.push(lineOf(seq, 'x'.repeat(lengthOf(seq))));
    const later = Buffer.concat(lines.slice(1));
    await writer.store.append('log_a', writer.headOf('log_a'), { lines: later, count: LINES - 1 });
    writer.texts.set('log_a', Buffer.concat(lines).toString());
    await writer.store.close();

    const reader = await new Writer({ dir }, writer.texts).open();
    let reads = 0;
    reader.disk.fate = ({ operation }) => {
      if (operation === 'read') reads += 1;
      return undefined;
    };
    let most = 0;
    for (let step = 0; step <= 100; step += 1) {
      const seq = Math.max(1, Math.round((step / 100) * LINES));
      reads = 0;
      const limits = { count: 1, bytes: 1, direction: 'forward' } as const;
      const slice = await reader.store.read('log_a', { seq, offset: 0 }, limits);
      t.is(slice.first.seq, seq);
      t.deepEqual(Buffer.from(slice.lines), lines[seq - 1]);
      most = Math.max(most, reads);
    }
    t.true(most > 0 && most <= mostReads, `${most} reads`);
    t.log(`${most} reads`);
    await reader.store.close();
    await removeDirectory(dir);
  });
