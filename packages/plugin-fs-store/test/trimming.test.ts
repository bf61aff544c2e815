import { readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { RuntimeError } from '@worker-runtime/core';
import type { Snapshot } from '@worker-runtime/core/plugin-kit';
import test, { type ExecutionContext } from 'ava';
import { doctor } from '../src/doctor/doctor.ts';
import { FsStore } from '../src/fs-store.ts';
import { copyDirectory, makeDirectory, removeDirectory } from './directory.ts';
import type { FaultDisk } from './fault-disk.ts';
import { PowerLossDisk } from './power-loss-disk.ts';
import { randomFrom, seedFrom } from './seed.ts';
import { onTmpfs } from './tmpfs.ts';
import { lineOf, Writer } from './writer.ts';

const SEED = seedFrom(process.env.TRIM_SEED);
const STATES = 40;
/** Small, because every state writes the recorded bytes of the reserve again. */
const SIZES = { reserveBytes: 16_384, segmentBytes: 8_192, checkpointBytes: 6_000, behindBytes: 16_384 };
const LIMITS = { count: 10_000, bytes: 10_000_000 } as const;

const textOf = (seq: number): string => `${seq} `.repeat(1 + ((seq * 37) % 90));
const lines = (from: number, to: number): string =>
  Array.from({ length: to - from + 1 }, (_, at) => lineOf(from + at, textOf(from + at)).toString()).join('');
const baseAt = (seq: number): Snapshot => ({
  head: { seq, bytes: Buffer.byteLength(lines(1, seq)) },
  text: `{"base":${seq}}`,
});

/** Checks that a store has exactly the lines after the base of the log, and returns the number of lines before. */
const check = async (t: ExecutionContext, writer: Writer, what: string): Promise<number> => {
  const [stored] = writer.listed;
  if (!stored) throw new Error(`${what}: the log is gone`);
  const begin = stored.base?.head.seq ?? 0;
  if (stored.base) t.deepEqual(stored.base, baseAt(begin), what);
  const severe = writer.findings.filter(({ severity }) => severity !== 'info');
  t.deepEqual(severe, [], `${what}: nothing is reported as damage`);
  const position = { seq: begin + 1, offset: stored.base?.head.bytes ?? 0 };
  const slice = await writer.store.read('log_a', position, { ...LIMITS, direction: 'forward' });
  t.is(Buffer.from(slice.lines).toString(), lines(begin + 1, stored.head.seq), what);
  const end = { seq: stored.head.seq + 1, offset: stored.head.bytes };
  const back = await writer.store.read('log_a', end, { ...LIMITS, direction: 'backward' });
  t.is(back.count, stored.head.seq - begin, what);
  return begin;
};

/** Opens a directory, checks it, trims once more, continues, and checks again. Returns the base of the first open. */
const checkIn = async (t: ExecutionContext, dir: string, what: string): Promise<number> => {
  const writer = await new Writer({ dir, ...SIZES }).open();
  const begin = await check(t, writer, what);
  const head = writer.listed[0]?.head ?? { seq: 0, bytes: 0 };
  if (head.seq > begin + 1) await writer.store.trim('log_a', baseAt(head.seq - 1));
  const next = { lines: lineOf(head.seq + 1, textOf(head.seq + 1)), count: 1 };
  await writer.store.append('log_a', head, next);
  await writer.store.close();
  const again = await new Writer({ dir, ...SIZES }).open();
  t.true((await check(t, again, `${what}, later`)) >= Math.max(begin, head.seq - 1), what);
  await again.store.close();
  return begin;
};

const append = async (store: FsStore, from: number, to: number): Promise<void> => {
  for (let seq = from; seq <= to; seq += 1) {
    const batch = { lines: lineOf(seq, textOf(seq)), count: 1 };
    if (seq === 1) await store.create('log_a', { workerId: 'ada', record: {} }, batch);
    else await store.append('log_a', baseAt(seq - 1).head, batch);
  }
};

test('P85: a power loss at any step of a trim leaves all lines or the base', async (t) => {
  t.timeout(120_000 + STATES * 2_000);
  t.log(`seed ${SEED}`);
  const random = randomFrom(SEED);
  const dir = await makeDirectory();
  const disk = new PowerLossDisk(dir);
  const begun: { steps: number; seq: number }[] = [];
  const acknowledged: { steps: number; seq: number }[] = [];
  const host = new Writer({ dir }).host;
  let written = 0;
  for (let life = 0; life < 3; life += 1) {
    const store = new FsStore({ dir, ...SIZES }, disk);
    for await (const _ of (await store.open({ ...host, snapshotOf: () => undefined })).logs);
    for (let round = 0; round < 3; round += 1) {
      await append(store, written + 1, written + 20);
      written += 20;
      const seq = written - 1 - Math.floor(random() * 15);
      begun.push({ steps: disk.steps, seq });
      const trimming = store.trim('log_a', baseAt(seq));
      await append(store, written + 1, written + 5);
      written += 5;
      await trimming;
      acknowledged.push({ steps: disk.steps, seq });
    }
    await store.close();
  }
  await removeDirectory(dir);
  const least = (acknowledged[0]?.steps ?? 0) / 2;
  const counts = { before: 0, after: 0 };
  for (let state = 0; state < STATES; state += 1) {
    const share = (state + random()) / STATES;
    const steps = Math.floor(least + share * (disk.steps - least));
    const place = await makeDirectory();
    await disk.leave(steps, random, place);
    const what = `seed ${SEED}, ${steps} of ${disk.steps} steps`;
    const begin = await checkIn(t, place, what);
    const certain = acknowledged.filter((one) => one.steps <= steps).at(-1)?.seq ?? 0;
    const possible = begun.filter((one) => one.steps <= steps).map(({ seq }) => seq);
    t.true(begin >= certain && (begin === 0 || possible.includes(begin)), `${what}: ${begin}, ${certain}`);
    counts[begin > certain ? 'before' : 'after'] += 1;
    await removeDirectory(place);
  }
  t.true(counts.after > 0, JSON.stringify(counts));
});

/** Makes a store of 60 lines, which is trimmed to line 10. */
const makeStore = async (): Promise<string> => {
  const dir = await makeDirectory();
  const { store } = await new Writer({ dir, ...SIZES }).open();
  await append(store, 1, 60);
  await store.trim('log_a', baseAt(10));
  await append(store, 61, 70);
  await store.close();
  return dir;
};

const outcomeOf = async (call: Promise<unknown>): Promise<string> => {
  try {
    await call;
    return 'done';
  } catch (error) {
    return error instanceof RuntimeError ? error.code : String(error);
  }
};

for (const fate of ['ENOSPC', 'EIO', 'kill -9'])
  test(`P85: a trim during which any call to the disk fails (${fate}) loses nothing, and succeeds later`, async (t) => {
    t.timeout(240_000);
    const source = await makeStore();
    t.teardown(() => removeDirectory(source));
    const outcomes = new Map<string, number>();
    for (let failing = 1; ; failing += 1) {
      const dir = await copyDirectory(source);
      const writer = await new Writer({ dir, ...SIZES, closingMs: 100 }).open();
      const disk: FaultDisk = writer.disk;
      let call = 0;
      let frozen: Promise<void> | null = null;
      let kill = (): void => {};
      const killed = new Promise<string>((resolve) => {
        kill = () => resolve('killed');
      });
      disk.fate = ({ operation }) => {
        if (!['write', 'sync', 'replace', 'rename', 'syncDirectory', 'truncate'].includes(operation)) return;
        call += 1;
        if (call < failing) return undefined;
        if (fate !== 'kill -9') return { code: fate };
        frozen ??= disk.freeze().then(kill);
        return undefined;
      };
      // a line that is not in the files yet, so that the trim has all of its steps
      const appended = append(writer.store, 71, 71).catch(() => {});
      const trimmed = appended.then(() => outcomeOf(writer.store.trim('log_a', baseAt(40))));
      const outcome = await Promise.race([trimmed, killed]);
      outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
      const isOver = call < failing;
      disk.fate = () => undefined;
      if (frozen === null) await writer.store.close();
      const left = await copyDirectory(dir);
      const begin = await checkIn(t, left, `call ${failing}: ${outcome}`);
      t.true(begin === 40 || (begin === 10 && outcome !== 'done'), `call ${failing}: ${outcome}, ${begin}`);
      for (const directory of [dir, left]) await removeDirectory(directory);
      if (isOver) break;
    }
    const codes = fate === 'kill -9' ? ['killed'] : ['STORE_FULL', 'STORE_UNAVAILABLE', 'STORE_CONFLICT'];
    for (const outcome of outcomes.keys()) t.true([...codes, 'done'].includes(outcome), outcome);
    t.true((outcomes.get('done') ?? 0) > 0 && outcomes.size > 1, JSON.stringify([...outcomes]));
  });

test.serial(
  'P85: a trim on a disk that is really full is refused with STORE_FULL, and nothing is lost',
  async (t) => {
    await onTmpfs(t, 1_048_576, async (place) => {
      const dir = join(place, 'store');
      const writer = await new Writer({ dir, ...SIZES }).open();
      await append(writer.store, 1, 200);
      await writer.store.close();
      await writer.open();
      for (let free = 65_536; free >= 4_096; free /= 2)
        for (let at = 0; ; at += 1) {
          const failure = await writeFile(join(place, `ballast-${free}-${at}`), Buffer.alloc(free)).catch(
            (error: unknown) => error,
          );
          if (failure) break;
        }
      t.is(await outcomeOf(writer.store.trim('log_a', baseAt(5))), 'STORE_FULL');
      const slice = await writer.store.read(
        'log_a',
        { seq: 1, offset: 0 },
        { ...LIMITS, direction: 'forward' },
      );
      t.is(Buffer.from(slice.lines).toString(), lines(1, 200));
      for (const name of await readdir(place)) if (name.startsWith('ballast')) await rm(join(place, name));
      await writer.store.trim('log_a', baseAt(5));
      await writer.store.close();
      t.is(await checkIn(t, dir, 'with space again'), 5);
    });
  },
);

test('P85: a trim frees the space of the lines, and the doctor finds nothing wrong', async (t) => {
  const dir = await makeDirectory();
  t.teardown(() => removeDirectory(dir));
  const writer = await new Writer({ dir }).open();
  await writer.create('log_a');
  for (let index = 0; index < 40; index += 1) await writer.append('log_a', 'x'.repeat(100_000), true);
  const { bytes } = writer.headOf('log_a');
  const text = writer.texts.get('log_a') ?? '';
  const at = text.split('\n').slice(0, 38).join('\n').length + 1;
  await writer.store.trim('log_a', { head: { seq: 38, bytes: at }, text: '{}' });
  const [name = ''] = await readdir(join(dir, 'workers'));
  const file = await stat(join(dir, 'workers', name, 'events.jsonl'));
  t.is(file.size, bytes);
  t.true(file.blocks * 512 < 500_000, `${file.blocks} blocks`);
  await writer.store.close();
  t.deepEqual(await doctor(dir), []);
  t.like(JSON.parse((await readFile(join(dir, 'runtime.json'))).toString()), { version: 2 });
});

test('P85: a trimmed log survives the loss of the catalog, and one that has lost its base is damaged', async (t) => {
  const dir = await makeStore();
  const copy = await copyDirectory(dir);
  t.teardown(async () => {
    for (const directory of [dir, copy]) await removeDirectory(directory);
  });
  for (const name of await readdir(dir)) if (name.startsWith('catalog')) await rm(join(dir, name));
  const writer = await new Writer({ dir, ...SIZES }).open();
  t.deepEqual(
    writer.findings.map(({ code }) => code),
    ['CATALOG_DAMAGED'],
  );
  writer.findings.length = 0;
  t.is(await check(t, writer, 'without a catalog'), 10);
  await writer.store.close();
  const [base = ''] = await readdir(join(copy, 'bases'));
  await writeFile(join(copy, 'bases', base), (await readFile(join(copy, 'bases', base))).subarray(1));
  const damaged = await new Writer({ dir: copy, ...SIZES }).open();
  t.true(damaged.listed[0]?.isDamaged);
  t.true(damaged.findings.some(({ code, workerId }) => code === 'WORKER_DAMAGED' && workerId === 'ada'));
  await damaged.store.close();
});
