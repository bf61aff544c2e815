/** Kills exports and imports of a store with files. */
import { readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { eventsAt, fill, inFolder, killWhen, shown } from './archives.ts';
import { makePlace, Program, run } from './program.ts';

const bytesIn = async (dir: string): Promise<number> => {
  try {
    let bytes = 0;
    for (const entry of await readdir(dir, { recursive: true, withFileTypes: true }))
      if (entry.isFile()) bytes += (await stat(join(entry.parentPath, entry.name))).size;
    return bytes;
  } catch {
    // a file went away, or the directory is not there yet
    return 0;
  }
};

/**
 * Kills an export when its archive has each of `exportedBytes`, and an import when its store has each of `importedBytes`. Asserts that the
 * source stays whole, and that no part of a copy counts as one.
 */
export const assertKilledCopiesAreWhole = async (
  t: ExecutionContext,
  exportedBytes: readonly number[],
  importedBytes: readonly number[],
): Promise<void> => {
  t.timeout(240_000);
  const place = await makePlace(t);
  await fill(join(place, 'source'), 40);
  const source = ['--fs-store.dir', 'source'];
  const before = await shown(t, place, inFolder('source'));
  let kills = 0;
  for (const most of exportedBytes) {
    const partial = join(place, 'archive.partial');
    const exporting = new Program(t, place, ['export', 'archive', ...source]);
    const size = async (): Promise<number> => (await stat(partial).catch(() => ({ size: -1 }))).size;
    const wasKilled = await killWhen(exporting, async () => (await size()) >= most);
    if (wasKilled) kills += 1;
    const isThere = (await readdir(place)).includes('archive');
    t.true(!(isThere && wasKilled) || (await run(t, place, ['verify', 'archive'])).code === 0);
    await rm(join(place, 'archive'), { force: true });
  }
  t.true(kills >= exportedBytes.length / 2, `${kills} exports were killed`);
  t.is((await run(t, place, ['export', 'archive', ...source])).code, 0);
  t.deepEqual(
    (await readdir(place)).filter((name) => name.startsWith('archive')),
    ['archive'],
  );
  t.deepEqual(await shown(t, place, inFolder('source')), before);

  kills = 0;
  const target = ['--fs-store.dir', 'target'];
  for (const most of importedBytes) {
    const importing = new Program(t, place, ['import', 'archive', ...target]);
    const wasKilled = await killWhen(importing, async () => (await bytesIn(join(place, 'target'))) >= most);
    if (!wasKilled) break;
    kills += 1;
    const serving = new Program(t, place, [...inFolder('target'), 'serve', '--port', '0']);
    const outcome = await Promise.race([
      serving.ended.then(({ stderr }) => stderr),
      serving.prints(/^worker-runtime listening on (\S+)/m).then(async ([, url]) => eventsAt(url ?? '')),
    ]);
    serving.kill('SIGTERM');
    await serving.ended;
    t.true(
      /STORE_INCOMPLETE/.test(outcome) || outcome === before.events || outcome === '[]',
      outcome.slice(0, 500),
    );
    // a runtime that has started in an empty store has made it its own
    if (outcome === '[]') await rm(join(place, 'target'), { recursive: true });
    if (outcome === before.events) break;
  }
  t.true(kills >= importedBytes.length / 2, `${kills} imports were killed`);
  const last = await run(t, place, ['import', 'archive', ...target]);
  t.true(last.code === 0 || /The store is not empty/.test(last.stderr), last.stderr);
  t.deepEqual(await shown(t, place, inFolder('target')), before);
};
