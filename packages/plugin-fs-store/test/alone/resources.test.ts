import { cp, mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { RuntimeError } from '@worker-runtime/core';
import test, { type ExecutionContext } from 'ava';
import { makeDirectory, removeDirectory } from '../directory.ts';
import { onTmpfs } from '../tmpfs.ts';
import { Writer } from '../writer.ts';

const descriptors = async (): Promise<number> => (await readdir('/proc/self/fd')).length;

test.serial('P20: 1,000 creations and removals leave no open descriptor and no file', async (t) => {
  const dir = await makeDirectory();
  const writer = await new Writer({ dir, openFiles: 8, behindBytes: 65_536, checkpointBytes: 65_536 }).open();
  await writer.create('log_stays');
  const before = await descriptors();
  for (let round = 0; round < 100; round += 1) {
    const logs = Array.from({ length: 10 }, (_, index) => `log_${round}_${index}`);
    await Promise.all(logs.map((log) => writer.create(log)));
    await Promise.all(logs.map((log) => writer.append(log, 'x'.repeat(1_000), true)));
    await writer.append('log_stays', `round ${round}`);
    for (const log of logs) {
      await writer.store.remove(log);
      writer.texts.delete(log);
    }
  }
  const during = await descriptors();
  t.true(during <= before + 16, `${before} descriptors before, ${during} after`);
  await writer.store.close();
  t.is(writer.disk.openFiles, 0, 'every file was closed');
  t.is((await readdir(join(dir, 'workers'))).length, 1);
  t.deepEqual(await readdir(join(dir, 'trash')), []);
  t.true((await readdir(join(dir, 'wal'))).length <= 2);
  const again = await new Writer({ dir }, writer.texts).open();
  t.is(again.listed.length, 1);
  t.is((await again.read('log_stays')).text, writer.texts.get('log_stays') ?? '');
  await again.store.close();
  await removeDirectory(dir);
});

const FULL_BYTES = 2_097_152;

test.serial(
  'P14: on a real full disk commits are refused, nothing is lost, and commits work again with free space',
  async (t) => {
    await onTmpfs(t, FULL_BYTES, async (dir) => {
      await mkdir(join(dir, 'store'));
      await writeFile(join(dir, 'ballast'), Buffer.alloc(FULL_BYTES / 2));
      const options = { dir: join(dir, 'store'), segmentBytes: 131_072, checkpointBytes: 131_072 };
      const writer = await new Writer({ ...options, behindBytes: 65_536 }).open();
      for (const log of ['log_a', 'log_b', 'log_c']) await writer.create(log);
      let refused = 0;
      for (let round = 0; refused < 20; round += 1) {
        for (const log of ['log_a', 'log_b', 'log_c']) {
          try {
            await writer.append(log, `${round} ${'x'.repeat(3_000)}`);
          } catch (error) {
            t.is((error as RuntimeError).code, 'STORE_FULL');
            refused += 1;
            t.deepEqual(await writer.store.head(log), writer.headOf(log), 'memory and disk agree');
          }
        }
      }
      for (const [log, text] of writer.texts) t.deepEqual(await writer.read(log), { text, gaps: [] });
      await writer.store.close();
      // A store on a full disk opens too, because reading requires no write.
      const full = await new Writer(options, writer.texts).open();
      for (const [log, text] of writer.texts) t.deepEqual(await full.read(log), { text, gaps: [] });
      await rm(join(dir, 'ballast'));
      for (let round = 0; round < 20; round += 1) await full.append('log_a', 'space again');
      await full.create('log_d');
      await full.store.close();
      const last = await new Writer(options, writer.texts).open();
      for (const [log, text] of writer.texts) t.deepEqual(await last.read(log), { text, gaps: [] });
      t.deepEqual(
        last.findings.filter((finding) => finding.severity !== 'info'),
        [],
      );
      await last.store.close();
    });
  },
);

const codeOf = (call: Promise<unknown>): Promise<string> =>
  call.then(
    () => 'none',
    (error: RuntimeError) => error.code,
  );

/** The logs of a round. The id of a log is never used again. */
const logsOf = (round: string): readonly string[] =>
  Array.from({ length: 8 }, (_, index) => `log_${round}_${index}`);
const LARGE = 'x'.repeat(30_000);

/** Appends until the disk is full, at last in small pieces, and then ends every log. */
const fill = async (t: ExecutionContext, writer: Writer, logs: readonly string[]): Promise<void> => {
  let wasRefused = false;
  for (let refused = 0, round = 0; refused < 40; round += 1) {
    // small pieces alone do not fill space that a checkpoint has freed in the meantime
    const text = wasRefused && refused > 20 ? 'small' : LARGE;
    const code = await codeOf(writer.append(logs[round % logs.length] ?? '', text));
    wasRefused = code !== 'none';
    if (!wasRefused) continue;
    t.is(code, 'STORE_FULL');
    refused += 1;
  }
  for (const log of logs) await writer.append(log, 'the end', false, true);
};

/** Removes all logs but the first, and waits until it accepts ordinary lines again. */
const free = async (t: ExecutionContext, writer: Writer, logs: readonly string[]): Promise<void> => {
  const [first = '', ...others] = logs;
  for (const log of others) {
    await writer.store.remove(log);
    writer.texts.delete(log);
  }
  let code: string;
  do {
    await new Promise((done) => setImmediate(done));
    code = await codeOf(writer.append(first, LARGE));
  } while (code === 'STORE_FULL');
  t.is(code, 'none');
};

const checkWhole = async (t: ExecutionContext, writer: Writer): Promise<void> => {
  for (const [log, text] of writer.texts) t.deepEqual(await writer.read(log), { text, gaps: [] }, log);
};

for (const durability of ['commit', { intervalMs: 50 }] as const) {
  const policy = durability === 'commit' ? durability : 'interval';
  test.serial(
    `P52: a real full disk accepts ends and removals, also after a kill, and is freed by them (${policy})`,
    async (t) => {
      const bytes = 16 * 1_048_576;
      const [logs, later] = [logsOf('a'), logsOf('b')];
      await onTmpfs(t, bytes, async (first) => {
        const writer = await new Writer({ dir: join(first, 'store'), durability }).open();
        for (const log of logs) await writer.create(log);
        await fill(t, writer, logs);
        // A copy on an equal volume is what a kill leaves.
        await writer.disk.freeze();
        await onTmpfs(t, bytes, async (second) => {
          const dir = join(second, 'store');
          await cp(join(first, 'store'), dir, {
            recursive: true,
            verbatimSymlinks: true,
            filter: (path) => !path.endsWith('.sock'),
          });
          const next = await new Writer({ dir, durability }, writer.texts).open();
          await checkWhole(t, next);
          for (const log of logs) await next.append(log, 'ended again', false, true);
          await free(t, next, logs);
          for (const log of later) await next.create(log);
          await fill(t, next, later);
          await free(t, next, later);
          await next.store.close();
          const last = await new Writer({ dir, durability }, next.texts).open();
          await checkWhole(t, last);
          t.deepEqual(
            last.listed.map(({ log }) => log),
            [logs[0], later[0]],
          );
          t.deepEqual(
            last.findings.filter(({ severity }) => severity !== 'info'),
            [],
          );
          await last.store.close();
        });
      });
    },
  );
}

test('options from code and from flags are read, and an unknown, missing or invalid option is named', async (t) => {
  const { fsStore, plugin } = await import('../../src/index.ts');
  const known =
    'dir, durability, intervalMs, segmentBytes, checkpointBytes, queueBytes, behindBytes, closingMs, reserveBytes, openFiles';
  for (const [options, says] of [
    [null, 'The options of fs-store must be an object'],
    [[], 'The options of fs-store must be an object'],
    [{}, 'dir is missing: it must be a non-empty string'],
    [{ dir: '' }, 'dir must be a non-empty string'],
    [{ dir: 1 }, 'dir must be a non-empty string'],
    [{ dir: 'x', durabilty: 'commit' }, `durabilty does not exist; the options are ${known}`],
    [{ dir: 'x', durability: 'never' }, 'durability must be one of: commit, interval'],
    [{ dir: 'x', intervalMs: 5 }, 'intervalMs requires durability interval'],
    [
      { dir: 'x', durability: 'interval', intervalMs: 'soon' },
      'intervalMs must be a whole number from 1 to 3600000',
    ],
    [
      { dir: 'x', durability: 'interval', intervalMs: 0 },
      'intervalMs must be a whole number from 1 to 3600000',
    ],
    [{ dir: 'x', segmentBytes: '4095' }, 'segmentBytes must be a whole number from 4096 to 1073741824'],
    [
      { dir: 'x', checkpointBytes: '4294967297' },
      'checkpointBytes must be a whole number from 4096 to 4294967296',
    ],
    [{ dir: 'x', openFiles: 3 }, 'openFiles must be a whole number from 4 to 100000'],
  ] as const) {
    const error = t.throws(() => plugin(options));
    t.true(error instanceof RuntimeError && error.code === 'INVALID_REQUEST');
    t.true(error?.message.includes(says), error?.message);
  }
  for (const durability of ['interval', { intervalMs: 0 }, {}, null] as never[])
    t.throws(() => fsStore({ dir: 'x', durability }), {
      code: 'INVALID_REQUEST',
      message: /fs-store\.durability/,
    });
  t.is(plugin({ dir: 'x', durability: 'interval', intervalMs: 5 }).name, 'fs-store');
  const flags = {
    segmentBytes: '4096',
    queueBytes: '4096',
    behindBytes: '4096',
    closingMs: '0',
    openFiles: '4',
  };
  const digits = { intervalMs: '5', checkpointBytes: '4294967296', ...flags };
  t.is(plugin({ dir: 'x', durability: 'interval', ...digits }).name, 'fs-store');
});
