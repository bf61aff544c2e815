/** Kills commands that archive Workers, and the servers that they ask. */
import { join } from 'node:path';
import { openArchive } from '@worker-runtime/core/archive';
import type { ExecutionContext } from 'ava';
import { archivesIn, inFolder, killWhen } from './archives.ts';
import { makePlace, Program, run, serve } from './program.ts';
import { idsAt, stopped } from './stopped-workers.ts';

/**
 * Archives `workers` Workers, and kills the command or the server when there are as many files as each of `moments` says. Asserts that each
 * Worker is in the runtime or in a whole file, and comes back.
 */
export const assertKilledArchivingLosesNothing = async (
  t: ExecutionContext,
  workers: number,
  moments: readonly number[],
): Promise<void> => {
  t.timeout(240_000);
  const place = await makePlace(t);
  let { url, program } = await serve(t, place, inFolder('live'));
  const ids = Array.from({ length: workers }, (_, index) => `worker-${index}`);
  await stopped(t, url, ids, { team: 'docs' });
  const folder = join(place, 'archives');
  const args = ['workers', 'archive', '--label', 'team=docs', '--to', 'archives', '--url'];
  let kills = 0;
  for (const [round, most] of moments.entries()) {
    const archiving = new Program(t, place, [...args, url]);
    // each second time, the server is killed
    const victim = round % 2 === 1 ? program : archiving;
    if (await killWhen(victim, async () => (await archivesIn(folder)).length >= most, archiving)) kills += 1;
    await archiving.ended;
    if (victim === program) ({ url, program } = await serve(t, place, inFolder('live')));
    const there = await idsAt(url);
    for (const id of ids) {
      if (there.includes(id)) continue;
      const file = (await archivesIn(folder)).find((name) => name.startsWith(`${id}.`)) ?? 'none';
      await t.notThrowsAsync(openArchive(join(folder, file)), `${id} is gone, and ${file} is not whole`);
    }
  }
  t.true(kills >= moments.length - 1, `${kills} kills`);
  t.is((await run(t, place, [...args, url])).code, 0);
  t.deepEqual(await idsAt(url), []);
  for (const name of await archivesIn(folder))
    t.is((await run(t, place, ['workers', 'import', join(folder, name), '--url', url])).code, 0, name);
  t.deepEqual([...(await idsAt(url))].sort(), [...ids].sort());
};
