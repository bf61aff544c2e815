import { RuntimeError } from '@worker-runtime/core';
import type { ExecutionContext } from 'ava';
import type { FsStoreOptions } from '../src/store/store-settings.ts';
import { copyDirectory, makeDirectory, removeDirectory } from './directory.ts';
import type { Call, Fate } from './fault-disk.ts';
import { randomFrom, seedFrom } from './seed.ts';
import { lineOf, Writer } from './writer.ts';

const SEED = seedFrom(process.env.FAULT_SEED);
const NOT_DONE = ['STORE_FULL', 'STORE_CONFLICT', 'WORKER_DAMAGED'];

/** Lets calls that write fail at random, in every way in which a disk can fail. */
const fateOf =
  (random: () => number, rate: number) =>
  ({ operation, bytes }: Call): Fate => {
    if (!['write', 'sync', 'truncate', 'open', 'replace', 'rename', 'syncDirectory'].includes(operation))
      return undefined;
    if (random() > rate) return undefined;
    if (operation === 'write' && random() < 0.4) return { take: Math.floor(random() * bytes) };
    return { code: random() < 0.5 ? 'ENOSPC' : 'EIO' };
  };

/**
 * Runs a store on a failing disk until it is killed. Updates `texts` with the acknowledged lines of each log. Returns a copy
 * of the directory, and the other possible content of each log that is in doubt.
 */
const runStore = async (
  dir: string,
  texts: Map<string, string>,
  options: Omit<FsStoreOptions, 'dir'>,
  random: () => number,
  fail: (what: string) => void,
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
  /** Asks for the head, as the runtime would. The log stays in doubt while the disk fails. */
  const settle = async (log: string): Promise<void> => {
    try {
      const head = await writer.store.head(log);
      const doubt = doubts.get(log) ?? '';
      if (head.bytes === Buffer.byteLength(doubt)) texts.set(log, doubt);
      doubts.delete(log);
      if (head.bytes !== writer.headOf(log).bytes)
        fail(`${log}: the head is neither the old nor the new one`);
    } catch (error) {
      if (!(error instanceof RuntimeError)) throw error;
      if (error.code !== 'WORKER_NOT_FOUND') return;
      if (texts.has(log)) fail(`${log} is missing`);
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
      // The file could not be opened this time.
      if (found instanceof RuntimeError) continue;
      if (found.text !== text || found.gaps.length > 0) {
        fail(`${log} reads as ${found.text.length} bytes, not ${text.length}, gaps ${found.gaps.join()}`);
      }
    }
  }
  if (random() < 0.3) await writer.store.close();
  await writer.disk.freeze();
  return { copy: await copyDirectory(dir), doubts };
};

/** Lets calls of the disk fail at random in `rounds` stores. Asserts that memory and disk agree, also after a kill. */
export const assertAgreesUnderFaults = async (
  t: ExecutionContext,
  policy: 'commit' | 'interval',
  rounds: number,
): Promise<void> => {
  const durability = policy === 'commit' ? policy : { intervalMs: 2 };
  t.timeout(60_000 + rounds * 5_000);
  t.log(`seed ${SEED}`);
  for (let round = 0; round < rounds; round += 1) {
    const random = randomFrom(SEED + round);
    let dir = await makeDirectory();
    const texts = new Map<string, string>();
    const fail = (what: string): void => t.fail(`seed ${SEED}, round ${round}: ${what}`);
    for (let life = 0; life < 3; life += 1) {
      const { copy, doubts } = await runStore(dir, texts, { durability }, random, fail);
      await removeDirectory(dir);
      dir = copy;
      const writer = await new Writer({ dir }, texts).open();
      for (const log of new Set([...texts.keys(), ...doubts.keys()])) {
        const text = await writer.read(log).then(
          (found) => found.text + found.gaps.join(),
          () => undefined,
        );
        if (text !== texts.get(log) && text !== doubts.get(log)) {
          fail(`life ${life}, ${log}: ${text?.length} bytes, not ${texts.get(log)?.length}`);
        }
        if (text !== undefined) texts.set(log, text);
      }
      const errors = writer.findings.filter((finding) => finding.severity !== 'info');
      if (errors.length > 0) fail(`a fault was reported as damage: ${JSON.stringify(errors)}`);
      await writer.store.close();
    }
    await removeDirectory(dir);
  }
  t.pass();
};
