import { copyFile, mkdir, readdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { RuntimeError } from '@worker-runtime/core';
import test, { type ExecutionContext } from 'ava';
import { doctor } from '../src/index.ts';
import type { FsStoreOptions } from '../src/store/store-settings.ts';
import { copyDirectory, makeDirectory, removeDirectory } from './directory.ts';
import type { Call, Fate } from './fault-disk.ts';
import { Writer } from './writer.ts';

/** More logs than files are kept open, so that the files of the first one are opened again. */
const LOGS = ['log_a', 'log_b', 'log_c', 'log_d', 'log_e', 'log_f'];
const WORKER = join('workers', 'worker-log_a.log_a');

/** Opens a store in which all logs have filed lines, with keys. */
const begin = async (
  t: ExecutionContext,
  options: Omit<FsStoreOptions, 'dir'> = {},
): Promise<{ dir: string; writer: Writer }> => {
  const dir = await makeDirectory();
  const first = await new Writer({ dir }).open();
  for (const log of LOGS) {
    await first.create(log);
    await first.append(log, 'filed', true);
  }
  await first.store.close();
  const writer = await new Writer({ dir, openFiles: 4, ...options }, first.texts).open();
  t.teardown(async () => {
    writer.disk.fate = () => undefined;
    await writer.store.close();
    await removeDirectory(dir);
  });
  return { dir, writer };
};

/** Lets calls to the files of one Worker fail. Returns a promise of the next checkpoint after this. */
const failFiles = (writer: Writer, fails: (call: Call) => Fate): Promise<void> =>
  new Promise((made) => {
    writer.disk.fate = (call) => {
      if (call.operation === 'sync' && call.path.endsWith('catalog.json')) made();
      return call.path.includes(WORKER) ? fails(call) : undefined;
    };
  });

const isWriting = ({ operation, mode }: Call): boolean => operation === 'open' && mode !== 'read';

const checkWhole = async (t: ExecutionContext, writer: Writer): Promise<void> => {
  for (const [log, text] of writer.texts) t.deepEqual(await writer.read(log), { text, gaps: [] }, log);
};

const errorsOf = (writer: Writer) => writer.findings.filter((finding) => finding.severity === 'error');

/** Copies the directory as a kill would leave it, after the checkpoint in progress. */
const copyKilled = async (dir: string, writer: Writer): Promise<string> => {
  // Bundles are written in sequence with checkpoints.
  await writer.store.putBundle({ digest: 'ab12', body: Buffer.from('{}') });
  return copyDirectory(dir);
};

/** Opens a copy of the directory as a kill would leave it, and checks that it has every acknowledged line. */
const checkKilled = async (t: ExecutionContext, dir: string, writer: Writer): Promise<void> => {
  const copy = await copyKilled(dir, writer);
  const next = await new Writer({ dir: copy }, new Map(writer.texts)).open();
  await checkWhole(t, next);
  t.is((await next.store.keys('log_a')).length, (await writer.store.keys('log_a')).length);
  await next.append('log_a', 'continues', true);
  await next.store.close();
  t.deepEqual(await readdir(join(copy, 'rescued')).catch(() => []), [], 'the files have the lines again');
  const last = await new Writer({ dir: copy }, next.texts).open();
  await checkWhole(t, last);
  t.deepEqual(last.findings, []);
  await last.store.close();
  await removeDirectory(copy);
};

const isCall =
  (operation: Call['operation']) =>
  (call: Call): boolean =>
    call.operation === operation;

const FAILING: Readonly<Record<string, (call: Call) => boolean>> = {
  EPERM: isWriting,
  EACCES: isWriting,
  EROFS: isWriting,
  ENOENT: isCall('write'),
  // a bad sector, and a file of a network file system that was replaced at its server
  EIO: isCall('write'),
  ESTALE: isCall('sync'),
};

for (const [code, isFailing] of Object.entries(FAILING)) {
  test(`P13: a Worker whose files cannot be written for a while (${code}) continues, and loses no line`, async (t) => {
    const { dir, writer } = await begin(t, { checkpointBytes: 16_384, segmentBytes: 16_384 });
    let checkpoint = failFiles(writer, (call) => (isFailing(call) ? { code } : undefined));
    // Two checkpoints retire the segments that had the lines.
    for (let round = 0; round < 3; round += 1) {
      await writer.append('log_a', `behind ${round}`, true);
      for (let line = 0; line < 9; line += 1) await writer.append('log_b', 'x'.repeat(2_000));
      await checkpoint;
      checkpoint = failFiles(writer, (call) => (isFailing(call) ? { code } : undefined));
    }
    await checkWhole(t, writer);
    await checkKilled(t, dir, writer);
    const copy = await copyKilled(dir, writer);
    const waiting = (await doctor(copy)).filter((finding) => finding.code === 'RESCUED_LINES');
    t.is(waiting.length, 2, 'the doctor reports lines and keys');
    await doctor(copy, { repair: true });
    t.deepEqual(
      (await doctor(copy)).filter(({ severity }) => severity !== 'info'),
      [],
    );
    await removeDirectory(copy);
    writer.disk.fate = () => undefined;
    await writer.append('log_a', 'afterwards', true);
    await checkWhole(t, writer);
    t.deepEqual(errorsOf(writer), []);
    await writer.store.close();
    t.deepEqual(await readdir(join(dir, 'rescued')), []);
    const next = await new Writer({ dir }, writer.texts).open();
    await checkWhole(t, next);
    t.deepEqual(next.findings, []);
    await next.store.close();
  });
}

for (const [code, operation] of [
  ['EIO', 'write'],
  ['EUCLEAN', 'sync'],
] as const)
  test(`P13: the file of one Worker, which fails for good (${code} of ${operation}), costs no other Worker a commit`, async (t) => {
    const sizes = { checkpointBytes: 16_384, segmentBytes: 16_384, behindBytes: 65_536 };
    const { dir, writer } = await begin(t, sizes);
    writer.disk.fate = (call) =>
      call.path.includes(WORKER) && isCall(operation)(call) ? { code } : undefined;
    const refused = new Set<unknown>();
    for (let round = 0; round < 60; round += 1) {
      await writer.append('log_a', 'x'.repeat(2_000)).catch((error: RuntimeError) => refused.add(error.code));
      await writer.append('log_b', 'x'.repeat(2_000));
    }
    t.deepEqual([...refused], ['STORE_UNAVAILABLE'], 'a Worker cannot grow in memory alone');
    await writer.store.putBundle({ digest: 'ab12', body: Buffer.from('{}') });
    const segments = await readdir(join(dir, 'wal'));
    t.true(segments.length <= 6, `${segments.length} segments are left`);
    await checkWhole(t, writer);
    await checkKilled(t, dir, writer);
  });

test('P13: a Worker whose file cannot be read when the store opens continues when it can be read again', async (t) => {
  const { dir, writer: first } = await begin(t);
  await first.append('log_a', 'unfiled');
  await first.store.close();
  const writer = new Writer({ dir }, first.texts);
  writer.disk.fate = ({ path, operation }) =>
    path.includes(WORKER) && operation === 'read' ? { code: 'EIO' } : undefined;
  await writer.open();
  t.deepEqual(
    writer.listed.filter(({ isDamaged }) => isDamaged).map(({ log }) => log),
    ['log_a'],
  );
  await writer.append('log_b', 'meanwhile');
  writer.disk.fate = () => undefined;
  await writer.append('log_a', 'afterwards');
  await checkWhole(t, writer);
  await writer.store.close();
});

test('P13: a new Worker whose directory cannot be made for a while continues, and loses no line', async (t) => {
  const { dir, writer } = await begin(t, { checkpointBytes: 4_096, segmentBytes: 4_096 });
  for (let round = 0; round < 2; round += 1) {
    const made = new Promise<void>((done) => {
      writer.disk.fate = ({ operation, path }) => {
        if (operation === 'sync' && path.endsWith('catalog.json')) done();
        return path.includes(join('workers', 'worker-log_new')) ? { code: 'EACCES' } : undefined;
      };
    });
    if (round === 0) await writer.create('log_new');
    await writer.append('log_new', `behind ${round}`, true);
    for (let line = 0; line < 9; line += 1) await writer.append('log_b', 'x'.repeat(1_000));
    await made;
  }
  await checkWhole(t, writer);
  t.deepEqual(await writer.store.record('log_new'), { log: 'log_new' });
  const copy = await copyKilled(dir, writer);
  const next = await new Writer({ dir: copy }, new Map(writer.texts)).open();
  await checkWhole(t, next);
  t.deepEqual(await next.store.record('log_new'), { log: 'log_new' });
  // A removal removes the lines that were put aside, too.
  await next.store.remove('log_new');
  await next.store.close();
  t.deepEqual(await readdir(join(copy, 'rescued')), []);
  await removeDirectory(copy);
});

test('P13: if a file cannot be read either, a gap is reported for its lines alone, until it is back', async (t) => {
  const { writer } = await begin(t);
  await writer.append('log_a', 'in memory');
  const lines = (writer.texts.get('log_a') ?? '').split('\n');
  void failFiles(writer, ({ operation }) => (operation === 'open' ? { code: 'EACCES' } : undefined));
  t.deepEqual(await writer.read('log_a'), { text: `${lines[2]}\n`, gaps: ['0-3'] });
  const before = { count: 9, bytes: 65_536, direction: 'backward' } as const;
  const last = await writer.store.read('log_a', { seq: 4, offset: 0 }, before);
  t.is(Buffer.from(last.lines).toString(), `${lines[2]}\n`);
  t.deepEqual((await writer.store.read('log_a', last.first, before)).gap, {
    afterSeq: 0,
    beforeSeq: 3,
    code: 'LINES_DAMAGED',
  });
  t.is(errorsOf(writer).length, 1, 'it is reported once');
  await writer.append('log_a', 'continues');
  writer.disk.fate = () => undefined;
  await writer.append('log_a', 'is back');
  await checkWhole(t, writer);
});

test('P13: a file that is moved away and back, or replaced by a directory or an empty file for a while, or by a copy, loses no line', async (t) => {
  for (const kind of ['moved', 'directory', 'empty', 'copy'] as const) {
    const { dir, writer } = await begin(t, { checkpointBytes: 16_384 });
    const events = join(dir, WORKER, 'events.jsonl');
    const grow = async (text: string): Promise<void> => {
      const made = failFiles(writer, () => undefined);
      await writer.append('log_a', text, true);
      for (let line = 0; line < 9; line += 1) await writer.append('log_b', 'x'.repeat(2_000));
      await made;
      await writer.store.putBundle({ digest: 'ab12', body: Buffer.from('{}') });
    };
    await grow('before');
    // The store has the file open from this read on.
    await checkWhole(t, writer);
    if (kind === 'copy') await copyFile(events, `${events}.away`);
    else await rename(events, `${events}.away`);
    if (kind === 'directory') await mkdir(events);
    if (kind === 'empty') await writeFile(events, '');
    if (kind === 'copy') await rename(`${events}.away`, events);
    await grow('away');
    await grow('still away');
    if (kind === 'copy') await checkWhole(t, writer);
    if (kind === 'empty') t.is((await stat(events)).size, 0, 'nothing is written behind a hole');
    if (kind === 'directory') await rm(events, { recursive: true });
    if (kind !== 'copy') await rename(`${events}.away`, events);
    await grow('is back');
    await checkWhole(t, writer);
    await writer.store.close();
    const next = await new Writer({ dir }, writer.texts).open();
    await checkWhole(t, next);
    t.deepEqual(next.findings, []);
    await next.store.close();
  }
});

test('P23: a Worker whose files cannot be written is refused at half of the bound, and the others are not', async (t) => {
  const { dir, writer } = await begin(t, { behindBytes: 65_536 });
  void failFiles(writer, (call) => (isWriting(call) ? { code: 'EPERM' } : undefined));
  let code = 'none';
  let count = 0;
  while (code === 'none' && count < 1_000) {
    count += 1;
    await writer.append('log_b', 'x'.repeat(1_000));
    code = await writer.append('log_a', 'x'.repeat(1_000)).then(
      () => 'none',
      (error: RuntimeError) => error.code,
    );
  }
  t.is(code, 'STORE_UNAVAILABLE');
  for (let line = 0; line < 100; line += 1) await writer.append('log_b', 'x'.repeat(1_000));
  await checkWhole(t, writer);
  await checkKilled(t, dir, writer);
  writer.disk.fate = () => undefined;
  while (code !== 'none') {
    await new Promise((done) => setImmediate(done));
    code = await writer.append('log_a', 'afterwards').then(
      () => 'none',
      (error: RuntimeError) => error.code,
    );
  }
  await checkWhole(t, writer);
});
