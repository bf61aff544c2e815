import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { RuntimeError } from '@worker-runtime/core';
import type { StoredLog } from '@worker-runtime/core/plugin-kit';
import test from 'ava';
import {
  catalogHeader,
  catalogLine,
  checkpointLine,
  readCatalog,
  removalLine,
} from '../src/checkpoint/catalog.ts';
import { LogEntry } from '../src/files/log-entry.ts';
import { sealLine } from '../src/layout/sealed-line.ts';
import { copyDirectory, makeDirectory, removeDirectory } from './directory.ts';
import { Writer } from './writer.ts';

test('P25: a store of a newer format is refused and not changed', async (t) => {
  const dir = await makeDirectory();
  const writer = await new Writer({ dir }).open();
  await writer.create('log_a');
  await writer.store.close();
  const path = join(dir, 'runtime.json');
  const identity = JSON.parse(await readFile(path, 'utf8')) as { version: number };
  const newer = JSON.stringify({ ...identity, version: 3 });
  await writeFile(path, newer);
  const error = await t.throwsAsync(new Writer({ dir }).open());
  t.true(error instanceof RuntimeError && error.code === 'STORE_VERSION');
  t.deepEqual((error as RuntimeError).details, { found: 3, supported: 2 });
  t.is(await readFile(path, 'utf8'), newer);
  await removeDirectory(dir);
});

test('a store of a version without files opens, and keeps blobs', async (t) => {
  const dir = await makeDirectory();
  const writer = await new Writer({ dir }).open();
  await writer.create('log_a');
  await writer.store.close();
  // earlier versions wrote blobs in place
  await removeDirectory(join(dir, 'incoming'));
  const next = await new Writer({ dir }, writer.texts).open();
  t.deepEqual(
    next.listed.map(({ log }) => log),
    ['log_a'],
  );
  await next.store.putBlob('log_a', 'sha256-1', Buffer.from('bytes'));
  await next.store.close();
  const last = await new Writer({ dir }, writer.texts).open();
  t.is(Buffer.from((await last.store.blob('log_a', 'sha256-1')) ?? []).toString(), 'bytes');
  await last.store.close();
  await removeDirectory(dir);
});

test('a path that cannot be a directory is STORE_UNAVAILABLE, and the error does not contain it', async (t) => {
  const dir = await makeDirectory();
  await writeFile(join(dir, 'file'), '');
  for (const place of [join(dir, 'file'), join(dir, 'file', 'below')]) {
    const error = await t.throwsAsync(new Writer({ dir: place }).open());
    t.true(error instanceof RuntimeError && error.code === 'STORE_UNAVAILABLE');
    const { message, details } = error as RuntimeError;
    t.false(JSON.stringify([message, details]).includes(dir));
  }
  await removeDirectory(dir);
});

test('P11: a log that is removed during a checkpoint is gone after a crash, without damage', async (t) => {
  const dir = await makeDirectory();
  const writer = await new Writer({ dir, checkpointBytes: 4_096 }).open();
  await writer.create('log_a');
  await writer.create('log_b');
  let isHeld = false;
  const held = new Promise<void>((done) => {
    writer.disk.fate = ({ operation, path }) => {
      if (operation !== 'sync' || !path.endsWith('events.jsonl') || isHeld) return undefined;
      isHeld = true;
      done();
      return 'hang';
    };
  });
  await writer.append('log_a', 'x'.repeat(5_000));
  await held;
  await writer.append('log_b', 'after the checkpoint began');
  await writer.store.remove('log_b');
  writer.texts.delete('log_b');
  const catalog = new Promise<void>((done) => {
    writer.disk.fate = ({ operation, path }) => {
      // The checkpoint is committed, and its last steps never happen.
      if (operation === 'list' && path.endsWith('wal')) done();
      return operation === 'list' || operation === 'rename' ? 'hang' : undefined;
    };
  });
  writer.disk.thaw();
  await catalog;
  const copy = await copyDirectory(dir);
  const next = await new Writer({ dir: copy }, writer.texts).open();
  t.deepEqual(
    next.listed.map((stored) => stored.log),
    ['log_a'],
  );
  t.deepEqual(next.findings, []);
  await next.store.close();
  const last = await new Writer({ dir: copy }, writer.texts).open();
  t.deepEqual(
    last.listed.map((stored) => stored.log),
    ['log_a'],
  );
  t.deepEqual(last.findings, []);
  await last.store.close();
  writer.disk.fate = () => undefined;
  writer.disk.thaw();
  await writer.store.close();
  for (const path of [dir, copy]) await removeDirectory(path);
});

