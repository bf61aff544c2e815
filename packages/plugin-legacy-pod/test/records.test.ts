import { chmod, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { JsonObject } from '@worker-runtime/core';
import test from 'ava';
import { CommittedLog } from '../src/log/committed-log.ts';
import { splitRuns } from '../src/log/committed-run.ts';
import { entriesOf, SegmentChain, segmentLog } from '../src/log/segment-chain.ts';
import { rulesConflict } from '../src/pod/claims.ts';
import { startupError } from '../src/pod/startup-error.ts';
import { logEntry, loggedItem, systemItem, textOfSegments } from '../src/records/log-entry.ts';
import { readMetadata } from '../src/records/metadata.ts';
import { PodFiles, UnsafeFileError } from '../src/records/pod-files.ts';
import { readRecordLines } from '../src/records/record-lines.ts';
import { readRegistry } from '../src/records/registry.ts';
import { podEvent } from '../src/wire/pod-event.ts';

const fixture = (name: string): string => fileURLToPath(new URL(`fixtures/${name}`, import.meta.url));
const linesOf = async (name: string): Promise<readonly JsonObject[]> =>
  (await readFile(fixture(name), 'utf8'))
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as JsonObject);

const tree = new PodFiles(fixture('tree/data'), fixture('tree/run'));
const SESSION = '019efea6-ba00-7a10-8c3e-4f5a6b7c8d9e';
const FIRST = '019efea6-ba01-7b21-9d4f-5a6b7c8d9eaf';
const SECOND = '019efead-97a0-7c32-ae50-6b7c8d9eafb0';

test('every kind of record in the samples is read', async (t) => {
  for (const raw of await linesOf('log-entries.jsonl'))
    t.is(logEntry(raw)?.kind as string, raw.kind as string);
  for (const raw of await linesOf('logged-items.jsonl'))
    t.is(loggedItem(raw)?.kind as string, raw.kind as string);
  for (const raw of await linesOf('system-items.jsonl'))
    t.is(systemItem(raw)?.kind as string, raw.kind as string);
  for (const raw of await linesOf('segments.jsonl')) t.not(textOfSegments([raw]), '');
  for (const raw of await linesOf('events.jsonl'))
    t.is(podEvent(JSON.stringify(raw))?.event as string, raw.event as string);
});

test('signatures and encrypted reasoning are omitted', async (t) => {
  const items = (await linesOf('logged-items.jsonl')).map(loggedItem);
  const kept = JSON.stringify(items);
  for (const secret of ['SIG-OPUS-XYZ', 'opaque-blob']) t.false(kept.includes(secret), secret);
});

test('an incomplete last record is reported with its position, and the other records are kept', async (t) => {
  const { entries, losses } = segmentLog(await readFile(fixture('corrupt/segment-torn-tail.jsonl')));
  t.deepEqual(
    entries.map(({ kind }) => kind),
    ['segment_start', 'invoke', 'user_input'],
  );
  t.deepEqual(
    losses.map(({ reason, line }) => `${reason} ${line}`),
    ['torn 4'],
  );
  const bytes = await readFile(fixture('corrupt/segment-torn-tail.jsonl'));
  t.is(losses[0]?.offset, bytes.lastIndexOf(0x0a) + 1);
});

test('a record that follows an incomplete record on the same line is found, also in invalid UTF-8', async (t) => {
  const { entries, losses } = segmentLog(await readFile(fixture('corrupt/segment-invalid-utf8.jsonl')));
  t.deepEqual(
    entries.map(({ kind }) => kind),
    ['segment_start', 'invoke', 'user_input', 'assistant_item', 'turn_end'],
  );
  t.deepEqual(
    losses.map(({ reason, line }) => `${reason} ${line}`),
    ['encoding 4'],
  );
});

test('a record of an unknown kind is a loss with a position, and an empty log has no losses', async (t) => {
  const { entries, losses } = segmentLog(await readFile(fixture('corrupt/segment-unknown-kind.jsonl')));
  t.is(entries.length, 3);
  t.deepEqual(
    losses.map(({ reason, line }) => `${reason} ${line}`),
    ['unknown-kind 4'],
  );
  t.deepEqual(segmentLog(await readFile(fixture('corrupt/segment-empty.jsonl'))), {
    entries: [],
    losses: [],
  });
});

