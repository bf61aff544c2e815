import { randomBytes } from 'node:crypto';
import { readdir, readFile, stat, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  engine,
  inputText,
  memoryStore,
  Runtime,
  RuntimeError,
  type RuntimeStore,
} from '@worker-runtime/core';
import { exportRuntime, importRuntime, openArchive } from '@worker-runtime/core/archive';
import test, { type ExecutionContext } from 'ava';
import { FsStore } from '../../src/fs-store.ts';
import { copyDirectory, makeDirectory, removeDirectory } from '../directory.ts';
import { FaultDisk } from '../fault-disk.ts';
import { PowerLossDisk } from '../power-loss-disk.ts';
import { randomFrom, seedFrom } from '../seed.ts';
import { onTmpfs } from '../tmpfs.ts';

const SEED = seedFrom(process.env.ARCHIVE_SEED);
const STATES = 24;
/** Small, because every state writes the recorded bytes of the reserve again. */
const SIZES = { reserveBytes: 16_384, segmentBytes: 8_192, checkpointBytes: 6_000, behindBytes: 8_192 };

const parrot = engine('parrot', async function* (run) {
  yield { type: 'text', text: inputText(run.input) };
});

const withRuntime = async <T>(store: RuntimeStore, use: (runtime: Runtime) => Promise<T>): Promise<T> => {
  const runtime = await Runtime.start({ engines: [parrot], store });
  try {
    return await use(runtime);
  } finally {
    await runtime.stop();
  }
};

/** Fills a store with Workers, files and lines of several sizes, and returns all events. */
const fill = (store: RuntimeStore, workers: number): Promise<string> =>
  withRuntime(store, async (runtime) => {
    for (let number = 1; number <= workers; number += 1) {
      const workerId = `w${number}`;
      await runtime.createWorker({ workerId, engine: 'parrot' });
      await runtime.putFile(workerId, randomBytes(number * 700), { mediaType: 'text/plain' });
      for (let round = 0; round < 3; round += 1)
        await runtime.sendInput(workerId, { text: `${round} `.repeat(number * 50) }, { waitMs: 10_000 });
    }
    return eventsOf(runtime);
  });

const eventsOf = async (runtime: Runtime): Promise<string> => {
  const { items } = await runtime.listWorkers();
  const logs = await Promise.all(items.map(({ workerId }) => runtime.events(workerId, { limit: 1_000 })));
  return JSON.stringify(logs.map((log) => log.items));
};

/** Returns all events of the runtime in a store, or the code with which it does not start. */
const shownBy = async (store: RuntimeStore): Promise<string> => {
  try {
    return await withRuntime(store, eventsOf);
  } catch (error) {
    if (error instanceof RuntimeError) return error.code;
    throw error;
  }
};

/** The same for a copy of a directory, because a runtime that starts makes a store of an empty one. */
const shownIn = async (dir: string): Promise<string> => {
  const copy = await copyDirectory(dir);
  const shown = await shownBy(new FsStore({ dir: copy, ...SIZES }));
  await removeDirectory(copy);
  return shown;
};

const makeArchive = async (
  t: ExecutionContext,
  workers: number,
): Promise<{ path: string; events: string }> => {
  const folder = await makeDirectory();
  t.teardown(() => removeDirectory(folder));
  const source = memoryStore();
  const events = await fill(source, workers);
  const { path } = await exportRuntime(source, join(folder, 'archive'));
  return { path, events };
};

const NOTHING = ['[]', 'STORE_INCOMPLETE'];

test('P74: after a power loss at any step of an import, a runtime shows all of it or nothing', async (t) => {
  t.timeout(120_000 + STATES * 2_000);
  t.log(`seed ${SEED}`);
  const random = randomFrom(SEED);
  const { path, events } = await makeArchive(t, 4);
  const dir = await makeDirectory();
  const disk = new PowerLossDisk(dir);
  await importRuntime(path, new FsStore({ dir, ...SIZES }, disk));
  await removeDirectory(dir);
  const stride = Math.max(1, Math.floor(disk.steps / STATES));
  const counts = { nothing: 0, all: 0 };
  const states = Array.from({ length: STATES }, (_, index) => Math.floor((index + random()) * stride));
  for (const steps of [...states, disk.steps]) {
    const place = await makeDirectory();
    await disk.leave(steps, random, place);
    const what = `seed ${SEED}, ${steps} of ${disk.steps} steps`;
    const shown = await shownIn(place);
    const isAll = shown === events;
    t.true(isAll || (NOTHING.includes(shown) && steps < disk.steps), `${what}: ${shown.slice(0, 200)}`);
    counts[isAll ? 'all' : 'nothing'] += 1;
    if (!isAll) await importRuntime(path, new FsStore({ dir: place, ...SIZES }));
    t.is(await shownIn(place), events, what);
    await removeDirectory(place);
  }
  t.true(counts.nothing > 10 && counts.all > 0, JSON.stringify(counts));
});