test('P13: no damage is reported of a Worker whose removal was acknowledged during a checkpoint', async (t) => {
  const dir = await makeDirectory();
  const first = await new Writer({ dir }).open();
  for (const log of ['log_a', 'log_b', 'log_c']) await first.create(log);
  await first.store.close();
  const writer = await new Writer({ dir, checkpointBytes: 4_096 }, first.texts).open();
  const held = new Promise<void>((done) => {
    let isHeld = false;
    writer.disk.fate = ({ operation, path }) => {
      if (operation !== 'sync' || !path.includes('worker-log_a') || isHeld) return undefined;
      isHeld = true;
      done();
      return 'hang';
    };
  });
  await writer.append('log_a', 'short');
  // The checkpoint does not reach these lines, because the logs are removed while it waits.
  for (const log of ['log_b', 'log_c']) await writer.append(log, 'before the checkpoint');
  await writer.append('log_a', 'x'.repeat(5_000));
  await held;
  for (const log of ['log_b', 'log_c']) {
    for (let line = 0; line < 3; line += 1) await writer.append(log, 'after the checkpoint began');
    await writer.store.remove(log);
    writer.texts.delete(log);
  }
  const catalog = new Promise<void>((done) => {
    writer.disk.fate = ({ operation, path }) => {
      if (operation === 'list' && path.endsWith('wal')) done();
      return operation === 'list' ? 'hang' : undefined;
    };
  });
  writer.disk.thaw();
  await catalog;
  const copy = await copyDirectory(dir);
  const next = await new Writer({ dir: copy }, writer.texts).open();
  t.deepEqual(
    next.listed.map((stored) => stored.log),
    ['log_a'],
  );
  t.deepEqual(next.findings, []);
  t.deepEqual(await next.read('log_a'), { text: writer.texts.get('log_a') ?? '', gaps: [] });
  await next.store.close();
  writer.disk.fate = () => undefined;
  writer.disk.thaw();
  await writer.store.close();
  for (const path of [dir, copy]) await removeDirectory(path);
});

const catalogOf = (lines: readonly string[]): Buffer => {
  const checkpoint = { checkpoint: 1, segment: 1, offset: 128, lsn: 1, lines: lines.length, isClean: true };
  return Buffer.from([catalogHeader('runtime_1'), ...lines, checkpointLine(checkpoint)].join(''));
};

test('P21: a catalog with very many logs in one checkpoint can be read', (t) => {
  const count = 200_000;
  const filed = { seq: 1, bytes: 10, keyBytes: 0 };
  const lines = Array.from({ length: count }, (_, at) =>
    catalogLine(new LogEntry(`log_${at}`, `worker-${at}`, filed), undefined),
  );
  const { damagedAt, logs } = readCatalog(catalogOf(lines));
  t.is(damagedAt, null);
  t.is(logs.size, count);
});

test('P25: the catalog returns a snapshot unchanged, with its position', (t) => {
  const entry = new LogEntry('log_a', 'a,"value":b', { seq: 3, bytes: 30, keyBytes: 0 });
  entry.seq = 4;
  const text = '{"text":"é,\\"value\\":}","value":1}';
  for (const head of [
    { seq: 3, bytes: 30 },
    { seq: 4, bytes: 40 },
  ]) {
    const { workerId, snapshot } =
      readCatalog(catalogOf([catalogLine(entry, { head, text })])).logs.get('log_a') ?? {};
    t.is(workerId, 'a,"value":b');
    t.like(snapshot, { head, text });
  }
  const before = '{"log":"log_a","worker":"a","seq":3,"bytes":30,"keyBytes":0,"at":[3,30],"value":{"é":1}}';
  const read = readCatalog(catalogOf([sealLine(before)])).logs.get('log_a')?.snapshot;
  t.like(read, { head: { seq: 3, bytes: 30 }, text: '{"é":1}' });
});

