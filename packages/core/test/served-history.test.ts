import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { exportRuntime, importRuntime, openArchive, writeArchive } from '../src/archive/index.ts';
import type { RuntimeStore } from '../src/contracts/store.ts';
import { engine, inputText, Runtime, type RuntimeError, type RuntimePlugin } from '../src/index.ts';
import { memoryStore } from '../src/memory-store/memory-store.ts';
import { scoped, UNLIMITED } from '../src/scope/index.ts';
import { faultyStore } from '../src/testing/faulty-store.ts';
import { manualClock } from '../src/testing/manual-clock.ts';
import { codeOf } from './fixtures/rig.ts';

/** An engine that needs no history, and one that may. */
const parrot = engine(
  'parrot',
  async function* (run) {
    yield { type: 'text', text: inputText(run.input) };
  },
  { readsHistory: false, forks: true },
);
const reader = engine('reader', async function* (run) {
  yield { type: 'text', text: inputText(run.input) };
});

const makeFolder = async (t: ExecutionContext): Promise<string> => {
  const folder = await mkdtemp(join(tmpdir(), 'archives-'));
  t.teardown(() => rm(folder, { recursive: true, force: true }));
  return folder;
};

const startOn = async (
  t: ExecutionContext,
  store: RuntimeStore,
  options: Partial<ConstructorParameters<typeof Runtime>[0]> = {},
): Promise<Runtime> => {
  const runtime = await Runtime.start({ engines: [parrot, reader], store, ...options });
  t.teardown(() => runtime.stop());
  return runtime;
};

const bytesOf = async (archive: AsyncIterable<Uint8Array>): Promise<Buffer> => {
  const chunks: Uint8Array[] = [];
  for await (const chunk of archive) chunks.push(chunk);
  return Buffer.concat(chunks);
};

const say = (runtime: Runtime, workerId: string, text: string, idempotencyKey = text) =>
  runtime.sendInput(workerId, { text }, { waitMs: 10_000, idempotencyKey });

/** Reads the events of a Worker that are there. */
const eventsOf = async (runtime: Runtime, workerId: string): Promise<string> => {
  const { archived } = await runtime.getWorker(workerId);
  const lines: string[] = [];
  for (let after: string | null = archived?.cursor ?? 'start'; after !== null; ) {
    const page = await runtime.events(workerId, { after, limit: 1_000 });
    lines.push(...page.items.map((event) => `${JSON.stringify(event)}\n`));
    after = page.next;
  }
  return lines.join('');
};

/** Starts a runtime with a Worker of many events, with keys, a file and a changed config. */
const withWorker = async (t: ExecutionContext, store: RuntimeStore = memoryStore()): Promise<Runtime> => {
  const runtime = await startOn(t, store);
  await runtime.createWorker({ workerId: 'polly', engine: 'parrot', labels: { team: 'birds' } });
  await runtime.putFile('polly', Buffer.from('the bytes'), { mediaType: 'text/plain' });
  for (let round = 0; round < 12; round += 1) await say(runtime, 'polly', `${round} `.repeat(30), `${round}`);
  return runtime;
};

const logOf = async (runtime: Runtime, beforeSeq: number): Promise<string> =>
  (await runtime.archives.listHistory({ workerId: 'polly', beforeSeq })).items[0]?.log ?? '';

/** Archives the events up to a number, removes them, and returns the archive. */
const archiveHistory = async (runtime: Runtime, throughSeq: number, folder: string) => {
  const archive = `polly-${throughSeq}.archive`;
  const log = await logOf(runtime, throughSeq + 1);
  const written = await writeArchive(
    join(folder, archive),
    runtime.archives.openHistory('polly', throughSeq),
  );
  await runtime.archives.removeHistory('polly', { log, throughSeq, archive });
  return written;
};

/** Returns what is to stay the same when a Worker comes to another store. */
const stateOf = async (runtime: Runtime) => {
  const { asOf: _, execution: __, archived, runtimeId: ___, ...detail } = await runtime.getWorker('polly');
  const { asOf: ____, ...overview } = await runtime.overview('polly');
  return {
    detail,
    firstSeq: archived?.firstSeq,
    archive: archived?.archive,
    overview,
    events: await eventsOf(runtime, 'polly'),
    days: (await runtime.usage()).days,
  };
};

