import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { decodeArchive, encodeArchive } from '../src/archive/archive-bytes.ts';
import type { ArchiveItem } from '../src/archive/archive-item.ts';
import { addWorker, importRuntime } from '../src/archive/index.ts';
import { type ErrorCode, engine, inputText, type Limits, Runtime, type RuntimePlugin } from '../src/index.ts';
import { memoryStore } from '../src/memory-store/memory-store.ts';
import { codeOf } from './fixtures/rig.ts';

const parrot = engine('parrot', async function* (run) {
  yield { type: 'text', text: inputText(run.input) };
});

/** An item whose members a forger sets to anything. */
type Item = Record<string, unknown> & { kind: string; body: Buffer };
type Forgery = (items: Item[]) => Item[] | undefined;

const bytesOf = async (chunks: AsyncIterable<Uint8Array>): Promise<Buffer> => {
  const pieces: Uint8Array[] = [];
  for await (const piece of chunks) pieces.push(piece);
  return Buffer.concat(pieces);
};

/** Returns an archive whose digest is right, and whose content is forged. */
const forged = async (bytes: Buffer, forge: Forgery): Promise<Buffer> => {
  const items: Item[] = [];
  for await (const item of decodeArchive(
    (async function* () {
      yield bytes;
    })(),
  ))
    items.push({ ...item, body: Buffer.from(item.body) });
  const content = forge(items) ?? items;
  return bytesOf(
    encodeArchive(
      (async function* () {
        yield* content as unknown as ArchiveItem[];
      })(),
    ),
  );
};

const start = async (
  t: ExecutionContext,
  limits: Partial<Limits> = {},
  plugins: readonly RuntimePlugin[] = [],
): Promise<Runtime> => {
  const runtime = await Runtime.start({ engines: [parrot], limits, plugins });
  t.teardown(() => runtime.stop());
  return runtime;
};

/** A runtime with the stopped Worker `polly`, which has a key, two files and a label. */
const source = async (t: ExecutionContext): Promise<Runtime> => {
  const runtime = await start(t);
  await runtime.createWorker({ workerId: 'polly', engine: 'parrot', labels: { owner: 'ada' } });
  for (const text of ['one file', 'another file'])
    await runtime.putFile('polly', Buffer.from(text), { mediaType: 'text/plain' });
  await runtime.sendInput('polly', { text: 'hello' }, { waitMs: 10_000, idempotencyKey: 'k' });
  await runtime.stopWorker('polly');
  return runtime;
};

const archiveOf = async (t: ExecutionContext): Promise<Buffer> =>
  bytesOf((await source(t)).archives.open('polly'));

const itemOf = (items: readonly Item[], kind: string): Item => {
  const found = items.find((item) => item.kind === kind);
  if (!found) throw new Error(`no ${kind}`);
  return found;
};

const set =
  (kind: string, members: object): Forgery =>
  (items) =>
    void Object.assign(itemOf(items, kind), members);

const setBody = (kind: string, text: string): Forgery => set(kind, { body: Buffer.from(text) });

/** Changes the events, and all that the archive says of their number and size. */
const setEvents =
  (change: (lines: string[]) => string[]): Forgery =>
  (items) => {
    const lines = itemOf(items, 'lines');
    const changed = change(lines.body.toString().trimEnd().split('\n'));
    lines.body = Buffer.from(`${changed.join('\n')}\n`);
    lines.count = changed.length;
    Object.assign(itemOf(items, 'log'), { seq: changed.length, bytes: lines.body.length });
    itemOf(items, 'end').events = changed.length;
    return items.filter(({ kind }) => kind !== 'keys');
  };

const setData = (at: number, change: (data: Record<string, unknown>) => object): Forgery =>
  setEvents((lines) =>
    lines.map((line, index) => {
      if (index !== at) return line;
      const event = JSON.parse(line);
      return JSON.stringify({ ...event, data: { ...event.data, ...change(event.data) } });
    }),
  );