test('two complete records on one line are both read, and a damaged line does not affect other lines', (t) => {
  const [a, b] = ['{"kind":"invoke","ts":1,"trigger":"x"}', '{"kind":"user_input","ts":2,"segments":[]}'];
  t.deepEqual(
    readRecordLines(Buffer.from(`${a}${b}\n`)).records.map(({ record }) => record.ts),
    [1, 2],
  );
  t.deepEqual(readRecordLines(Buffer.from(`${a}${b}\n`)).losses, []);
  const broken = readRecordLines(
    Buffer.from(`${a}\n\n{"kind":"tool_result","ts":5,"item":{"kind":"x"\n${b}\n`),
  );
  t.deepEqual(
    broken.records.map(({ record, line }) => [record.ts, line]),
    [
      [1, 1],
      [2, 4],
    ],
  );
  t.deepEqual(broken.losses, [{ reason: 'unreadable', line: 3, offset: a.length + 2 }]);
});

test('a log that is cut or changed at any byte is read, and the records before that byte are kept', async (t) => {
  const whole = await readFile(fixture(`tree/data/sessions/${SESSION}/${FIRST}.jsonl`));
  const all = segmentLog(whole).entries.length;
  for (let at = 0; at < whole.length; at += 37) {
    const cut = segmentLog(whole.subarray(0, at));
    const newlines = whole.subarray(0, at).filter((byte) => byte === 0x0a).length;
    t.true(cut.entries.length >= newlines && cut.losses.length <= 1);
    const changed = Buffer.from(whole);
    changed[at] = 0xff;
    t.true(segmentLog(changed).entries.length >= all - 1);
  }
});

test('a compacted conversation is read completely, with a notice at the compaction', async (t) => {
  const bytes = await readFile(fixture(`tree/data/sessions/${SESSION}/${SECOND}.jsonl`));
  const items = await new SegmentChain(tree).conversation(segmentLog(bytes).entries);
  t.deepEqual(
    splitRuns(items).map(({ input }) => input && `${input.role}: ${input.text}`),
    ['user: Hello', 'user: read @src/main.rs', 'user: run the long job', 'system: turn finished'],
  );
  const last = items.at(-1);
  t.is(last?.kind === 'notice' ? last.code : null, 'POD_COMPACTED');
});

test('a fork has the earlier conversation once, and a missing source segment is reported', async (t) => {
  const fork = (segment: string) =>
    entriesOf([
      {
        kind: 'segment_start',
        ts: 9,
        session_id: SESSION,
        history: [{ kind: 'message', role: 'user', content: [{ kind: 'text', text: 'Hello' }] }],
        forked_from: { segment_id: segment, at_turn_index: 1 },
      },
      { kind: 'invoke', ts: 10, trigger: 'user_send' },
      { kind: 'user_input', ts: 11, segments: [{ kind: 'text', content: 'Again' }] },
    ]);
  const inputs = async (segment: string) =>
    (await new SegmentChain(tree).conversation(fork(segment))).flatMap((item) =>
      item.kind === 'input' ? [item.text] : item.kind === 'notice' ? [item.code] : [],
    );
  t.deepEqual(await inputs(FIRST), ['Hello', 'Again']);
  t.deepEqual(await inputs('019efea6-0000-7000-8000-000000000000'), [
    'POD_HISTORY_MISSING',
    'Hello',
    'Again',
  ]);
  t.deepEqual(await inputs('../../escape'), ['POD_HISTORY_MISSING', 'Hello', 'Again']);
});

test('a log that was cut back is reported, and its remaining items are not returned again', async (t) => {
  const entries = segmentLog(await readFile(fixture(`tree/data/sessions/${SESSION}/${FIRST}.jsonl`))).entries;
  const log = new CommittedLog(tree);
  log.skip(entries.slice(0, 8));
  t.deepEqual(await log.advance(entries.slice(0, 8)), []);
  const more = await log.advance(entries.slice(0, 12));
  t.deepEqual(
    more.map(({ kind }) => kind),
    ['begin', 'input', 'system', 'message'],
  );
  const cut = await log.advance(entries.slice(0, 8));
  t.deepEqual(
    cut.map((item) => (item.kind === 'notice' ? item.code : item.kind)),
    ['POD_REWOUND'],
  );
  t.is((await log.advance(entries.slice(0, 12))).length, 4);
});

