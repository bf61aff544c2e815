import { readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { readdir, readFile, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import type { RuntimeError } from '@worker-runtime/core';
import test, { type ExecutionContext } from 'ava';
import type { FsStoreOptions } from '../../src/store/store-settings.ts';
import { copyDirectory, makeDirectory, removeDirectory } from '../directory.ts';
import { Writer } from '../writer.ts';

type Options = Omit<FsStoreOptions, 'dir'>;

const begin = async (
  t: ExecutionContext,
  options: Options = {},
): Promise<{ dir: string; writer: Writer }> => {
  const dir = await makeDirectory();
  const writer = await new Writer({ dir, ...options }).open();
  t.teardown(async () => {
    writer.disk.fate = () => undefined;
    writer.disk.thaw();
    await writer.store.close();
    await removeDirectory(dir);
  });
  await writer.create('log_a');
  await writer.create('log_b');
  return { dir, writer };
};

const codeOf = async (call: Promise<unknown>): Promise<string> => {
  try {
    await call;
    return 'none';
  } catch (error) {
    return (error as RuntimeError).code;
  }
};

/** Opens a copy as a kill would leave it now, and checks that every log is as acknowledged. */
const checkKilled = async (t: ExecutionContext, dir: string, writer: Writer): Promise<void> => {
  const copy = await copyDirectory(dir);
  const next = await new Writer({ dir: copy }).open();
  for (const [log, text] of writer.texts) t.deepEqual(await next.read(log), { text, gaps: [] }, log);
  t.is(next.listed.length, writer.texts.size);
  await next.store.close();
  await removeDirectory(copy);
};

/** Returns the content of a segment without the zeros that are written ahead. */
const written = (bytes: Buffer): string => bytes.toString('latin1').replace(/\0+$/, '');

const isLog = (path: string): boolean => /\.wal(?:\.new)?$/.test(path);
const isEvents = (path: string): boolean => path.endsWith('events.jsonl');

test('P14: a full disk refuses commits with STORE_FULL, nothing of them stays, and commits work again with free space', async (t) => {
  const { dir, writer } = await begin(t);
  const segment = join(dir, 'wal', '00000001.wal');
  const before = await readFile(segment);
  let isFirst = true;
  writer.disk.fate = ({ operation, path }) => {
    if (operation !== 'write' || !isLog(path)) return undefined;
    // The first write writes a part, the following ones fail.
    const fate = isFirst ? { take: 200 } : { code: 'ENOSPC' };
    isFirst = false;
    return fate;
  };
  t.deepEqual(
    await Promise.all([
      codeOf(writer.append('log_a', 'x'.repeat(500))),
      codeOf(writer.append('log_b', 'lost')),
    ]),
    ['STORE_FULL', 'STORE_FULL'],
  );
  t.is(await codeOf(writer.create('log_c')), 'STORE_FULL');
  // The cut removes the zeros too.
  t.deepEqual(written(await readFile(segment)), written(before), 'the log is cut back to the length before');
  t.deepEqual(await writer.store.head('log_a'), writer.headOf('log_a'));
  t.is(await codeOf(writer.store.head('log_c')), 'WORKER_NOT_FOUND');
  await checkKilled(t, dir, writer);
  writer.disk.fate = () => undefined;
  await writer.append('log_a', 'space again');
  await writer.create('log_c');
  await checkKilled(t, dir, writer);
});

test('P14: a blob that does not fit on the disk is refused with STORE_FULL, and leaves nothing', async (t) => {
  const { dir, writer } = await begin(t);
  const [small, large] = [Buffer.alloc(100, 1), Buffer.alloc(300_000, 2)];
  await writer.store.putBlob('log_a', 'small', small);
  const isIncoming = (path: string): boolean => path.includes('incoming');
  let isFirst = true;
  for (const [operation, code, expected] of [
    ['write', 'ENOSPC', 'STORE_FULL'],
    ['sync', 'EDQUOT', 'STORE_FULL'],
    ['open', 'ENOSPC', 'STORE_FULL'],
    ['rename', 'EIO', 'STORE_UNAVAILABLE'],
  ] as const) {
    writer.disk.fate = (call) => {
      if (call.operation !== operation || !isIncoming(call.path)) return undefined;
      // the first write writes a part
      const fate = isFirst && operation === 'write' ? { take: 1_000 } : { code };
      isFirst = false;
      return fate;
    };
    t.is(await codeOf(writer.store.putBlob('log_a', 'large', large)), expected, operation);
    t.is(await writer.store.blob('log_a', 'large'), null);
    t.deepEqual(await readdir(join(dir, 'incoming')), []);
    t.deepEqual(await readdir(join(dir, 'blobs', 'log_a')), ['small']);
  }
  writer.disk.fate = ({ operation }) => (operation === 'write' ? { take: 50_000 } : undefined);
  await writer.store.putBlob('log_a', 'large', large);
  await checkKilled(t, dir, writer);
  t.deepEqual(await writer.store.blob('log_a', 'small'), small);
  t.deepEqual(await writer.store.blob('log_a', 'large'), large);
});

test('short writes are continued', async (t) => {
  const { dir, writer } = await begin(t);
  writer.disk.fate = ({ operation }) => (operation === 'write' ? { take: 7 } : undefined);
  for (let round = 0; round < 5; round += 1) await writer.append('log_a', `round ${round}`);
  await writer.create('log_c');
  await checkKilled(t, dir, writer);
});

test('P14: after a failed sync a commit is in doubt until head has fenced it, and no sync is repeated', async (t) => {
  const { dir, writer } = await begin(t);
  writer.disk.fate = ({ operation, path }) =>
    operation === 'sync' && isLog(path) ? { code: 'EIO' } : undefined;
  t.is(await codeOf(writer.append('log_a', 'in doubt')), 'STORE_UNAVAILABLE');
  t.is(await codeOf(writer.create('log_c')), 'STORE_UNAVAILABLE');
  t.is(
    await codeOf(writer.store.head('log_a')),
    'STORE_UNAVAILABLE',
    'the commit stays in doubt while the disk fails',
  );
  writer.disk.fate = () => undefined;
  t.deepEqual(await writer.store.head('log_a'), writer.headOf('log_a'));
  t.is(await codeOf(writer.store.head('log_c')), 'WORKER_NOT_FOUND');
  await checkKilled(t, dir, writer);
  await writer.append('log_a', 'the next one');
  await writer.create('log_c');
  await checkKilled(t, dir, writer);
});

test('P14: a failed write that cannot be cut back is void once the next segment names the end of its segment', async (t) => {
  const { dir, writer } = await begin(t);
  writer.disk.fate = ({ operation, path }) =>
    isLog(path) && (operation === 'sync' || operation === 'truncate') ? { code: 'EIO' } : undefined;
  t.is(await codeOf(writer.append('log_a', 'written, not synced')), 'STORE_UNAVAILABLE');
  writer.disk.fate = () => undefined;
  await writer.append('log_b', 'without asking for the head');
  await checkKilled(t, dir, writer);
});

for (const [code, expected] of [
  ['EIO', 'STORE_UNAVAILABLE'],
  ['ENOSPC', 'STORE_FULL'],
] as const)
  test(`P14: a write that is also a sync and fails with ${code} is refused with ${expected}, and never becomes visible`, async (t) => {
    const { dir, writer } = await begin(t);
    await writer.append('log_a', 'with zeros after it');
    let isMade = false;
    writer.disk.fate = ({ operation, path, mode }) => {
      if (operation !== 'sync' || !isLog(path) || mode !== 'durable') return undefined;
      isMade = true;
      return { code };
    };
    t.is(await codeOf(writer.append('log_a', 'written, not synced')), expected);
    t.true(isMade);
    writer.disk.fate = () => undefined;
    await writer.append('log_b', 'without asking for the head');
    t.deepEqual(await writer.store.head('log_a'), writer.headOf('log_a'));
    await checkKilled(t, dir, writer);
  });

test('P14: interval: acknowledged commits survive a failed sync, because a new segment gets them again', async (t) => {
  const { dir, writer } = await begin(t, { durability: { intervalMs: 3_600_000 } });
  await writer.append('log_a', 'one');
  writer.disk.fate = ({ operation, path }) =>
    operation === 'sync' && path.endsWith('00000001.wal') ? { code: 'EIO' } : undefined;
  // Closing syncs the segment. The sync fails, and its pages are treated as lost.
  await writer.append('log_b', 'two');
  await writer.store.close();
  await truncate(join(dir, 'wal', '00000001.wal'), 128);
  const next = await new Writer({ dir }).open();
  for (const [log, text] of writer.texts) t.deepEqual(await next.read(log), { text, gaps: [] }, log);
  t.deepEqual(
    next.findings.filter((finding) => finding.severity === 'error'),
    [],
  );
  await next.store.close();
});

test('P14: files whose sync failed are written again from the log', async (t) => {
  const { dir, writer } = await begin(t, { checkpointBytes: 4_096 });
  // The store's own timer does not keep the process alive.
  const alive = setInterval(() => {}, 1_000);
  let events = '';
  let isWritten = false;
  const again = new Promise<void>((done) => {
    writer.disk.fate = ({ operation, path }) => {
      if (operation === 'sync' && path.includes('worker-log_a') && isEvents(path) && events === '') {
        events = path;
        // The kernel may drop the pages and report success for the next sync.
        truncateSync(path, 0);
        return { code: 'EIO' };
      }
      if (path !== events) return undefined;
      isWritten ||= operation === 'write';
      if (isWritten && operation === 'close') done();
      return undefined;
    };
  });
  for (let round = 0; round < 20; round += 1)
    await writer.append('log_a', `round ${round} ${'x'.repeat(500)}`);
  await again;
  clearInterval(alive);
  t.is(writer.findings[0]?.code, 'FILES_BEHIND');
  const text = await readFile(events, 'utf8');
  t.true(text.startsWith('{"seq":1,') && (writer.texts.get('log_a') ?? '').startsWith(text));
  t.deepEqual(await writer.read('log_a'), { text: writer.texts.get('log_a') ?? '', gaps: [] });
  await checkKilled(t, dir, writer);
});

test('P13: a file that is cut and written again during a read is no damage', async (t) => {
  const { dir, writer: first } = await begin(t);
  for (let seq = 2; seq < 40; seq += 1) await first.append('log_a', 'x'.repeat(200));
  await first.store.close();
  // After the reopen all of that is in the file, and the next line is not filed yet.
  const writer = await new Writer({ dir }, first.texts).open();
  t.teardown(() => writer.store.close());
  await writer.append('log_a', 'only in memory');
  let whole: Buffer | null = null;
  let reads = 0;
  writer.disk.fate = ({ operation, path }) => {
    if (operation !== 'read' || !isEvents(path)) return undefined;
    reads += 1;
    if (reads === 1) {
      whole = readFileSync(path);
      truncateSync(path, 1_000);
    } else if (whole) writeFileSync(path, whole);
    return undefined;
  };
  t.deepEqual(await writer.read('log_a'), { text: writer.texts.get('log_a') ?? '', gaps: [] });
  t.true(reads > 1, 'the log was read from its file');
  t.deepEqual(writer.findings, []);
});

test('P14: files that cannot be written fail no commit until the limit of unfiled bytes is reached', async (t) => {
  const { dir, writer } = await begin(t, { behindBytes: 65_536 });
  writer.disk.fate = ({ operation, path }) =>
    operation === 'write' && isEvents(path) ? { code: 'ENOSPC' } : undefined;
  let code = 'none';
  let rounds = 0;
  for (; code === 'none' && rounds < 100; rounds += 1) {
    code = await codeOf(writer.append('log_a', `${rounds} ${'x'.repeat(4_000)}`));
  }
  t.is(code, 'STORE_FULL');
  t.true(rounds > 10, `${rounds} commits`);
  t.deepEqual(await writer.read('log_a'), { text: writer.texts.get('log_a') ?? '', gaps: [] });
  await checkKilled(t, dir, writer);
  writer.disk.fate = () => undefined;
  await writer.append('log_a', 'space again');
  await checkKilled(t, dir, writer);
});

test('P22: while the disk stalls, commits wait or are refused, reads work, and at most three calls are in progress', async (t) => {
  const { dir, writer } = await begin(t, { queueBytes: 16_384 });
  for (let round = 0; round < 50; round += 1) await writer.append('log_b', 'x'.repeat(1_000));
  await writer.store.close();
  const next = await new Writer({ dir, queueBytes: 16_384 }, writer.texts).open();
  await next.append('log_a', 'before');
  next.disk.fate = ({ operation, path }) =>
    operation === 'sync' && (isLog(path) || isEvents(path)) ? 'hang' : undefined;
  const stalled = next.append('log_a', 'stalled');
  await new Promise((done) => setImmediate(done));
  const others = Array.from({ length: 30 }, (_, index) =>
    next.store.create(
      `log_${index}`,
      { workerId: `w${index}`, record: null },
      { lines: Buffer.from(`{"seq":1,"data":"${'x'.repeat(1_000)}"}\n`), count: 1 },
    ),
  );
  const refused = others.map((other) => codeOf(other));
  next.disk.mostRunning = 0;
  await Promise.all(Array.from({ length: 20 }, () => next.read('log_b')));
  t.is((await next.read('log_b')).text, writer.texts.get('log_b') ?? '');
  t.deepEqual(await next.store.head('log_b'), writer.headOf('log_b'));
  t.true(next.disk.mostRunning <= 3, `${next.disk.mostRunning} calls at the same time`);
  next.disk.fate = () => undefined;
  next.disk.thaw();
  await stalled;
  const codes = new Set(await Promise.all(refused));
  t.deepEqual([...codes].sort(), ['STORE_UNAVAILABLE', 'none']);
  await next.store.close();
});

test('P22: commits that wait for the files continue while a checkpoint waits for a sync of the write-ahead log', async (t) => {
  t.timeout(60_000);
  // The limits are so small that both happen nearly all the time.
  const { writer } = await begin(t, {
    durability: { intervalMs: 5 },
    segmentBytes: 8_192,
    checkpointBytes: 4_096,
    behindBytes: 4_096,
  });
  for (let round = 0; round < 400; round += 1) {
    await Promise.all([writer.append('log_a', 'x'.repeat(700)), writer.append('log_b', 'y'.repeat(700))]);
  }
  t.is((await writer.store.head('log_a')).seq, 401);
});

/**
 * Lets calls of the disk wait until `acks` more appends were acknowledged, or for 50 ms if none are. Returns a function to
 * call after each append.
 */
const delayUntilAppends = (
  { disk }: Writer,
  acks: number,
  isSlow: (call: { operation: string; path: string }) => boolean,
): (() => void) => {
  let waiting = 0;
  let timer: NodeJS.Timeout | undefined;
  const { fate } = disk;
  const end = (): void => {
    clearTimeout(timer);
    disk.thaw();
  };
  disk.fate = (call) => {
    if (!isSlow(call)) return fate(call);
    waiting = acks;
    timer = setTimeout(end, 50);
    return 'hang';
  };
  return () => {
    waiting -= 1;
    if (waiting === 0) end();
  };
};

/** Calls `made` at each checkpoint, which ends with a sync of the catalog. */
const onCheckpoint = ({ disk }: Writer, made: () => void): void => {
  disk.fate = ({ operation, path }) => {
    if (operation === 'sync' && path.endsWith('catalog.json')) made();
    return undefined;
  };
};

test('P22: checkpoints are made while many Workers append without pause and their files are slow', async (t) => {
  const { writer } = await begin(t, { behindBytes: 1_048_576, checkpointBytes: 524_288 });
  const logs = Array.from({ length: 30 }, (_, index) => `log_${index}`);
  for (const log of logs) await writer.create(log);
  let checkpoints = 0;
  onCheckpoint(writer, () => {
    checkpoints += 1;
  });
  const appended = delayUntilAppends(
    writer,
    4,
    ({ operation, path }) => operation === 'write' && isEvents(path),
  );
  let round = 0;
  for (; round < 100 && checkpoints < 2; round += 1) {
    for (const log of logs) {
      await writer.append(log, `${round} ${'x'.repeat(2_000)}`);
      appended();
    }
  }
  t.true(checkpoints >= 2, `${checkpoints} checkpoints after ${round} rounds`);
});

test('P22: commits continue while a checkpoint waits for slow syncs of many files', async (t) => {
  const { writer } = await begin(t, { behindBytes: 524_288, checkpointBytes: 16_384 });
  const logs = Array.from({ length: 250 }, (_, index) => `log_${index}`);
  for (const log of logs) await writer.create(log);
  let checkpoints = 0;
  let commits = 0;
  let mostCommits = 0;
  onCheckpoint(writer, () => {
    checkpoints += 1;
    mostCommits = Math.max(mostCommits, commits);
    commits = 0;
  });
  const appended = delayUntilAppends(
    writer,
    3,
    ({ operation, path }) => operation === 'sync' && isEvents(path),
  );
  for (let round = 0; round < 3_000 && checkpoints < 2; round += 1) {
    // Only one log grows, so the bytes in memory do not fall by the files that the checkpoint writes.
    await writer.append('log_a', `${round} ${'x'.repeat(1_000)}`);
    commits += 1;
    appended();
  }
  // More than the limit of unfiled bytes allows without a write.
  t.true(mostCommits > 600, `${mostCommits} commits during a checkpoint`);
});