const FORGERIES: Readonly<Record<string, readonly [code: ErrorCode, forge: Forgery]>> = {
  'an id that no caller can name': ['ARCHIVE_CORRUPT', set('log', { workerId: '../../polly' })],
  'an id that is a number': ['ARCHIVE_CORRUPT', set('log', { workerId: 7 })],
  'an id of a megabyte': ['ARCHIVE_CORRUPT', set('log', { workerId: 'x'.repeat(10_000) })],
  'a file whose name is an object': ['ARCHIVE_CORRUPT', set('blob', { name: {} })],
  'a kind of item that does not exist': ['ARCHIVE_CORRUPT', set('blob', { kind: 'constructor' })],
  'a number of events that is a fraction': ['ARCHIVE_CORRUPT', set('lines', { count: 8.5 })],
  'keys that are no list': ['ARCHIVE_CORRUPT', setBody('keys', '{}')],
  'a key behind the end of the log': [
    'ARCHIVE_CORRUPT',
    setBody('keys', '[{"hash":"a","digest":"b","seq":3,"offset":1000000}]'),
  ],
  'a record that is no JSON': ['ARCHIVE_CORRUPT', setBody('log', '{')],
  'no record': ['ARCHIVE_CORRUPT', setBody('log', 'null')],
  'claims that are no list': ['INVALID_REQUEST', setBody('log', '{"version":1,"config":{},"claims":"x"}')],
  'more events than there are': [
    'ARCHIVE_CORRUPT',
    (items) => {
      for (const [kind, member] of [
        ['lines', 'count'],
        ['log', 'seq'],
        ['end', 'events'],
      ] as const)
        itemOf(items, kind)[member] = (itemOf(items, kind)[member] as number) + 5;
      return undefined;
    },
  ],
  'events in another order': ['ARCHIVE_CORRUPT', setEvents((lines) => lines.toReversed())],
  'an event that is no JSON': ['ARCHIVE_CORRUPT', setEvents((lines) => lines.with(2, 'garbage'))],
  'an event without its data': [
    'ARCHIVE_CORRUPT',
    setEvents((lines) => lines.with(3, '{"seq":4,"type":"input.accepted"}')),
  ],
  'a Worker that is not stopped': ['ARCHIVE_CORRUPT', setEvents((lines) => lines.slice(0, -1))],
  'a Worker whose run is active': ['ARCHIVE_CORRUPT', setEvents((lines) => lines.slice(0, 6))],
  'a creation that did not complete': ['ARCHIVE_CORRUPT', setEvents((lines) => lines.slice(0, 1))],
  'a Worker that was deleted': [
    'ARCHIVE_CORRUPT',
    setEvents((lines) => [
      ...lines,
      JSON.stringify({
        ...JSON.parse(lines[0] as string),
        seq: lines.length + 1,
        type: 'worker.deleted',
        data: { reason: 'delete' },
      }),
    ]),
  ],
  'labels that are objects': ['INVALID_REQUEST', setData(0, () => ({ labels: { owner: {} } }))],
  'a name of a megabyte': ['INVALID_REQUEST', setData(0, () => ({ displayName: 'x'.repeat(1_000_000) }))],
  'one Worker twice': [
    'ARCHIVE_CORRUPT',
    (items) => {
      const [beginning, ...rest] = items;
      const end = rest.pop() as Item;
      const counts = { workers: 2, events: 2 * (end.events as number), blobs: 2 * (end.blobs as number) };
      return [beginning as Item, ...rest, ...rest, { ...end, ...counts }];
    },
  ],
};

test('P111: an archive with a right digest and a forged content is refused with a code, and leaves nothing', async (t) => {
  const bytes = await archiveOf(t);
  const target = await start(t);
  for (const [name, [code, forge]] of Object.entries(FORGERIES)) {
    t.is(await codeOf(target.archives.put(await forged(bytes, forge))), code, name);
    t.deepEqual((await target.listWorkers()).items, [], name);
  }
  // a Worker that was removed while it was archived does not lend its id to the one that follows
  const decoy: Forgery = (items) => [
    items[0] as Item,
    { ...itemOf(items, 'log'), log: 'log_1', workerId: 'decoy' },
    { kind: 'removed', body: Buffer.alloc(0) },
    ...items.slice(1),
  ];
  t.like(await target.archives.put(await forged(bytes, decoy)), { workerId: 'polly', status: 'stopped' });
  t.is((await target.resumeWorker('polly')).status, 'idle');
});