test('P85: archives of one history after the other have all of its events', async (t) => {
  const folder = await makeFolder(t);
  const runtime = await withWorker(t);
  const all = await eventsOf(runtime, 'polly');
  let found = '';
  for (const [index, throughSeq] of [7, 20, 33].entries()) {
    const { end, first, beginning } = await archiveHistory(runtime, throughSeq, folder);
    t.is(beginning.content, 'history');
    t.deepEqual([end.workers, end.events, end.blobs], [1, throughSeq - ([0, 7, 20][index] ?? 0), 0]);
    t.like(first, { workerId: 'polly', seq: throughSeq });
    const { gunzipSync } = await import('node:zlib');
    const bytes = await readFile(join(folder, `polly-${throughSeq}.archive`));
    const items = gunzipSync(bytes.subarray(25, -32)).toString();
    found += items
      .split('\n')
      .filter((line) => line.startsWith('{"seq":'))
      .map((line) => `${line}\n`)
      .join('');
  }
  t.is(found + (await eventsOf(runtime, 'polly')), all);
  const put = runtime.archives.put(await readFile(join(folder, 'polly-7.archive')));
  t.is(await codeOf(put), 'INVALID_REQUEST', 'history is no Worker');
  t.is(await codeOf(importRuntime(join(folder, 'polly-7.archive'), memoryStore())), 'INVALID_REQUEST');
});

test('P85: a Worker without its first events is exported, backed up, archived and put back as it is', async (t) => {
  const folder = await makeFolder(t);
  const source = memoryStore();
  const runtime = await withWorker(t, source);
  await archiveHistory(runtime, 20, folder);
  const before = await stateOf(runtime);
  const backup = await writeArchive(join(folder, 'backup'), runtime.archives.open());
  await runtime.stopWorker('polly');
  const stopped = await stateOf(runtime);
  const worker = await readFile(
    (await writeArchive(join(folder, 'worker'), runtime.archives.open('polly'))).path,
  );
  await runtime.stop();
  const exported = await exportRuntime(source, join(folder, 'exported'));
  t.is(backup.end.events, before.events.split('\n').length - 1);

  for (const [path, expected] of [
    [backup.path, before],
    [exported.path, stopped],
  ] as const) {
    const target = memoryStore();
    await importRuntime(path, target, { isCopy: true });
    const copy = await startOn(t, target);
    t.deepEqual(await stateOf(copy), expected);
    t.is(await codeOf(copy.events('polly')), 'CURSOR_EXPIRED');
    // history continues from there, also in the copy
    if (expected === before) await archiveHistory(copy, 30, await makeFolder(t));
    await copy.stop();
    const again = await exportRuntime(target, join(await makeFolder(t), 'again'));
    t.is(again.end.events, expected.events.split('\n').length - 1 - (expected === before ? 10 : 0));
  }

  const other = await startOn(t, memoryStore());
  await other.archives.put(worker);
  t.deepEqual(await stateOf(other), stopped);
  await other.resumeWorker('polly');
  t.is((await say(other, 'polly', 'continues')).run?.outcome, 'completed');
  t.true((await say(other, 'polly', '11 '.repeat(30), '11')).replayed);
  t.is(await codeOf(say(other, 'polly', '0 '.repeat(30), '0')), 'CURSOR_EXPIRED');

  const bytes = await readFile(exported.path);
  await writeFile(join(folder, 'changed'), Buffer.concat([bytes.subarray(0, 200), bytes.subarray(201)]));
  t.is(await codeOf(openArchive(join(folder, 'changed'))), 'ARCHIVE_CORRUPT');
});

