import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { importRuntime, openArchive, writeArchive } from '../src/archive/index.ts';
import type { WorkerEvent } from '../src/contracts/event.ts';
import { silentLogger } from '../src/contracts/logger.ts';
import type { RuntimeStore } from '../src/contracts/store.ts';
import { engine, inputText, Runtime } from '../src/index.ts';
import { memoryStore } from '../src/memory-store/memory-store.ts';
import { scoped, UNLIMITED } from '../src/scope/index.ts';
import { faultyStore } from '../src/testing/faulty-store.ts';
import { storedLogs } from '../src/testing/stored-logs.ts';
import { codeOf } from './fixtures/rig.ts';

const parrot = engine('parrot', async function* (run) {
  yield { type: 'text', text: inputText(run.input) };
});

const makeFolder = async (t: ExecutionContext): Promise<string> => {
  const folder = await mkdtemp(join(tmpdir(), 'archives-'));
  t.teardown(() => rm(folder, { recursive: true, force: true }));
  return folder;
};

const startOn = async (t: ExecutionContext, store: RuntimeStore): Promise<Runtime> => {
  const runtime = await Runtime.start({ engines: [parrot], store });
  t.teardown(() => runtime.stop());
  return runtime;
};

const eventsOf = async (runtime: Runtime, workerId: string): Promise<readonly WorkerEvent[]> => {
  const items: WorkerEvent[] = [];
  for (let after: string | null = 'start'; after !== null; ) {
    const page = await runtime.events(workerId, { after, limit: 1_000 });
    items.push(...page.items);
    after = page.next;
  }
  return items;
};

const bytesOf = async (archive: AsyncIterable<Uint8Array>): Promise<Buffer> => {
  const chunks: Uint8Array[] = [];
  for await (const chunk of archive) chunks.push(chunk);
  return Buffer.concat(chunks);
};

const say = (runtime: Runtime, workerId: string, text: string) =>
  runtime.sendInput(workerId, { text, whenBusy: 'queue' }, { waitMs: 10_000 });

test('P75: a backup under load has all that was acknowledged before it began, and a beginning of each log', async (t) => {
  const folder = await makeFolder(t);
  const runtime = await startOn(t, memoryStore());
  const ids = Array.from({ length: 8 }, (_, index) => `w${index}`);
  for (const workerId of ids) await runtime.createWorker({ workerId, engine: 'parrot' });
  let isOver = false;
  const load = Promise.all(
    ids.map(async (id) => {
      for (let round = 0; !isOver && round < 400; round += 1) {
        await say(runtime, id, `${round} `.repeat(300));
        // a store in memory never waits, so that the load would keep everything else from running
        await new Promise((resolve) => setImmediate(resolve));
      }
    }),
  );
  for (let round = 0; round < 3; round += 1) {
    await Promise.all(ids.map((id) => say(runtime, id, `before ${round}`)));
    const before = new Map<string, number>();
    for (const id of ids) before.set(id, (await runtime.getWorker(id)).lastSeq);
    const { path, end } = await writeArchive(join(folder, `${round}`), runtime.archives.open());
    t.is(end.workers, ids.length);
    const restored = memoryStore();
    await importRuntime(path, restored, { isCopy: true });
    const opened = await restored.open({
      log: silentLogger,
      configuration: null,
      keptKeys: 1_000,
      snapshotOf: () => undefined,
      report: () => {},
      lost: () => {},
    });
    for (const { log, workerId, head } of await storedLogs(opened)) {
      t.true(head.seq >= (before.get(workerId) ?? Number.NaN), `${workerId}: ${head.seq}`);
      const limits = { count: head.seq, bytes: head.bytes, direction: 'forward' } as const;
      const { lines } = await restored.read(log, { seq: 1, offset: 0 }, limits);
      const expected = (await eventsOf(runtime, workerId)).slice(0, head.seq);
      t.deepEqual(
        Buffer.from(lines)
          .toString()
          .trim()
          .split('\n')
          .map((line) => (JSON.parse(line) as WorkerEvent).seq),
        expected.map(({ seq }) => seq),
      );
    }
    await restored.close();
  }
  isOver = true;
  await load;
});

