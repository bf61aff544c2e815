import { RuntimeError } from '@worker-runtime/core';
import test from 'ava';
import type { FsStoreOptions } from '../src/store/settings.ts';
import { copyDirectory, makeDirectory, removeDirectory } from './directory.ts';
import type { Call, Fate } from './fault-disk.ts';
import { randomFrom, seedFrom } from './seed.ts';
import { lineOf, Writer } from './writer.ts';

const SEED = seedFrom(process.env.FAULT_SEED);
const ROUNDS = Number(process.env.FAULT_ROUNDS ?? 12);
const NOT_DONE = ['STORE_FULL', 'STORE_CONFLICT', 'WORKER_DAMAGED'];

/** Calls that write fail now and then, in every way that a disk knows. */
const fateOf =
  (random: () => number, rate: number) =>
  ({ operation, bytes }: Call): Fate => {
    if (!['write', 'sync', 'truncate', 'open', 'replace', 'rename', 'syncDirectory'].includes(operation))
      return undefined;
    if (random() > rate) return undefined;
    if (operation === 'write' && random() < 0.4) return { take: Math.floor(random() * bytes) };
    return { code: random() < 0.5 ? 'ENOSPC' : 'EIO' };
  };

/** One life of a store on a bad disk. Returns what a kill left, and what each log must be: one of these texts. */
const live = async (
  dir: string,
  texts: Map<string, string>,
  options: Omit<FsStoreOptions, 'dir'>,
  random: () => number,
  tell: (what: string) => void,
): Promise<{ copy: string; doubts: Map<string, string> }> => {
  const writer = await new Writer(
    { dir, segmentBytes: 4_096, checkpointBytes: 8_192, closingMs: random() < 0.5 ? 0 : 3_000, ...options },
    texts,
  ).open();
  writer.disk.fate = fateOf(random, 0.08);
  const doubts = new Map<string, string>();
  const attempt = async (log: string): Promise<void> => {
    const before = texts.get(log);
    const head = writer.headOf(log);
    const line = lineOf(head.seq + 1, before === undefined ? 'created' : `${'y'.repeat(random() * 300)}`);
    const batch = { lines: line, count: 1 };
    try {
      if (before === undefined)
        await writer.store.create(log, { workerId: `worker-${log}`, record: { log } }, batch);
      else await writer.store.append(log, head, batch);
      texts.set(log, (before ?? '') + line.toString());
    } catch (error) {
      if (!(error instanceof RuntimeError)) throw error;
      if (!NOT_DONE.includes(error.code)) doubts.set(log, (before ?? '') + line.toString());
    }
  };
  /** Asks as the runtime would; while the disk fails, the doubt stays. */
  const settle = async (log: string): Promise<void> => {
    try {
      const head = await writer.store.head(log);
      const doubt = doubts.get(log) ?? '';
      if (head.bytes === Buffer.byteLength(doubt)) texts.set(log, doubt);
      doubts.delete(log);
      if (head.bytes !== writer.headOf(log).bytes) tell(`${log}: the head is neither before nor after`);
    } catch (error) {
      if (!(error instanceof RuntimeError)) throw error;
      if (error.code !== 'WORKER_NOT_FOUND') return;
      if (texts.has(log)) tell(`${log} is gone`);
      doubts.delete(log);
    }
  };
  for (let round = 0; round < 60; round += 1) {
    const logs = [...new Set(Array.from({ length: 4 }, () => `log_${Math.floor(random() * 6)}`))];
    for (const log of logs) if (doubts.has(log)) await settle(log);
    await Promise.all(logs.filter((log) => !doubts.has(log)).map(attempt));
    const [log = ''] = logs;
    const text = texts.get(log);
    if (text !== undefined && !doubts.has(log)) {
      const found = await writer.read(log).catch((error: RuntimeError) => error);
      // The file could not be opened now.
      if (found instanceof RuntimeError) continue;
      if (found.text !== text || found.gaps.length > 0) {
        tell(
          `${log} reads otherwise: ${found.text.length} bytes, not ${text.length}, gaps ${found.gaps.join()}`,
        );
      }
    }
  }
  if (random() < 0.3) await writer.store.close();
  await writer.disk.freeze();
  return { copy: await copyDirectory(dir), doubts };
};

for (const durability of ['commit', { intervalMs: 2 }] as const) {
  const policy = durability === 'commit' ? 'commit' : 'interval';
  test(`P14: whichever calls of a disk fail, memory equals disk, and a kill leaves it so (${policy})`, async (t) => {
    t.timeout(60_000 + ROUNDS * 5_000);
    t.log(`seed ${SEED}`);
    for (let round = 0; round < ROUNDS; round += 1) {
      const random = randomFrom(SEED + round);
      let dir = await makeDirectory();
      const texts = new Map<string, string>();
      const tell = (what: string): void => t.fail(`seed ${SEED}, round ${round}: ${what}`);
      for (let life = 0; life < 3; life += 1) {
        const { copy, doubts } = await live(dir, texts, { durability }, random, tell);
        await removeDirectory(dir);
        dir = copy;
        const writer = await new Writer({ dir }, texts).open();
        for (const log of new Set([...texts.keys(), ...doubts.keys()])) {
          const text = await writer.read(log).then(
            (found) => found.text + found.gaps.join(),
            () => undefined,
          );
          if (text !== texts.get(log) && text !== doubts.get(log)) {
            tell(`life ${life}, ${log}: ${text?.length} bytes, not ${texts.get(log)?.length}`);
          }
          if (text !== undefined) texts.set(log, text);
        }
        const errors = writer.findings.filter((finding) => finding.severity !== 'info');
        if (errors.length > 0) tell(`a fault was taken for damage: ${JSON.stringify(errors)}`);
        await writer.store.close();
      }
      await removeDirectory(dir);
    }
    t.pass();
  });
}
