import { randomBytes } from 'node:crypto';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { engine, inputText, Runtime } from '@worker-runtime/core';
import { fileStore } from '@worker-runtime/plugin-fs-store';
import type { ExecutionContext } from 'ava';
import { inFolder, killWhen } from './archives.ts';
import { makePlace, Program, request, run, serve } from './program.ts';

const FILES = 30;
const FILE_BYTES = 200_000;
const EVENTS = 2_000;

/** Fills a store with one Worker that has a long history and many files. */
const fillOne = async (dir: string): Promise<number> => {
  const echo = engine('echo', async function* (active) {
    const text = inputText(active.input);
    for (let number = 0; number < EVENTS; number += 1) {
      yield { type: 'text', text: `${number} ${text}` };
      yield { type: 'message' };
    }
  });
  const runtime = await Runtime.start({ engines: [echo], store: fileStore({ dir }) });
  await runtime.createWorker({ workerId: 'ada', engine: 'echo' });
  for (let number = 0; number < FILES; number += 1)
    await runtime.putFile('ada', randomBytes(FILE_BYTES), { mediaType: 'image/png' });
  await runtime.sendInput('ada', { text: 'x'.repeat(1_000) }, { waitMs: 60_000 });
  const { lastSeq } = await runtime.getWorker('ada');
  await runtime.stop();
  return lastSeq;
};

const bytesIn = async (folder: string): Promise<number> => {
  let bytes = 0;
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true }))
    if (entry.isFile())
      bytes += (await stat(join(entry.parentPath, entry.name)).catch(() => ({ size: 0 }))).size;
  return bytes;
};

/** Kills a server when each of `shares` of a fork's bytes is written. Asserts that the fork is there completely, or not at all. */
export const assertKilledForksAreWholeOrNothing = async (
  t: ExecutionContext,
  shares: readonly number[],
): Promise<void> => {
  t.timeout(240_000);
  const place = await makePlace(t);
  const live = join(place, 'live');
  const lastSeq = await fillOne(live);
  const inMiddle: boolean[] = [];
  for (const share of shares) {
    const { url, program } = await serve(t, place, inFolder('live'));
    const whole = FILES * FILE_BYTES;
    const before = await bytesIn(live);
    const forking = new Program(t, place, ['workers', 'fork', 'ada', '--as', 'fork', '--url', url]);
    inMiddle.push(
      await killWhen(program, async () => (await bytesIn(live)) >= before + share * whole, forking),
    );
    await forking.ended;
    program.kill('SIGKILL');
    await program.ended;
    const again = await serve(t, place, inFolder('live'));
    const { status, body } = await request<{ lastSeq: number; forkedFrom: unknown }>(
      again.url,
      'GET',
      '/workers/fork',
    );
    if (status === 200) {
      t.deepEqual(
        [body.lastSeq, body.forkedFrom],
        [lastSeq + 1, { workerId: 'ada', seq: lastSeq, actor: null }],
      );
      await run(t, place, ['workers', 'stop', 'fork', '--url', again.url]);
      t.is((await run(t, place, ['workers', 'delete', 'fork', '--url', again.url])).code, 0);
    } else t.is(status, 404);
    again.program.kill('SIGTERM');
    await again.program.ended;
    t.regex((await run(t, place, ['doctor', '--fs-store.dir', 'live'])).stdout, /no problems found/);
    t.true((await bytesIn(live)) < before + whole / 2, 'the bytes of the fork are gone');
  }
  t.true(inMiddle.includes(true), 'a kill came in the middle');
};