test('P111: an item that grows when it is unpacked is refused before it is unpacked', async (t) => {
  const bytes = await archiveOf(t);
  const target = await start(t);
  const bomb = await forged(bytes, set('blob', { body: Buffer.alloc(64 * 1_048_576) }));
  t.true(bomb.length < 200_000, `${bomb.length} bytes`);
  t.is(await codeOf(target.archives.put(bomb)), 'PAYLOAD_TOO_LARGE');
  t.is((await target.archives.put(bytes)).status, 'stopped');
});

test('P111: an import of a runtime refuses two Workers with one id, and a state that tells about imports', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'hostile-archives-'));
  t.teardown(() => rm(folder, { recursive: true }));
  const bytes = await bytesOf((await source(t)).archives.open());
  const twice: Forgery = (items) => {
    const at = items.findIndex(({ kind }) => kind === 'log');
    const end = items.at(-1) as Item;
    const log = items.slice(at, -1);
    const other = log.map((item) => (item.kind === 'log' ? { ...item, log: 'log_1' } : item));
    const counts = { workers: 2, events: 2 * (end.events as number), blobs: 2 * (end.blobs as number) };
    return [...items.slice(0, -1), ...other, { ...end, ...counts }];
  };
  const state: Forgery = (items) => [
    items[0] as Item,
    { kind: 'pluginState', name: 'worker-runtime/import', body: Buffer.from('{"isComplete":true}') },
    ...items.slice(1, -1),
    { ...(items.at(-1) as Item), pluginStates: 1 },
  ];
  for (const [at, forge] of [twice, state].entries()) {
    const path = join(folder, String(at));
    await writeFile(path, await forged(bytes, forge));
    t.is(await codeOf(importRuntime(path, memoryStore())), 'ARCHIVE_CORRUPT');
  }
});

test('P13, P111: an event that cannot be applied costs its Worker, and not the start of the runtime', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'hostile-archives-'));
  t.teardown(() => rm(folder, { recursive: true }));
  const store = memoryStore();
  const first = await Runtime.start({ engines: [parrot], store });
  await first.createWorker({ workerId: 'other', engine: 'parrot' });
  await first.stop();
  const path = join(folder, 'polly');
  const events = setEvents((lines) =>
    lines
      .with(4, '{"seq":5,"time":"x","type":"run.started","data":{}}')
      .with(3, '{"seq":4,"type":"input.accepted"}'),
  );
  await writeFile(path, await forged(await archiveOf(t), events));
  await addWorker(path, store);
  const runtime = await Runtime.start({ engines: [parrot], store });
  t.teardown(() => runtime.stop());
  const { run } = await runtime.sendInput('other', { text: 'hello' }, { waitMs: 10_000 });
  t.is(run?.outcome, 'completed');
  t.is((await runtime.getWorker('polly')).health, 'damaged');
  t.like((await runtime.diagnostics()).items, [{ code: 'WORKER_DAMAGED', worker: 'polly' }]);
  t.is(await codeOf(runtime.resumeWorker('polly')), 'WORKER_DAMAGED');
  await runtime.deleteWorker('polly');
});

test('P112: a Worker from an archive passes the admission and the limits of a new one', async (t) => {
  const bytes = await archiveOf(t);
  const seen: unknown[] = [];
  const guard: RuntimePlugin = {
    name: 'guard',
    apply: ({ hooks }) =>
      hooks.admit.tapPromise(async (command) => {
        if (command.type !== 'worker.import') return;
        seen.push(command.worker, command.settled);
        if (seen.length === 2) throw new Error('not now');
      }),
  };
  const guarded = await start(t, {}, [guard]);
  t.not(await codeOf(guarded.archives.put(bytes)), null);
  t.deepEqual((await guarded.listWorkers()).items, []);
  await guarded.archives.put(bytes);
  t.deepEqual(seen[0], { workerId: 'polly', engine: 'parrot', labels: { owner: 'ada' }, parent: null });
  t.deepEqual([await seen[1], await seen[3]], ['refused', 'done']);

  for (const [limits, limit] of [
    [{ files: 1 }, 'files'],
    [{ workerFileBytes: 10 }, 'workerFileBytes'],
    [{ totalStateBytes: 1_024 }, 'totalStateBytes'],
  ] as const) {
    const small = await start(t, limits);
    const error = await t.throwsAsync(small.archives.put(bytes), undefined, limit);
    t.like(error, { code: 'LIMIT_REACHED', details: { limit } }, limit);
  }
});
