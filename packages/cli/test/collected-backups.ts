import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { makePlace, request, run, serve } from './program.ts';

/** A module that collects garbage in each turn of the event loop. */
const COLLECTOR = `
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc');
const run = () => { collect(); setImmediate(run).unref(); };
run();
`;

/** Makes `backups` backups with a garbage collection in each turn of the event loop. Asserts that each is whole. */
export const assertBackupsSurviveCollections = async (
  t: ExecutionContext,
  backups: number,
): Promise<void> => {
  t.timeout(60_000 + backups * 30_000);
  const place = await makePlace(t);
  const collector = join(place, 'collector.mjs');
  await writeFile(collector, COLLECTOR);
  const { url } = await serve(t, place, ['--plugin', 'echo']);
  await request(url, 'POST', '/workers', { workerId: 'ada', engine: 'echo' });
  for (let at = 0; at < backups; at += 1) {
    const { code, stderr } = await run(t, place, ['backup', `${at}.archive`, '--url', url], {
      NODE_OPTIONS: `--unhandled-rejections=strict --import ${collector}`,
    });
    t.is(code, 0, stderr);
  }
};