test('P25: the catalog returns logs with any id and any length, in the usual form of a line and in others', (t) => {
  const workers = ['a', '', 'with "quotes" and \\', 'ümlaut', '日本', 'a\u0000b', 'x'.repeat(500)];
  const numbers = [0, 7, 4_294_967_296, Number.MAX_SAFE_INTEGER];
  const lines: string[] = [];
  const expected: { readonly log: string; readonly [name: string]: unknown }[] = [];
  for (const worker of workers)
    for (const bytes of numbers)
      for (const text of [undefined, '{}', '{"é":"}"}', `{"long":"${'y'.repeat(9_000)}"}`]) {
        const log = `log_${expected.length}`;
        const entry = new LogEntry(log, worker, { seq: 1, bytes, keyBytes: numbers[0] as number });
        lines.push(catalogLine(entry, text === undefined ? undefined : { head: { seq: 1, bytes }, text }));
        expected.push({ log, worker, bytes, text });
      }
  const forms = [
    '{"log":"log_spaced", "worker":"a","seq":3,"bytes":30,"keyBytes":0}',
    '{"worker":"a","log":"log_turned","seq":3,"bytes":30,"keyBytes":0}',
    '{"log":"log_further","worker":"a","seq":3,"bytes":30,"keyBytes":0,"later":1,"value":{"a":1}}',
  ];
  const { damagedAt, logs } = readCatalog(catalogOf([...lines, ...forms.map(sealLine)]));
  t.is(damagedAt, null);
  const found = (log: string) => {
    const { workerId: worker, bytes, snapshot } = logs.get(log) ?? {};
    return { log, worker, bytes, text: snapshot?.text };
  };
  t.deepEqual(
    expected.map(({ log }) => found(log)),
    expected,
  );
  const known = { worker: 'a', bytes: 30 };
  t.deepEqual(['log_spaced', 'log_turned', 'log_further'].map(found), [
    { log: 'log_spaced', ...known, text: undefined },
    { log: 'log_turned', ...known, text: undefined },
    { log: 'log_further', ...known, text: '{"a":1}' },
  ]);
});

