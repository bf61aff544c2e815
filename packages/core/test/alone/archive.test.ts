import { createHash } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import test, { type ExecutionContext } from 'ava';
import { exportRuntime, importRuntime, openArchive } from '../../src/archive/index.ts';
import { bundleDigest } from '../../src/commands/bundles.ts';
import type { RuntimeStore } from '../../src/contracts/store.ts';
import { engine, inputText, Runtime } from '../../src/index.ts';
import { memoryStore } from '../../src/memory-store/memory-store.ts';
import { faultyStore } from '../../src/testing/faulty-store.ts';
import { codeOf } from '../fixtures/rig.ts';

const parrot = engine('parrot', async function* (run) {
  yield { type: 'text', text: inputText(run.input) };
});

const makeFolder = async (t: ExecutionContext): Promise<string> => {
  const folder = await mkdtemp(join(tmpdir(), 'archive-'));
  t.teardown(() => rm(folder, { recursive: true, force: true }));
  return folder;
};

const withRuntime = async <T>(store: RuntimeStore, use: (runtime: Runtime) => Promise<T>): Promise<T> => {
  const runtime = await Runtime.start({ engines: [parrot], store });
  try {
    return await use(runtime);
  } finally {
    await runtime.stop();
  }
};

const BUNDLE = { id: 'birds', profiles: { p: { engine: 'parrot' } } };
const KEYED = { text: 'with a key' };

/** Fills a store with two Workers, of which one is stopped, a file and a bundle. Returns a cursor in the middle of a log. */
const fill = (store: RuntimeStore) =>
  withRuntime(store, async (runtime) => {
    await runtime.createWorker({ workerId: 'polly', engine: 'parrot', labels: { team: 'birds' } });
    await runtime.createWorker({ workerId: 'rests', engine: 'parrot' });
    const { cursor } = await runtime.sendInput('polly', KEYED, { waitMs: 5_000, idempotencyKey: 'k' });
    await runtime.putFile('polly', Buffer.from('the bytes'), { mediaType: 'text/plain' });
    await runtime.putBundle(bundleDigest(BUNDLE), BUNDLE);
    await runtime.sendInput('polly', { text: 'later' }, { waitMs: 5_000 });
    await runtime.stopWorker('rests');
    return { cursor, runtimeId: runtime.runtimeId };
  });

/** Returns what callers can read of a runtime, with times and cursors. */
const everything = async (runtime: Runtime): Promise<unknown> => {
  const { items } = await runtime.listWorkers();
  const logs = await Promise.all(items.map(({ workerId }) => runtime.events(workerId)));
  const usage = await runtime.usage({});
  const { items: bundles } = await runtime.listBundles();
  return { workers: items, logs, usage, bundles };
};

test('P74: a runtime that is moved by an archive has the same id, and cursors and keys stay valid', async (t) => {
  const folder = await makeFolder(t);
  const source = memoryStore();
  const { cursor, runtimeId } = await fill(source);
  const before = await withRuntime(source, everything);
  const rest = await withRuntime(source, (runtime) => runtime.events('polly', { after: cursor }));
  const archive = await exportRuntime(source, join(folder, 'a'));
  t.is((await stat(archive.path)).mode & 0o777, 0o600);
  const target = memoryStore();
  await importRuntime(archive.path, target);
  await withRuntime(target, async (runtime) => {
    t.is(runtime.runtimeId, runtimeId);
    t.deepEqual(await everything(runtime), before);
    t.deepEqual(await runtime.events('polly', { after: cursor }), rest);
    t.true((await runtime.sendInput('polly', KEYED, { idempotencyKey: 'k' })).replayed);
    const file = (await runtime.events('polly')).items.find(({ type }) => type === 'file.stored');
    const digest = file?.type === 'file.stored' ? file.data.digest : '';
    t.is(Buffer.from((await runtime.getFile('polly', digest)).bytes).toString(), 'the bytes');
    t.is((await runtime.getWorker('rests')).status, 'stopped');
  });
});

test('P74: two copies of a runtime differ by their ids, and by cursors once their events differ', async (t) => {
  const folder = await makeFolder(t);
  const source = memoryStore();
  const { runtimeId } = await fill(source);
  const { path } = await exportRuntime(source, join(folder, 'a'));
  const copy = memoryStore();
  await importRuntime(path, copy, { isCopy: true });
  const send = (text: string) => (runtime: Runtime) =>
    runtime.sendInput('polly', { text }, { waitMs: 5_000 });
  const theirs = await withRuntime(copy, send('there'));
  await withRuntime(source, async (runtime) => {
    t.not(await withRuntime(copy, async (other) => other.runtimeId), runtimeId);
    t.is(await codeOf(runtime.events('polly', { after: theirs.cursor })), 'CURSOR_FOREIGN');
    await send('here')(runtime);
    t.is(await codeOf(runtime.events('polly', { after: theirs.cursor })), 'CURSOR_FOREIGN');
  });
});