test('P16, P85: no history goes without a number or an age, and a list names what would go', async (t) => {
  const clock = manualClock();
  const runtime = await startOn(t, memoryStore(), { clock });
  for (const [workerId, team] of [
    ['polly', 'birds'],
    ['rex', 'dogs'],
  ] as const)
    await runtime.createWorker({ workerId, engine: 'parrot', labels: { team } });
  await runtime.createWorker({ workerId: 'reads', engine: 'reader' });
  const seqs: number[] = [];
  for (let day = 0; day < 4; day += 1) {
    for (const workerId of ['polly', 'rex', 'reads']) await say(runtime, workerId, `day ${day}`);
    seqs.push((await runtime.getWorker('polly')).lastSeq);
    await clock.advance(86_400_000);
  }
  const { archives } = runtime;
  for (const query of [{}, { labels: { team: 'birds' } }, { beforeSeq: 0 }, { olderThanMs: -1 }])
    t.is(await codeOf(archives.listHistory(query)), 'INVALID_REQUEST', JSON.stringify(query));
  const throughOf = async (query: Parameters<typeof archives.listHistory>[0]) =>
    (await archives.listHistory(query)).items.map(({ workerId, throughSeq }) => [workerId, throughSeq]);
  const days = (count: number) => ({ olderThanMs: count * 86_400_000 });
  const last = (seqs[3] ?? 0) - 1;
  t.deepEqual(await throughOf(days(5)), []);
  t.deepEqual(await throughOf({ ...days(3), labels: { team: 'birds' } }), [['polly', seqs[1]]]);
  t.deepEqual(await throughOf(days(2)), [
    ['polly', seqs[2]],
    ['rex', seqs[2]],
  ]);
  // the last event stays
  t.deepEqual(await throughOf(days(0)), [
    ['polly', last],
    ['rex', last],
  ]);
  t.deepEqual(await throughOf({ workerId: 'rex', beforeSeq: 9 }), [['rex', 8]]);
  t.deepEqual(await throughOf({ ...days(2), beforeSeq: 9, workerId: 'rex' }), [['rex', 8]]);
  const [old] = (await archives.listHistory({ ...days(2), workerId: 'polly' })).items;
  t.is(old?.events, seqs[2]);
  t.deepEqual(await throughOf({ ...days(2), workerId: 'polly', leastBytes: (old?.sizeBytes ?? 0) + 1 }), []);
  t.is(await codeOf(archives.listHistory({ ...days(2), workerId: 'nobody' })), 'WORKER_NOT_FOUND');
  t.is(await codeOf((async () => bytesOf(archives.openHistory('reads', 3)))()), 'INVALID_REQUEST');
  t.is((await runtime.getWorker('polly')).archived, null, 'nothing went');
});

test('P85: a removal of history that does not fit the Worker is refused, and a repeated one is not', async (t) => {
  const runtime = await withWorker(t);
  const log = await logOf(runtime, 9);
  const { archives } = runtime;
  const part = { log, throughSeq: 8, archive: 'a.archive' };
  for (const wrong of [
    { log: 'log_x' },
    { throughSeq: 0 },
    { throughSeq: 1.5 },
    { throughSeq: 10_000 },
    { archive: '' },
    { archive: '..' },
    { archive: 'etc/passwd' },
    { archive: 'a\nb' },
    { archive: 'a'.repeat(256) },
  ])
    t.is(
      await codeOf(archives.removeHistory('polly', { ...part, ...wrong })),
      'INVALID_REQUEST',
      JSON.stringify(wrong),
    );
  t.is((await runtime.getWorker('polly')).archived, null);
  await archives.removeHistory('polly', part, { actor: 'night shift' });
  await archives.removeHistory('polly', part);
  t.is(await codeOf(archives.removeHistory('polly', { ...part, throughSeq: 5 })), 'INVALID_REQUEST');
  const [diagnostic] = (await runtime.diagnostics()).items;
  t.like(diagnostic, { code: 'HISTORY_ARCHIVED', worker: 'polly' });
  t.deepEqual(diagnostic?.details, { throughSeq: 8, archive: 'a.archive', actor: 'night shift' });
  const calls = [
    { ...UNLIMITED, permissions: ['operate'] as const },
    { ...UNLIMITED, workers: [{ team: 'birds' }] },
  ];
  for (const scope of calls) {
    const limited = scoped(runtime, scope).archives;
    t.is(await codeOf(limited.listHistory({ beforeSeq: 9 })), 'FORBIDDEN');
    t.is(await codeOf(limited.removeHistory('polly', part)), 'FORBIDDEN');
    t.is(await codeOf((async () => bytesOf(limited.openHistory('polly', 9)))()), 'FORBIDDEN');
  }
});

