import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import { readCatalog } from '../src/checkpoint/catalog.ts';
import { makeDirectory, removeDirectory } from './directory.ts';
import { Writer } from './writer.ts';

const LOGS = Array.from({ length: 6 }, (_, at) => `log_${at}`);

/** The number of logs in the catalog. */
const loggedIn = async (dir: string): Promise<number> =>
  readCatalog(await readFile(join(dir, 'catalog.json'))).logs.size;

test('P9: closing without time for all files loses nothing, and every closing files at least one log', async (t) => {
  const dir = await makeDirectory();
  const texts = new Map<string, string>();
  const first = await new Writer({ dir, closingMs: 0 }, texts).open();
  for (const log of LOGS) await first.create(log);
  for (const log of LOGS) await first.append(log, 'an input', true);
  await first.store.close();
  // A closing always finishes one log, so that repeated closings make progress.
  t.is(await loggedIn(dir), 1);
  for (let closed = 2; closed <= LOGS.length + 2; closed++) {
    const writer = await new Writer({ dir, closingMs: 0 }, texts).open();
    t.deepEqual(writer.findings, []);
    t.deepEqual(writer.listed.map(({ log }) => log).sort(), LOGS);
    for (const log of LOGS) {
      t.deepEqual(await writer.read(log), { text: texts.get(log) ?? '', gaps: [] }, `${log}, ${closed}`);
      t.is((await writer.store.keys(log)).length, 1);
    }
    await writer.store.close();
    t.is(await loggedIn(dir), Math.min(closed, LOGS.length));
  }
  await removeDirectory(dir);
});

test('P9: appends, removals and creations after a closing without time are there at the next open', async (t) => {
  const dir = await makeDirectory();
  const texts = new Map<string, string>();
  let writer = await new Writer({ dir, closingMs: 0 }, texts).open();
  for (const log of LOGS) await writer.create(log);
  for (let round = 0; round < 12; round++) {
    await writer.store.close();
    writer = await new Writer({ dir, closingMs: 0 }, texts).open();
    t.deepEqual(writer.findings, [], `round ${round}`);
    t.deepEqual(writer.listed.map(({ log }) => log).sort(), [...texts.keys()].sort());
    for (const log of texts.keys()) {
      t.deepEqual(await writer.read(log), { text: texts.get(log) ?? '', gaps: [] });
      await writer.append(log, `round ${round} of ${log}`, round % 2 === 0);
    }
    const [oldest] = [...texts.keys()];
    if (round % 3 === 2 && oldest !== undefined) {
      await writer.store.remove(oldest);
      texts.delete(oldest);
      await writer.create(`log_more_${round}`);
    }
  }
  await writer.store.close();
  // A last closing with enough time files everything.
  const last = await new Writer({ dir }, texts).open();
  for (const log of texts.keys()) t.deepEqual(await last.read(log), { text: texts.get(log) ?? '', gaps: [] });
  await last.store.close();
  t.is(await loggedIn(dir), texts.size);
  await removeDirectory(dir);
});
