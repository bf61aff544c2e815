import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { RuntimeError } from '@worker-runtime/core';
import type { StoreFinding } from '@worker-runtime/core/plugin-kit';
import test from 'ava';
import { doctor } from '../src/index.ts';
import { copyDirectory, makeDirectory, removeDirectory } from './directory.ts';
import { lineOf, Writer } from './writer.ts';

/** Makes a store with two Workers that was closed, or killed. */
const makeStore = async (isKilled = false): Promise<{ dir: string; texts: Map<string, string> }> => {
  const dir = await makeDirectory();
  const writer = await new Writer({ dir }).open();
  for (const log of ['log_a', 'log_b']) {
    await writer.create(log);
    for (let round = 0; round < 20; round += 1) await writer.append(log, `round ${round}`, true);
  }
  if (!isKilled) {
    await writer.store.close();
    return { dir, texts: writer.texts };
  }
  const killed = await copyDirectory(dir);
  await writer.store.close();
  await removeDirectory(dir);
  return { dir: killed, texts: writer.texts };
};

const severe = (findings: readonly StoreFinding[]): readonly StoreFinding[] =>
  findings.filter((finding) => finding.severity !== 'info');

const contents = async (dir: string): Promise<ReadonlyMap<string, string>> => {
  const files = new Map<string, string>();
  for (const name of await readdir(dir, { recursive: true })) {
    if (!name.startsWith('lock'))
      files.set(name, await readFile(join(dir, name), 'latin1').catch(() => 'directory'));
  }
  return files;
};

test('the doctor reports nothing in a healthy store, and writes nothing', async (t) => {
  for (const isKilled of [false, true]) {
    const { dir } = await makeStore(isKilled);
    const before = await contents(dir);
    t.deepEqual(severe(await doctor(dir)), []);
    t.deepEqual(await contents(dir), before);
    await removeDirectory(dir);
  }
});

test('P15: the doctor refuses an open store, and a directory without a store', async (t) => {
  const dir = await makeDirectory();
  const none = await t.throwsAsync(doctor(dir));
  t.true(none instanceof RuntimeError && none.code === 'STORE_UNAVAILABLE');
  t.deepEqual(await readdir(dir), []);
  const writer = await new Writer({ dir }).open();
  const locked = await t.throwsAsync(doctor(dir, { repair: true }));
  t.true(locked instanceof RuntimeError && locked.code === 'STORE_LOCKED');
  await writer.store.close();
  await removeDirectory(dir);
});

test('P13: the doctor finds a changed byte in the middle of a log that was not read', async (t) => {
  const { dir } = await makeStore();
  const events = join(dir, 'workers', 'worker-log_a.log_a', 'events.jsonl');
  const bytes = await readFile(events);
  const at = bytes.indexOf('"round 7"');
  bytes[at] = 0x20;
  await writeFile(events, bytes);
  const findings = severe(await doctor(dir));
  t.is(findings.length, 1);
  t.is(findings[0]?.workerId, 'worker-log_a');
  t.is(findings[0]?.details?.offset, bytes.lastIndexOf('\n', at) + 1);
  t.false(JSON.stringify(findings.map((finding) => ({ ...finding, detail: undefined }))).includes(dir));
  await removeDirectory(dir);
});

test('P13: the doctor finds damage in the oldest of many idempotency keys', async (t) => {
  const dir = await makeDirectory();
  const writer = await new Writer({ dir }).open();
  await writer.create('log_a');
  const lines = lineOf(2, 'inputs');
  const keys = Array.from({ length: 20_000 }, (_, index) => ({
    hash: `hash-${index}`,
    digest: 'd'.repeat(50),
    seq: 2,
    offset: writer.headOf('log_a').bytes,
  }));
  await writer.store.append('log_a', writer.headOf('log_a'), { lines, count: 1, keys });
  await writer.store.close();
  t.deepEqual(severe(await doctor(dir)), []);
  const path = join(dir, 'workers', 'worker-log_a.log_a', 'keys.jsonl');
  const bytes = await readFile(path);
  bytes.write('#', bytes.indexOf('"hash-7"'));
  await writeFile(path, bytes);
  const findings = severe(await doctor(dir));
  t.is(findings.length, 1);
  t.like(findings[0], { code: 'WORKER_DAMAGED', workerId: 'worker-log_a', details: { file: 'keys' } });
  await removeDirectory(dir);
});