test('metadata and registry are read, and an incomplete registry is read again', async (t) => {
  const demo = await readMetadata(tree, 'demo');
  t.true(demo !== null && demo !== 'corrupt' && demo.segment === SECOND && demo.children.includes('child'));
  const pending = await readMetadata(tree, 'pending');
  t.true(pending !== null && pending !== 'corrupt' && pending.segment === null && pending.session !== null);
  t.is(await readMetadata(tree, 'missing'), null);
  const rows = await readRegistry(tree);
  t.deepEqual(
    rows?.map(({ name, delegatedFrom, segment }) => [name, delegatedFrom, segment === null]),
    [
      ['demo', null, false],
      ['child', 'demo', false],
      ['booting', 'demo', true],
      ['restored', null, false],
    ],
  );
  const root = await mkdtemp(join(tmpdir(), 'lpr'));
  t.teardown(() => rm(root, { recursive: true }));
  const files = new PodFiles(root, root);
  await writeFile(join(root, 'pods.json'), '{"alloc');
  const incomplete = readRegistry(files);
  await writeFile(join(root, 'pods.json'), '{"allocations":[{"pod_name":"a","pid":1}]}');
  t.deepEqual(
    (await incomplete)?.map(({ name }) => name),
    ['a'],
  );
  await writeFile(join(root, 'pods.json'), '');
  t.deepEqual(await readRegistry(files), []);
  await writeFile(join(root, 'pods.json'), 'garbage');
  t.is(await readRegistry(files), null);
});

test('P19: links are not followed, and files that other users can write are not read', async (t) => {
  const root = await mkdtemp(join(tmpdir(), 'lpr'));
  t.teardown(() => rm(root, { recursive: true }));
  const files = new PodFiles(root, join(root, 'run'));
  await mkdir(join(root, 'pods', 'a'), { recursive: true });
  await writeFile(join(root, 'real'), '{"pod_name":"a"}');
  await symlink(join(root, 'real'), join(root, 'pods', 'a', 'metadata.json'));
  await t.throwsAsync(files.metadata('a'), { instanceOf: UnsafeFileError });
  await mkdir(join(root, 'pods', 'b'));
  await writeFile(join(root, 'pods', 'b', 'metadata.json'), '{"pod_name":"b"}');
  await chmod(join(root, 'pods', 'b', 'metadata.json'), 0o666);
  await t.throwsAsync(files.metadata('b'), { instanceOf: UnsafeFileError });
  for (const name of ['..', 'a/b', '', 'a\0b']) t.throws(() => void files.metadata(name));
  await mkdir(join(root, 'run'), { mode: 0o700 });
  await mkdir(join(root, 'elsewhere'));
  await symlink(join(root, 'elsewhere'), join(root, 'run', 'c'));
  await t.throwsAsync(files.socket('c'), { instanceOf: UnsafeFileError });
  await mkdir(join(root, 'run', 'd'));
  await symlink(join(root, 'real'), join(root, 'run', 'd', 'sock'));
  await t.throwsAsync(files.socket('d'), { instanceOf: UnsafeFileError });
  for (const mode of [0o770, 0o707, 0o777]) {
    await chmod(join(root, 'run'), mode);
    await t.throwsAsync(files.assertRuntimeDir(), { code: 'CONFIG_UNSUPPORTED' });
  }
});

test('two rules conflict if they cover the same file', (t) => {
  const rule = (target: string, recursive = true, permission: 'read' | 'write' = 'write') => ({
    target,
    permission,
    recursive,
  });
  t.true(rulesConflict(rule('/a/b'), rule('/a')));
  t.false(rulesConflict(rule('/a/bc'), rule('/a/b')));
  t.false(rulesConflict(rule('/a'), rule('/a/b', true, 'read')));
  t.true(rulesConflict(rule('/a/b'), rule('/a', false)));
  t.false(rulesConflict(rule('/a/b/c'), rule('/a', false)));
  t.true(rulesConflict(rule('/a/b', false), rule('/a')));
  t.true(rulesConflict(rule('/a', false), rule('/a/b', false)));
  t.false(rulesConflict(rule('/a/x', false), rule('/a/b', false)));
});

test('P19: an error at the start of a pod has a code and no private text', async (t) => {
  const known = new Map<string, number>();
  for (const { stderr, exit } of await linesOf('stderr.jsonl')) {
    if (typeof stderr !== 'string' || exit !== 1) continue;
    const error = startupError(stderr.split('\n'), exit);
    known.set(error.code, (known.get(error.code) ?? 0) + 1);
    const shown = JSON.stringify([error.message, error.details]);
    for (const secret of ['demo', '/home', '/run', '019efe', 'ghost', 'boss'])
      t.false(shown.includes(secret), `${secret} in ${shown}`);
  }
  t.deepEqual(Object.fromEntries(known), { ENGINE_UNAVAILABLE: 2, CLAIM_CONFLICT: 2, CONFIG_UNSUPPORTED: 8 });
  t.is(startupError(["error: unexpected argument '--nope' found"], 2).code, 'CONFIG_UNSUPPORTED');
  t.is(startupError(['something else'], 101).code, 'ENGINE_UNAVAILABLE');
});