for (const fault of ['full', 'unavailable-lost', 'unavailable-done'] as const)
  test(`P85: history whose removal the store fails (${fault}) is there or in the archive, and nothing in between`, async (t) => {
    const inner = memoryStore();
    const store = faultyStore(inner);
    const runtime = await withWorker(t, store);
    const all = await eventsOf(runtime, 'polly');
    const part = { log: await logOf(runtime, 21), throughSeq: 20, archive: 'a' };
    let isFirst = true;
    store.failWhile(({ method }) => {
      const fails = method === 'trim' && isFirst;
      isFirst &&= !fails;
      return fails;
    }, fault);
    const codes = {
      full: 'STORE_FULL',
      'unavailable-lost': 'STORE_UNAVAILABLE',
      'unavailable-done': 'none',
    } as const;
    t.is(await codeOf(runtime.archives.removeHistory('polly', part)), codes[fault]);
    const isGone = fault === 'unavailable-done';
    t.is((await runtime.getWorker('polly')).archived?.firstSeq ?? 1, isGone ? 21 : 1);
    const rest = await eventsOf(runtime, 'polly');
    t.true(all.endsWith(rest) && (isGone || rest === all));
    await runtime.archives.removeHistory('polly', part);
    await runtime.stop();
    const again = await startOn(t, inner);
    t.is((await again.getWorker('polly')).archived?.firstSeq, 21);
    t.true((await eventsOf(again, 'polly')).startsWith(rest.slice(rest.indexOf('{"seq":21,'))));
  });

test('P85: no history goes while an archive is made, and an archive that begins during a removal is whole', async (t) => {
  const folder = await makeFolder(t);
  const store = faultyStore(memoryStore());
  const runtime = await withWorker(t, store);
  const part = { log: await logOf(runtime, 21), throughSeq: 20, archive: 'a' };
  const bytes = runtime.archives.open()[Symbol.asyncIterator]();
  await bytes.next();
  t.is(await codeOf(runtime.archives.removeHistory('polly', part)), 'STORE_UNAVAILABLE');
  await bytes.return?.(undefined);
  const stall = store.stall('trim');
  const removing = runtime.archives.removeHistory('polly', part);
  await stall.reached;
  const writing = writeArchive(join(folder, 'backup'), runtime.archives.open());
  stall.release('done');
  await removing;
  const { path, end } = await writing;
  t.is(end.events, (await eventsOf(runtime, 'polly')).split('\n').length - 1);
  const target = memoryStore();
  await importRuntime(path, target, { isCopy: true });
  t.is((await (await startOn(t, target)).getWorker('polly')).archived?.archive, 'a');
});

test('P85: an open stream that is behind history that goes ends with CURSOR_EXPIRED, and later ones continue', async (t) => {
  const folder = await makeFolder(t);
  const runtime = await withWorker(t);
  const behind = await runtime.openStream('polly', { after: '@2' });
  const ahead = await runtime.openStream('polly', { after: '@25' });
  await behind.pull(10);
  await archiveHistory(runtime, 20, folder);
  t.deepEqual(await behind.pull(100_000), { type: 'ended', code: 'CURSOR_EXPIRED' });
  const chunk = await ahead.pull(100_000);
  t.is(
    chunk?.type === 'events'
      ? (JSON.parse(Buffer.from(chunk.lines).toString().split('\n')[0] ?? '') as { seq: number }).seq
      : 0,
    26,
  );
  ahead.close();
});

test('P85, P86: a Worker without its first events is not forked, because a fork begins with them', async (t) => {
  const folder = await makeFolder(t);
  const runtime = await withWorker(t);
  await archiveHistory(runtime, 10, folder);
  const refused = await t.throwsAsync<RuntimeError>(runtime.forkWorker('polly', { workerId: 'jack' }));
  t.is(refused?.code, 'CURSOR_EXPIRED');
  t.like(refused?.details, { firstSeq: 11, archive: 'polly-10.archive' });
  t.is(await codeOf(runtime.getWorker('jack')), 'WORKER_NOT_FOUND');
});

test('P85: a plugin can refuse that history goes', async (t) => {
  const seen: unknown[] = [];
  const guard: RuntimePlugin = {
    name: 'guard',
    apply: ({ hooks }) =>
      hooks.admit.tapPromise(async (command) => {
        if (command.type !== 'history.remove') return;
        const { workerId, throughSeq, archive } = command;
        seen.push({ workerId, throughSeq, archive });
        throw new Error('not yet delivered');
      }),
  };
  const runtime = await startOn(t, memoryStore(), { plugins: [guard] });
  await runtime.createWorker({ workerId: 'polly', engine: 'parrot' });
  for (const text of ['one', 'two']) await say(runtime, 'polly', text);
  const log = await logOf(runtime, 5);
  t.is(
    await codeOf(runtime.archives.removeHistory('polly', { log, throughSeq: 4, archive: 'a' })),
    'PLUGIN_FAILED',
  );
  t.deepEqual(seen, [{ workerId: 'polly', throughSeq: 4, archive: 'a' }]);
  t.is((await runtime.getWorker('polly')).archived, null);
});