test('the doctor rebuilds identity and catalog, and every line is there', async (t) => {
  for (const name of ['runtime.json', 'catalog.json']) {
    const { dir, texts } = await makeStore(name === 'catalog.json');
    await rm(join(dir, name));
    t.true(severe(await doctor(dir)).length > 0);
    await doctor(dir, { repair: true });
    t.deepEqual(severe(await doctor(dir)), [], 'the repaired store is healthy');
    const writer = await new Writer({ dir }, texts).open();
    t.deepEqual(severe(writer.findings), []);
    for (const [log, text] of texts) t.deepEqual(await writer.read(log), { text, gaps: [] });
    await writer.append('log_a', 'goes on');
    await writer.store.close();
    await removeDirectory(dir);
  }
});

test('P16: a log that lost its end is cut at its last whole line, and the bytes after it are kept in rescued', async (t) => {
  const { dir, texts } = await makeStore();
  const events = join(dir, 'workers', 'worker-log_a.log_a', 'events.jsonl');
  const whole = await readFile(events);
  const end = whole.indexOf('\n', 200) + 1;
  await writeFile(events, whole.subarray(0, end + 9));
  t.true(severe(await doctor(dir)).length > 0);
  const repaired = await doctor(dir, { repair: true });
  t.true(repaired.some((finding) => finding.code === 'WORKER_MENDED' && finding.workerId === 'worker-log_a'));
  const rescued = await readdir(join(dir, 'rescued'));
  t.deepEqual(rescued, [`worker-log_a.log_a.${end}.cut`]);
  t.deepEqual(await readFile(join(dir, 'rescued', rescued[0] ?? '')), whole.subarray(end, end + 9));
  texts.set('log_a', whole.subarray(0, end).toString());
  const writer = await new Writer({ dir }, texts).open();
  await writer.append('log_a', 'goes on');
  for (const [log, text] of texts) t.deepEqual(await writer.read(log), { text, gaps: [] });
  await writer.store.close();
  await removeDirectory(dir);
});

test('P16: a repair puts back lines in rescued that follow the file of their log, of any release', async (t) => {
  const { dir, texts } = await makeStore();
  // As older releases left it: the catalog counts lines that only the directory rescued has.
  const folder = join(dir, 'workers', 'worker-log_a.log_a');
  const events = await readFile(join(folder, 'events.jsonl'));
  const keys = await readFile(join(folder, 'keys.jsonl'));
  const end = events.indexOf('\n', 300) + 1;
  const lines = events.subarray(end).toString().split('\n').length - 1;
  const keysEnd =
    keys
      .toString()
      .split('\n')
      .slice(0, -1 - lines)
      .join('\n').length + 1;
  await mkdir(join(dir, 'rescued'));
  const name = join(dir, 'rescued', `worker-log_a.log_a.${end}`);
  await writeFile(`${name}.jsonl`, events.subarray(end));
  await writeFile(`${name}.keys`, keys.subarray(keysEnd));
  await writeFile(join(folder, 'events.jsonl'), events.subarray(0, end));
  await writeFile(join(folder, 'keys.jsonl'), keys.subarray(0, keysEnd));
  t.true(severe(await doctor(dir)).length > 0);
  await doctor(dir, { repair: true });
  t.deepEqual(severe(await doctor(dir)), []);
  t.deepEqual(await readFile(join(folder, 'events.jsonl')), events);
  t.deepEqual(await readFile(join(folder, 'keys.jsonl')), keys);
  const writer = await new Writer({ dir }, texts).open();
  await writer.append('log_a', 'goes on');
  for (const [log, text] of texts) t.deepEqual(await writer.read(log), { text, gaps: [] });
  await writer.store.close();
  await removeDirectory(dir);
});