test('P75: a Worker that is deleted while a backup reads it is left out, and the backup is whole', async (t) => {
  const folder = await makeFolder(t);
  const store = faultyStore(memoryStore());
  const runtime = await startOn(t, store);
  for (const workerId of ['a', 'b', 'c']) await runtime.createWorker({ workerId, engine: 'parrot' });
  await runtime.stopWorker('b');
  await bytesOf(runtime.archives.open('b'));
  const log = store.calls.at(-1)?.log ?? '';
  const stall = store.stall(({ method, log: of }) => method === 'blobs' && of === log);
  const writing = writeArchive(join(folder, 'a'), runtime.archives.open());
  await stall.reached;
  await runtime.deleteWorker('b');
  stall.release('done');
  const { end, removed, path } = await writing;
  t.deepEqual([end.workers, [...removed]], [2, [log]]);
  const restored = memoryStore();
  await importRuntime(path, restored, { isCopy: true });
  const { items } = await (await startOn(t, restored)).listWorkers();
  t.deepEqual(
    items.map(({ workerId }) => workerId),
    ['a', 'c'],
  );
});

/** Makes a stopped Worker with a key, a file and a changed config; returns its runtime and archive. */
const withArchive = async (t: ExecutionContext, store: RuntimeStore = memoryStore()) => {
  const folder = await makeFolder(t);
  const runtime = await startOn(t, store);
  await runtime.createWorker({ workerId: 'polly', engine: 'parrot', labels: { team: 'birds' } });
  const file = await runtime.putFile('polly', Buffer.from('the bytes'), { mediaType: 'text/plain' });
  await runtime.sendInput('polly', { text: 'one' }, { waitMs: 10_000, idempotencyKey: 'k' });
  const { cursor } = await say(runtime, 'polly', 'two');
  t.is(await codeOf((async () => bytesOf(runtime.archives.open('polly')))()), 'WORKER_NOT_STOPPED');
  await runtime.stopWorker('polly');
  const archive = await writeArchive(join(folder, 'polly'), runtime.archives.open('polly'));
  const { log = '', seq = 0 } = archive.first ?? {};
  return {
    runtime,
    archive,
    end: { log, seq },
    bytes: await readFile(archive.path),
    cursor,
    digest: file.digest,
  };
};

test('P76: a stopped Worker leaves with its archive and comes back from it, with everything but its cursors', async (t) => {
  const store = memoryStore();
  const { runtime, end, bytes, cursor, digest } = await withArchive(t, store);
  const before = await eventsOf(runtime, 'polly');
  const detail = await runtime.getWorker('polly');
  const [listed] = (await runtime.archives.list({ labels: { team: 'birds' } })).items;
  t.like(listed, { workerId: 'polly', lastSeq: end.seq });
  t.true((listed?.sizeBytes ?? 0) > 500);
  t.is(await codeOf(runtime.archives.put(bytes)), 'WORKER_EXISTS');
  await runtime.archives.remove('polly', end);
  t.is(await codeOf(runtime.getWorker('polly')), 'WORKER_NOT_FOUND');
  t.deepEqual((await runtime.archives.list({})).items, []);
  const back = await runtime.archives.put(bytes);
  t.is(back.status, 'stopped');
  const check = async (current: Runtime): Promise<void> => {
    t.deepEqual(await eventsOf(current, 'polly'), before);
    const { asOf: _asOf, ...rest } = await current.getWorker('polly');
    const { asOf: _before, ...expected } = detail;
    t.deepEqual(rest, { ...expected, execution: rest.execution });
    t.is(Buffer.from((await current.getFile('polly', digest)).bytes).toString(), 'the bytes');
    t.is(await codeOf(current.events('polly', { after: cursor })), 'CURSOR_FOREIGN');
  };
  await check(runtime);
  await runtime.stop();
  const again = await startOn(t, store);
  await check(again);
  await again.resumeWorker('polly');
  t.true((await again.sendInput('polly', { text: 'one' }, { idempotencyKey: 'k' })).replayed);
  t.is((await say(again, 'polly', 'three')).run?.outcome, 'completed');
});

test('P76: a Worker with events after its archive is not removed, nor is one that is not stopped', async (t) => {
  const { runtime, end } = await withArchive(t);
  await runtime.resumeWorker('polly');
  t.is(await codeOf(runtime.archives.remove('polly', end)), 'INVALID_REQUEST');
  const { lastSeq } = await runtime.getWorker('polly');
  t.is(await codeOf(runtime.archives.remove('polly', { ...end, seq: lastSeq })), 'WORKER_NOT_STOPPED');
  await runtime.stopWorker('polly');
  t.is(await codeOf(runtime.archives.remove('polly', end)), 'INVALID_REQUEST');
  await runtime.deleteWorker('polly');
  await runtime.createWorker({ workerId: 'polly', engine: 'parrot' });
  await runtime.stopWorker('polly');
  const { lastSeq: seq } = await runtime.getWorker('polly');
  t.is(await codeOf(runtime.archives.remove('polly', { log: end.log, seq })), 'INVALID_REQUEST');
  t.is((await runtime.getWorker('polly')).status, 'stopped');
});

