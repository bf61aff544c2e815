import { cp, lstat, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { RuntimeError } from '@worker-runtime/core';
import test, { type ExecutionContext } from 'ava';
import { copyDirectory, makeDirectory, removeDirectory } from '../directory.ts';
import { randomFrom, seedFrom } from '../seed.ts';
import { Writer } from '../writer.ts';

const SEED = seedFrom(process.env.CORRUPTION_SEED);

/** Damages the content of a file. A result of null removes the file, 'directory' puts a directory in its place. */
type Damage = (content: Buffer, random: () => number) => Buffer | null | 'directory';

const at = (random: () => number, length: number): number => Math.floor(random() * length);

const DAMAGES: Readonly<Record<string, Damage>> = {
  empty: () => Buffer.alloc(0),
  'one byte left': (content) => content.subarray(0, 1),
  'one byte less': (content) => content.subarray(0, -1),
  'cut anywhere': (content, random) => content.subarray(0, at(random, content.length)),
  'cut at a line': (content) => content.subarray(0, content.indexOf(0x0a, content.length >> 1) + 1),
  'one byte more': (content) => Buffer.concat([content, Buffer.from('x')]),
  zeroed: (content) => Buffer.alloc(content.length),
  'zeroed inside': (content) => {
    const copy = Buffer.from(content);
    return copy.fill(0, content.length >> 2, content.length >> 1);
  },
  'a bit flipped': (content, random) => {
    const copy = Buffer.from(content);
    const index = at(random, content.length);
    copy[index] = (copy[index] ?? 0) ^ (1 << at(random, 8));
    return copy;
  },
  garbled: (content, random) => Buffer.from(content.map(() => at(random, 256))),
  'garbled inside': (content, random) => {
    const copy = Buffer.from(content);
    for (let index = content.length >> 2; index < content.length >> 1; index += 1)
      copy[index] = at(random, 256);
    return copy;
  },
  missing: () => null,
  'a directory': () => 'directory',
};

/** The files of each kind, as patterns of paths in the store's directory. */
const KINDS: Readonly<Record<string, RegExp>> = {
  identity: /^runtime\.json$/,
  catalog: /^catalog\.json$/,
  segment: /^wal\/.*\.wal$/,
  worker: /worker-log_v\..*\/worker\.json$/,
  events: /worker-log_v\..*\/events\.jsonl$/,
  keys: /worker-log_v\..*\/keys\.jsonl$/,
  bundle: /^bundles\/.*\.json$/,
  state: /^plugins\/.*\.json$/,
};

const LOGS = ['log_v', 'log_1', 'log_2', 'log_3'];

/** Makes a store that was closed, reopened and killed: it has checkpoints, and a tail that only the write-ahead log has. */
const makeTemplate = async (): Promise<{ dir: string; texts: Map<string, string> }> => {
  const dir = await makeDirectory();
  const first = await new Writer({ dir }).open();
  for (const log of LOGS) await first.create(log);
  for (let round = 0; round < 30; round += 1) {
    for (const log of LOGS) await first.append(log, `${log} ${round} ${'é'.repeat(round)}`, true);
  }
  await first.store.putBundle({ digest: 'ab12', body: Buffer.from('{"a":1}') });
  await first.store.putPluginState('plugin', Buffer.from('{"b":2}'));
  await first.store.close();
  const second = await new Writer({ dir }, first.texts).open();
  for (const log of ['log_v', 'log_1', 'log_2']) await second.append(log, 'in the tail', true);
  await second.store.close();
  const third = await new Writer({ dir }, first.texts).open();
  for (const log of ['log_v', 'log_1']) await third.append(log, 'in the last tail', true);
  const killed = await copyDirectory(dir);
  await third.store.close();
  await removeDirectory(dir);
  return { dir: killed, texts: first.texts };
};

const template = makeTemplate();
test.after.always(async () => removeDirectory((await template).dir));

const isSubset = (text: string, whole: string): boolean => {
  const lines = new Set(whole.split('\n'));
  return text.split('\n').every((line) => lines.has(line));
};

const codeOf = (error: unknown): string => (error instanceof RuntimeError ? error.code : String(error));

/**
 * Checks what must hold for a damaged store, independent of the damage. Returns the readable lines by log, or null if the
 * store is refused for a valid reason.
 */
const check = async (
  t: ExecutionContext,
  dir: string,
  kind: string,
  mayAlter: boolean,
): Promise<ReadonlyMap<string, string> | null> => {
  const { texts } = await template;
  const left = new Map<string, string>();
  const writer = new Writer({ dir }, new Map(texts));
  try {
    await writer.open();
  } catch (error) {
    t.true(
      error instanceof RuntimeError && error.code.startsWith('STORE_'),
      `the store does not open: ${codeOf(error)}`,
    );
    t.false(JSON.stringify([(error as RuntimeError).message, (error as RuntimeError).details]).includes(dir));
    // A flipped bit may change the version, which is refused as such.
    if (kind === 'identity' && (error as RuntimeError).code === 'STORE_VERSION') return null;
    t.fail(
      `No damage of a single file may keep the store from opening: ${codeOf(error)} ${String((error as Error).cause)}`,
    );
    throw error;
  }
  const listed = new Map(writer.listed.map((stored) => [stored.log, stored]));
  let isIncomplete = false;
  for (const log of LOGS) {
    const whole = texts.get(log) ?? '';
    const stored = listed.get(log);
    if (!stored) {
      isIncomplete = true;
      continue;
    }
    const { text, gaps } = await writer.read(log);
    const isDamagedLog =
      kind === 'segment' || (log === 'log_v' && ['worker', 'events', 'keys'].includes(kind));
    if (!isDamagedLog) t.is(text, whole, `${log}: the damage is in another Worker's file`);
    if (!mayAlter) t.true(isSubset(text, whole), `${log}: no line is invented`);
    if (text !== whole) isIncomplete = true;
    if (kind === 'segment' && gaps.length === 0) t.true(whole.startsWith(text), `${log}: a prefix is left`);
    if (gaps.length > 0) t.true(writer.findings.some((finding) => finding.severity === 'error'));
    const head = await writer.store.head(log);
    const next = { lines: Buffer.from(`{"seq":${head.seq + 1},"data":"on"}\n`), count: 1 };
    const outcome = await writer.store.append(log, head, next).then(() => 'none', codeOf);
    left.set(log, outcome === 'none' ? text + next.lines.toString() : text);
    if (isDamagedLog) t.true(['none', 'WORKER_DAMAGED'].includes(outcome), outcome);
    else t.is(outcome, 'none', `${log} can be written`);
    if (gaps.length > 0) t.is(outcome, 'WORKER_DAMAGED', `${log} has gaps and is refused`);
    await writer.store.record(log).catch((error: unknown) => t.is(codeOf(error), 'WORKER_DAMAGED'));
    for (const key of await writer.store.keys(log)) t.true(key.seq <= head.seq + 1);
  }
  if (kind !== 'bundle') t.is(Buffer.from((await writer.store.bundle('ab12')) ?? []).toString(), '{"a":1}');
  else await writer.store.bundle('ab12').catch((error: unknown) => t.is(codeOf(error), 'STORE_UNAVAILABLE'));
  const state = Buffer.from((await writer.store.pluginState('plugin').catch(() => null)) ?? []).toString();
  if (kind !== 'state') t.is(state, '{"b":2}');
  // If whole groups at the end of the write-ahead log are lost, nothing shows that they were ever written.
  if (isIncomplete && !mayAlter && kind !== 'segment')
    t.true(writer.findings.length > 0, 'missing lines were reported');
  for (const finding of writer.findings)
    t.false(JSON.stringify({ ...finding, detail: undefined }).includes(dir));
  await writer.store.close();
  return left;
};

const damage = async (path: string, harm: Damage, random: () => number): Promise<void> => {
  const result = harm(await readFile(path), random);
  if (result === null || result === 'directory') await rm(path);
  if (result === 'directory') await mkdir(path);
  else if (result !== null) await writeFile(path, result);
};

for (const [kind, pattern] of Object.entries(KINDS)) {
  test(`P13: after any damage to a file of the kind ${kind}, the store opens and reports it`, async (t) => {
    t.timeout(120_000);
    t.log(`seed ${SEED}`);
    const source = (await template).dir;
    const random = randomFrom(SEED);
    const files = (await readdir(source, { recursive: true })).filter((name) => pattern.test(name));
    t.true(files.length > 0);
    for (const file of files) {
      for (const [name, harm] of Object.entries(DAMAGES)) {
        const dir = await makeDirectory();
        await cp(source, dir, { recursive: true, verbatimSymlinks: true });
        await damage(join(dir, file), harm, random);
        // Plain lines have no checksum, so altered ones may be returned.
        const mayAlter = kind === 'events' && /flipped|garbled/.test(name);
        const before = await readdir(dir, { recursive: true });
        try {
          const left = await check(t, dir, kind, mayAlter);
          for (const path of before) {
            // Locks are taken over and segments are retired. Data must stay.
            if (/^(lock|wal|catalog)/.test(path)) continue;
            await t.notThrowsAsync(lstat(join(dir, path)), `P16: ${path} is still there`);
          }
          if (left === null) continue;
          const again = await new Writer({ dir }).open();
          for (const [log, text] of left)
            t.is((await again.read(log)).text, text, `${log} does not change at the next open`);
          await again.store.close();
        } catch (error) {
          t.log(`${file}: ${name}`);
          throw new Error(`${file} ${name}, seed ${SEED}`, { cause: error });
        } finally {
          await removeDirectory(dir);
        }
      }
    }
  });
}
