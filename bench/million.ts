import { createWriteStream } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { crc32 } from 'node:zlib';
import { engine, Runtime, type RuntimePlugin } from '@worker-runtime/core';
import { mintId } from '@worker-runtime/core/plugin-kit';
import { fsStore } from '@worker-runtime/plugin-fs-store';
import { milliseconds } from './measurement.ts';

/*
 * npm run million --workspace bench [-- WORKERS]: opens a store with a million idle Workers, and prints the time and the memory. Not
 * one of the benchmarks, because those run in memory that they share. The catalog is multiplied from that of one Worker, since the
 * files of a million Workers take an hour to write and opening a store does not look at them.
 */

const workers = Number(process.argv[2] ?? 1_000_000);

const quiet: RuntimePlugin = {
  name: 'quiet',
  apply: (host) => host.useEngine(engine('quiet', async function* () {})),
};

const start = (dir: string): Promise<Runtime> =>
  Runtime.start({ plugins: [fsStore({ dir }), quiet], limits: { workers: workers + 1 } });

const sealed = (text: string): string =>
  `${crc32(Buffer.from(text)).toString(16).padStart(8, '0')} ${text}\n`;

/** Replaces the catalog by one with many copies of its only log. */
const multiply = async (dir: string): Promise<void> => {
  const path = join(dir, 'catalog.json');
  const texts = (await readFile(path, 'utf8'))
    .trimEnd()
    .split('\n')
    .map((line) => line.slice(9));
  const [header = ''] = texts;
  const log = texts.findLast((text) => text.includes('"value":')) ?? '';
  const { log: id } = JSON.parse(log) as { log: string };
  const checkpoint = JSON.parse(texts.at(-1) ?? '') as object;
  const file = Writable.toWeb(createWriteStream(path)).getWriter();
  await file.write(Buffer.from(sealed(header)));
  for (let at = 0; at < workers; ) {
    let lines = '';
    for (const end = Math.min(workers, at + 1_000); at < end; at++)
      lines += sealed(log.replace(id, mintId('log')).replace('"worker-0"', `"worker-${at}"`));
    await file.write(Buffer.from(lines));
  }
  await file.write(Buffer.from(sealed(JSON.stringify({ ...checkpoint, lines: workers }))));
  await file.close();
};

const dir = await mkdtemp(join(import.meta.dirname, '.scratch-'));
try {
  const first = await start(dir);
  await first.createWorker({ engine: 'quiet', workerId: 'worker-0' });
  await first.stop();
  await multiply(dir);
  const before = process.memoryUsage.rss();
  let runtime = first;
  const time = await milliseconds(async () => {
    runtime = await start(dir);
  });
  const { rss, heapUsed, external } = process.memoryUsage();
  const mebibytes = (bytes: number): number => Math.round(bytes / 1_048_576);
  const { total } = (await runtime.summary()).workers;
  console.log(`${total} Workers: open in ${Math.round(time)} ms`);
  console.log(
    `MiB: resident ${mebibytes(rss)} (${mebibytes(before)} before), heap ${mebibytes(heapUsed)}, outside it ${mebibytes(external)}`,
  );
  await runtime.stop();
} finally {
  await rm(dir, { recursive: true, force: true });
}