for (const fault of ['full', 'unavailable-lost', 'unavailable-done'] as const)
  test(`P76: a Worker that cannot be put back at any write (${fault}) is not there, and can be put back later`, async (t) => {
    const { bytes } = await withArchive(t);
    const counting = faultyStore(memoryStore());
    const first = await startOn(t, counting);
    await first.archives.put(bytes);
    const writes = counting.calls.filter(({ isWrite }) => isWrite).length;
    t.is(writes, 4);
    for (let number = 1; number <= writes; number += 1) {
      const inner = memoryStore();
      const store = faultyStore(inner);
      const runtime = await startOn(t, store);
      await runtime.createWorker({ workerId: 'other', engine: 'parrot' });
      store.failAt(number, fault);
      const code = await codeOf(runtime.archives.put(bytes));
      t.is(code, fault === 'full' ? 'STORE_FULL' : 'STORE_UNAVAILABLE', `write ${number}`);
      t.is(await codeOf(runtime.getWorker('polly')), 'WORKER_NOT_FOUND', `write ${number}`);
      t.is((await runtime.archives.put(bytes)).status, 'stopped', `write ${number}`);
      await runtime.stop();
      const again = await startOn(t, inner);
      t.is((await again.summary()).workers.total, 2, `write ${number}`);
      await again.stop();
    }
  });

test('P76: an import of a Worker that a kill interrupted is not there after the restart', async (t) => {
  const { bytes } = await withArchive(t);
  for (const number of [1, 2, 3, 4]) {
    const inner = memoryStore();
    const store = faultyStore(inner);
    const runtime = await startOn(t, store);
    let count = 0;
    const stall = store.stall(({ isWrite }) => {
      if (isWrite) count += 1;
      return isWrite && count === number;
    });
    const putting = codeOf(runtime.archives.put(bytes));
    await stall.reached;
    // as after a kill: nothing that comes later reaches the store
    store.failWhile(() => true, 'unavailable-lost');
    stall.release('lost');
    t.is(await putting, 'STORE_UNAVAILABLE');
    await inner.close();
    const again = await startOn(t, inner);
    t.is((await again.summary()).workers.total, 0, `write ${number}`);
    t.is((await again.archives.put(bytes)).workerId, 'polly');
    await again.stop();
  }
});

test('the archives of a runtime need the permission admin for all Workers', async (t) => {
  const { runtime, end, bytes } = await withArchive(t);
  const scopes = [
    { ...UNLIMITED, permissions: ['operate', 'answer'] as const },
    { ...UNLIMITED, workers: [{ team: 'birds' }] },
  ];
  for (const scope of scopes) {
    const { archives } = scoped(runtime, scope);
    const calls = [
      async () => bytesOf(archives.open()),
      async () => bytesOf(archives.open('polly')),
      () => archives.list({}),
      () => archives.remove('polly', end),
      () => archives.put(bytes),
    ];
    for (const call of calls) t.is(await codeOf(call()), 'FORBIDDEN');
  }
  const stamped = scoped(runtime, { ...UNLIMITED, permissions: ['admin'], stamp: { team: 'birds' } });
  t.is(await codeOf(stamped.archives.put(bytes)), 'FORBIDDEN');
  t.true((await bytesOf(scoped(runtime, { ...UNLIMITED }).archives.open('polly'))).length > 100);
});

test('an archive of a runtime is no archive of a Worker', async (t) => {
  const { runtime, archive } = await withArchive(t);
  t.is(await codeOf(runtime.archives.put(await bytesOf(runtime.archives.open()))), 'INVALID_REQUEST');
  t.is(await codeOf(runtime.archives.put(Buffer.from('no archive'))), 'ARCHIVE_CORRUPT');
  t.is(await codeOf(importRuntime(archive.path, memoryStore())), 'INVALID_REQUEST');
  t.is((await openArchive(archive.path)).beginning.content, 'worker');
});