for (const code of ['ENOSPC', 'EIO'])
  test(`P74: an import whose disk fails at any call (${code}) fails with a code, shows nothing, and completes later`, async (t) => {
    t.timeout(120_000 + STATES * 2_000);
    const { path, events } = await makeArchive(t, 2);
    const counting = await makeDirectory();
    let calls = 0;
    const counter = new FaultDisk();
    counter.fate = () => {
      calls += 1;
      return undefined;
    };
    await importRuntime(path, new FsStore({ dir: counting, ...SIZES }, counter));
    await removeDirectory(counting);
    const stride = Math.max(1, Math.floor(calls / STATES));
    let refused = 0;
    for (let failing = 1; failing <= calls; failing += stride) {
      const dir = await makeDirectory();
      const disk = new FaultDisk();
      let call = 0;
      // from this call on, as on a disk that stays full or broken
      disk.fate = ({ operation }) => {
        call += 1;
        return call >= failing && ['write', 'sync', 'replace'].includes(operation) ? { code } : undefined;
      };
      let outcome = 'done';
      try {
        await importRuntime(path, new FsStore({ dir, ...SIZES, closingMs: 100 }, disk));
      } catch (error) {
        t.true(error instanceof RuntimeError, String(error));
        outcome = (error as RuntimeError).code;
        refused += 1;
      }
      t.true(['done', 'STORE_FULL', 'STORE_UNAVAILABLE'].includes(outcome), `call ${failing}: ${outcome}`);
      const left = await copyDirectory(dir);
      const shown = await shownIn(left);
      t.true(
        shown === events || (outcome !== 'done' && NOTHING.includes(shown)),
        `call ${failing}: ${shown}`,
      );
      if (shown !== events) await importRuntime(path, new FsStore({ dir: left, ...SIZES }));
      t.is(await shownIn(left), events, `call ${failing}`);
      for (const directory of [dir, left]) await removeDirectory(directory);
    }
    t.true(refused > 5, `${refused} imports failed`);
  });

test.serial(
  'P74: on a disk that is really full, an export leaves no file, and an import nothing that can be seen',
  async (t) => {
    const { path, events } = await makeArchive(t, 20);
    const dir = await makeDirectory();
    t.teardown(() => removeDirectory(dir));
    await importRuntime(path, new FsStore({ dir }));
    await onTmpfs(t, 65_536, async (place) => {
      const error = await t.throwsAsync(exportRuntime(new FsStore({ dir }), join(place, 'archive')), {
        instanceOf: RuntimeError,
      });
      t.is((error as RuntimeError).code, 'STORE_FULL');
      t.deepEqual(await readdir(place), []);
    });
    await onTmpfs(t, 163_840, async (place) => {
      const full = join(place, 'store');
      const error = await t.throwsAsync(importRuntime(path, new FsStore({ dir: full, ...SIZES })), {
        instanceOf: RuntimeError,
      });
      t.is((error as RuntimeError).code, 'STORE_FULL');
      t.is(await shownBy(new FsStore({ dir: full, ...SIZES })), 'STORE_INCOMPLETE');
    });
    t.is(await shownBy(new FsStore({ dir })), events);
  },
);

test('P74: a store with a damaged Worker is not exported, and the error names the Worker', async (t) => {
  const dir = await makeDirectory();
  t.teardown(() => removeDirectory(dir));
  await fill(new FsStore({ dir }), 2);
  const [name = ''] = (await readdir(join(dir, 'workers'))).filter((found) => found.startsWith('w2.'));
  const lines = join(dir, 'workers', name, 'events.jsonl');
  await truncate(lines, (await stat(lines)).size - 10);
  const error = await t.throwsAsync(exportRuntime(new FsStore({ dir }), join(dir, 'archive')), {
    instanceOf: RuntimeError,
  });
  t.is((error as RuntimeError).code, 'WORKER_DAMAGED');
  t.is((error as RuntimeError).details.workerId, 'w2');
  t.false((await readdir(dir)).some((found) => found.startsWith('archive')));
});

test('P74: an archive that lost bytes on the disk is refused before anything is written', async (t) => {
  const { path } = await makeArchive(t, 2);
  const bytes = await readFile(path);
  await writeFile(path, bytes.subarray(0, bytes.length / 2));
  const dir = join(await makeDirectory(), 'store');
  const error = await t.throwsAsync(importRuntime(path, new FsStore({ dir })), { instanceOf: RuntimeError });
  t.is((error as RuntimeError).code, 'ARCHIVE_CORRUPT');
  await t.throwsAsync(readdir(dir), { code: 'ENOENT' });
  await t.throwsAsync(openArchive(path), { instanceOf: RuntimeError });
});