test('P74: an archive that is cut, or changed by one byte, is refused', async (t) => {
  const folder = await makeFolder(t);
  const source = memoryStore();
  await fill(source);
  const whole = await readFile((await exportRuntime(source, join(folder, 'a'))).path);
  const path = join(folder, 'b');
  const codes = async (bytes: Uint8Array): Promise<string> => {
    await writeFile(path, bytes);
    return codeOf(openArchive(path));
  };
  for (let at = 0; at < whole.length; at += 1) {
    const changed = Buffer.from(whole);
    changed[at] = (changed[at] ?? 0) ^ (1 << (at % 8));
    // one byte is the version
    t.true(
      ['ARCHIVE_CORRUPT', 'VERSION_UNSUPPORTED'].includes(await codes(changed)),
      `byte ${at} is changed`,
    );
    if (at % 3 === 0) t.is(await codes(whole.subarray(0, at)), 'ARCHIVE_CORRUPT', `cut to ${at} bytes`);
  }
  t.is(await codes(Buffer.concat([whole, Buffer.from([0])])), 'ARCHIVE_CORRUPT');
  t.is(await codes(whole), 'none');
  const target = memoryStore();
  await writeFile(path, whole.subarray(0, -1));
  t.is(await codeOf(importRuntime(path, target)), 'ARCHIVE_CORRUPT');
  t.is(await withRuntime(target, async (runtime) => (await runtime.summary()).workers.total), 0);
  t.is(await codeOf(importRuntime(join(folder, 'none'), target)), 'FILE_NOT_FOUND');
});

test('P74: an archive with a right digest and a missing item is refused', async (t) => {
  const folder = await makeFolder(t);
  const source = memoryStore();
  await fill(source);
  const whole = await readFile((await exportRuntime(source, join(folder, 'a'))).path);
  const begin = whole.indexOf('\n') + 1;
  const items = gunzipSync(whole.subarray(begin, -32));
  const path = join(folder, 'b');
  const codeOfItems = async (changed: Uint8Array): Promise<string> => {
    const bytes = Buffer.concat([whole.subarray(0, begin), gzipSync(changed)]);
    await writeFile(path, Buffer.concat([bytes, createHash('sha256').update(bytes).digest()]));
    return codeOf(openArchive(path));
  };
  t.is(await codeOfItems(items), 'none');
  // each line that is the head of an item begins like this
  const heads = [...items.toString('latin1').matchAll(/\{"kind":"/g)].map(({ index }) => index);
  t.true(heads.length > 8);
  for (const [index, from] of heads.entries()) {
    const without = Buffer.concat([
      items.subarray(0, from),
      items.subarray(heads[index + 1] ?? items.length),
    ]);
    // the keys of a log are not counted
    if (items.indexOf('"kind":"keys"', from) === from + 1) continue;
    t.is(await codeOfItems(without), 'ARCHIVE_CORRUPT', `without item ${index}`);
  }
});

for (const fault of ['full', 'unavailable-lost', 'unavailable-done'] as const)
  test(`P74: an import that fails at any write (${fault}) shows nothing, and completes when it is repeated`, async (t) => {
    const folder = await makeFolder(t);
    const source = memoryStore();
    await fill(source);
    const before = await withRuntime(source, everything);
    const { path } = await exportRuntime(source, join(folder, 'a'));
    const counting = faultyStore(memoryStore());
    await importRuntime(path, counting);
    const writes = counting.calls.filter(({ isWrite }) => isWrite).length;
    t.is(writes, 6);
    for (let number = 1; number <= writes; number += 1) {
      const inner = memoryStore();
      const target = faultyStore(inner);
      target.failAt(number, fault);
      const code = await codeOf(importRuntime(path, target));
      t.is(code, fault === 'full' ? 'STORE_FULL' : 'STORE_UNAVAILABLE', `write ${number}`);
      const shown = await codeOf(
        withRuntime(inner, async (runtime) => {
          t.is((await runtime.summary()).workers.total, number === writes ? 2 : 0);
        }),
      );
      const isBegun = number > 1 || fault === 'unavailable-done';
      const isComplete = number === writes && fault === 'unavailable-done';
      t.is(shown, isBegun && !isComplete ? 'STORE_INCOMPLETE' : 'none', `write ${number}`);
      if (!isComplete) await importRuntime(path, inner);
      t.deepEqual(await withRuntime(inner, everything), before, `write ${number}`);
    }
  });

test('P23: an import has at most 64 logs in progress, for any number of Workers', async (t) => {
  const folder = await makeFolder(t);
  const source = memoryStore();
  await withRuntime(source, async (runtime) => {
    for (let number = 0; number < 200; number += 1) await runtime.createWorker({ engine: 'parrot' });
  });
  const { path } = await exportRuntime(source, join(folder, 'a'));
  const target = faultyStore(memoryStore());
  const stall = target.stall('create');
  const importing = importRuntime(path, target);
  await stall.reached;
  while (stall.held < 64) await new Promise((resolve) => setImmediate(resolve));
  // nothing but a release continues it
  for (let turn = 0; turn < 200; turn += 1) await new Promise((resolve) => setImmediate(resolve));
  t.is(stall.held, 64);
  stall.release('done');
  t.is((await importing).end.workers, 200);
});

test('an export of a store whose import did not end is refused, and leaves no file', async (t) => {
  const folder = await makeFolder(t);
  const source = memoryStore();
  await fill(source);
  const { path } = await exportRuntime(source, join(folder, 'a'));
  const target = faultyStore(memoryStore());
  target.failNext('create', 'full');
  t.is(await codeOf(importRuntime(path, target)), 'STORE_FULL');
  t.is(await codeOf(exportRuntime(target, join(folder, 'b'))), 'STORE_INCOMPLETE');
  t.is(await codeOf(exportRuntime(source, path)), 'INVALID_REQUEST');
  t.deepEqual(await readdir(folder), ['a']);
});
