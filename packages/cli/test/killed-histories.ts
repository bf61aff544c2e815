/** Kills commands that archive histories, and the servers that they ask. */
import { join } from 'node:path';
import { openArchive } from '@worker-runtime/core/archive';
import type { ExecutionContext } from 'ava';
import { archivesIn, converse, eventsAt, inFolder, killWhen } from './archives.ts';
import { makePlace, Program, request, run, serve } from './program.ts';

/**
 * Archives the histories of `count` Workers, and kills the command or the server when there are as many files as each of `moments` says.
 * Asserts that each event is in the runtime or in a whole file that the runtime names.
 */
export const assertKilledArchivingKeepsHistory = async (
  t: ExecutionContext,
  count: number,
  moments: readonly number[],
): Promise<void> => {
  t.timeout(240_000);
  const place = await makePlace(t);
  let { url, program } = await serve(t, place, inFolder('live'));
  const workers = Array.from({ length: count }, (_, index) => `worker-${index}`);
  for (const worker of workers) await converse(url, worker, 8);
  const before = await eventsAt(url);
  const folder = join(place, 'archives');
  const args = ['workers', 'archive', '--history-before', '0s', '--to', 'archives', '--url'];
  let kills = 0;
  const check = async (): Promise<void> => {
    for (const worker of workers) {
      const { body } = await request<{
        archived: { firstSeq: number; archive: string } | null;
        lastSeq: number;
      }>(url, 'GET', `/workers/${worker}`);
      const after = `@${(body.archived?.firstSeq ?? 1) - 1}`;
      const page = await request<{ items: readonly unknown[] }>(
        url,
        'GET',
        `/workers/${worker}/events?limit=1000&after=${after}`,
      );
      t.is(page.status, 200);
      const rest = JSON.stringify(page.body.items).slice(1, -1);
      t.true(
        before.includes(rest) && page.body.items.length === body.lastSeq - Number(after.slice(1)),
        worker,
      );
      if (!body.archived) continue;
      t.true((await archivesIn(folder)).includes(body.archived.archive), body.archived.archive);
      const { end } = await openArchive(join(folder, body.archived.archive));
      t.is(end.events, body.archived.firstSeq - 1);
    }
  };
  for (const [round, most] of moments.entries()) {
    const archiving = new Program(t, place, [...args, url]);
    // each second time, the server is killed
    const victim = round % 2 === 1 ? program : archiving;
    if (await killWhen(victim, async () => (await archivesIn(folder)).length >= most, archiving)) kills += 1;
    await archiving.ended;
    if (victim === program) ({ url, program } = await serve(t, place, inFolder('live')));
    await check();
  }
  t.true(kills >= moments.length - 1, `${kills} kills`);
  const done = await run(t, place, [...args, url]);
  t.is(done.code, 0, done.stderr);
  await check();
  t.is((await archivesIn(folder)).length, workers.length, 'no file was written twice');
};