test('P25: of all lines of a log in the catalog the last one counts, in any form, until a removal', (t) => {
  // a linear congruence, so that a failure repeats
  let state = 1;
  const random = (below: number): number => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
  const expected = new Map<string, { readonly bytes: number; readonly text: string | undefined }>();
  const catalog = [Buffer.from(catalogHeader('runtime_1'))];
  for (let checkpoint = 1; checkpoint <= 20; checkpoint += 1) {
    const lines = Array.from({ length: random(100) }, (_, at) => {
      // few ids with one end, and many others
      const log = `log_${random(40)}${random(2) === 0 ? '_with_one_end' : ''}`;
      if (random(4) === 0) {
        expected.delete(log);
        return removalLine(log);
      }
      const bytes = random(1_000);
      const entry = new LogEntry(log, `worker of ${log}`, { seq: 3, bytes, keyBytes: 0 });
      const form = random(4);
      const text = form === 0 ? undefined : `{"at":${at},"long":"${form === 1 ? 'é'.repeat(4_000) : ''}"}`;
      expected.set(log, { bytes, text });
      const snapshot = text === undefined ? undefined : { head: { seq: form === 2 ? 2 : 3, bytes }, text };
      return catalogLine(entry, snapshot);
    });
    const line = { checkpoint, segment: 1, offset: 128, lsn: 1, lines: lines.length, isClean: true };
    catalog.push(Buffer.from([...lines, checkpointLine(line)].join('')));
  }
  const { logs, damagedAt } = readCatalog(Buffer.concat(catalog));
  t.is(damagedAt, null);
  t.true(expected.size > 20 && logs.described.size > 5);
  t.is(logs.size, expected.size);
  t.is(
    logs.eventBytes.all,
    [...expected.values()].reduce((sum, { bytes }) => sum + bytes, 0),
  );
  // the lines that a rewritten catalog would have of the logs that were not used
  const listed = [...logs.described.list()];
  const textOf = ({ log, snapshot }: Pick<StoredLog, 'log' | 'snapshot'>) => ({ log, text: snapshot?.text });
  const unused = listed.map(textOf);
  const rewritten = readCatalog(catalogOf([...logs.described.sealedLines()].map(String))).logs;
  t.deepEqual([...rewritten.all()].map(textOf), unused);
  for (let at = 0; at < 40; at += 1)
    for (const log of [`log_${at}`, `log_${at}_with_one_end`]) {
      const known = expected.get(log);
      t.is(logs.has(log), known !== undefined);
      t.is(logs.workerIdOf(log), known && `worker of ${log}`);
      const { bytes, snapshot } = logs.get(log) ?? {};
      t.deepEqual({ bytes, text: snapshot?.text }, { bytes: known?.bytes, text: known?.text });
    }
  t.is(logs.described.size, 0);
  t.is(logs.size, expected.size);
  // what was listed stays readable
  t.deepEqual(listed.map(textOf), unused);
});

test('P25: a line of the catalog with a wrong number where one is expected is damage', (t) => {
  const isDamaged = (line: string): boolean => readCatalog(catalogOf([sealLine(line)])).damagedAt !== null;
  t.false(isDamaged('{"log":"log_a","worker":"a","seq":3,"bytes":30,"keyBytes":0}'));
  for (const number of ['03', '', '-', '"'])
    t.true(isDamaged(`{"log":"log_a","worker":"a","seq":${number},"bytes":30,"keyBytes":0}`), number);
});

test('P25: snapshots that were listed stay readable after the catalog is released', async (t) => {
  const dir = await makeDirectory();
  const writer = await new Writer({ dir }).open();
  for (let at = 0; at < 50; at += 1) await writer.create(`log_${at}`);
  await writer.store.close();
  const next = await new Writer({ dir }, writer.texts).open();
  t.is(next.listed.length, 50);
  // all of them were listed, so none is in the bytes of the catalog any more
  for (const { head, snapshot } of next.listed) t.is(snapshot?.text, `{"bytes":${head.bytes}}`);
  await next.store.close();
  await removeDirectory(dir);
});

test('the metrics have the bytes of all logs, and the writes and syncs of this process', async (t) => {
  const dir = await makeDirectory();
  const writer = new Writer({ dir });
  t.deepEqual(writer.store.metrics?.(), []);
  await writer.open();
  await writer.create('log_a');
  const valuesOf = ({ store }: Writer) =>
    Object.fromEntries((store.metrics?.() ?? []).map(({ name, values }) => [name, values[0]?.value ?? -1]));
  const first = valuesOf(writer);
  const { bytes } = await writer.store.head('log_a');
  t.like(first, { store_logs: 1, store_bytes: bytes, store_unfiled_bytes: bytes });
  t.true(bytes > 0 && (first.store_group_bytes_total ?? 0) > bytes);
  t.true((first.store_groups_total ?? 0) >= 1 && (first.store_syncs_total ?? 0) >= 1);
  t.true((first.store_group_seconds_total ?? 0) >= (first.store_sync_seconds_total ?? 0));
  t.true((first.store_sync_seconds_total ?? 0) > 0);
  await writer.store.close();
  const next = await new Writer({ dir }, writer.texts).open();
  t.like(valuesOf(next), { store_bytes: bytes, store_unfiled_bytes: 0, store_groups_total: 0 });
  await next.store.close();
  await removeDirectory(dir);
});
