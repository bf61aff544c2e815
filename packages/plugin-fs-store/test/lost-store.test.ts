import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cp, mkdir, readdir, rename, symlink, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { RuntimeError } from '@worker-runtime/core';
import test, { type ExecutionContext } from 'ava';
import { FsStore } from '../src/fs-store.ts';
import { makeDirectory, removeDirectory } from './directory.ts';
import { Writer } from './writer.ts';

const CHILD = join(import.meta.dirname, 'lost-child.ts');
const LOG = 'log_a';

/** Opens a store with one log in a directory that is removed after the test. */
const openWriter = async (
  t: ExecutionContext,
  options: { readonly durability?: { readonly intervalMs: number } } = {},
  lastLock = 0,
): Promise<{ writer: Writer; dir: string }> => {
  const root = await makeDirectory();
  t.teardown(() => removeDirectory(root));
  const dir = join(root, 'store');
  await mkdir(dir);
  if (lastLock > 0) await symlink('|', join(dir, `lock.${lastLock}`));
  const writer = await new Writer({ dir, ...options }).open();
  t.teardown(() => writer.store.close());
  await writer.create(LOG);
  return { writer, dir };
};

const codeOf = async (call: Promise<unknown>): Promise<string | null> => {
  try {
    await call;
    return null;
  } catch (error) {
    return error instanceof RuntimeError ? error.code : String(error);
  }
};

const namesLike = async (dir: string, pattern: RegExp): Promise<readonly string[]> =>
  (await readdir(dir)).filter((name) => pattern.test(name));

/** Removes the files of a lock, as a cleaner of files does. */
const clean = async (dir: string, pattern: RegExp): Promise<void> => {
  for (const name of await namesLike(dir, pattern)) await unlink(join(dir, name));
};

/** Checks that the store acknowledges nothing more, and that it reported its loss once, with this message. */
const assertLost = async (t: ExecutionContext, writer: Writer, message: RegExp): Promise<void> => {
  const first = await codeOf(writer.append(LOG, 'late'));
  t.true(first === 'STORE_UNAVAILABLE' || first === 'STORE_LOST', `the first append: ${first}`);
  t.is(await codeOf(writer.append(LOG, 'later')), 'STORE_LOST');
  t.is(await codeOf(writer.store.read(LOG, { seq: 1, offset: 0 }, PAGE)), 'STORE_LOST');
  t.is(await codeOf(writer.store.putBundle({ digest: 'ab', body: Buffer.from('{}') })), 'STORE_LOST');
  t.is(writer.losses.length, 1);
  t.regex(writer.losses[0]?.message ?? '', message);
  t.true(writer.findings.some(({ code }) => code === 'STORE_LOCK_LOST'));
};

const PAGE = { count: 1_000, bytes: 1_000_000, direction: 'forward' } as const;

const OTHER = 'another|lock-aabbccddeeff.sock|1';
const CLAIMS: Readonly<Record<string, (dir: string) => Promise<unknown>>> = {
  'with the next number': (dir) => symlink(OTHER, join(dir, 'lock.2')),
  'with a much higher number': (dir) => symlink(OTHER, join(dir, 'lock.77')),
  'with the same number, after the lock was removed': async (dir) => {
    await clean(dir, /^lock/);
    await symlink(OTHER, join(dir, 'lock.1'));
  },
  'that has been released': (dir) => symlink('|', join(dir, 'lock.2')),
};

for (const [what, claim] of Object.entries(CLAIMS)) {
  test(`P9, P15: nothing is acknowledged once another claim is visible: one ${what}`, async (t) => {
    for (const options of [{}, { durability: { intervalMs: 20 } }]) {
      const { writer, dir } = await openWriter(t, options);
      await writer.append(LOG, 'before');
      await claim(dir);
      await assertLost(t, writer, /taken over/);
    }
  });
}

test('P9, P15: a lower claim that was made while the lock was missing ends the ownership', async (t) => {
  const { writer, dir } = await openWriter(t, {}, 6);
  t.deepEqual(await namesLike(dir, /^lock\.\d+$/), ['lock.7']);
  await clean(dir, /^lock/);
  await symlink(OTHER, join(dir, 'lock.1'));
  await assertLost(t, writer, /taken over/);
});

test('P9, P15: a lock whose files are removed stays taken, and loses nothing that was acknowledged', async (t) => {
  const { writer, dir } = await openWriter(t);
  for (const pattern of [/\.sock$/, /^lock\.\d+$/, /^lock/]) {
    let isOver = false;
    const load = (async () => {
      for (let count = 0; !isOver; count += 1) await writer.append(LOG, `${pattern.source} ${count}`);
    })();
    await clean(dir, pattern);
    t.is(await codeOf(new FsStore({ dir }).open(writer.host)), 'STORE_LOCKED', pattern.source);
    isOver = true;
    await t.notThrowsAsync(load);
    // The owner has made its lock again, so that the next contender need not watch.
    t.is((await namesLike(dir, /^lock\.\d+$/)).length, 1);
  }
  t.deepEqual(writer.losses, []);
  await writer.store.close();
  const next = await new Writer({ dir }).open();
  t.is((await next.read(LOG)).text, writer.texts.get(LOG) ?? '');
  await next.store.close();
});

test('P15: another file in the place of the socket is no proof that the owner is dead', async (t) => {
  const { writer, dir } = await openWriter(t);
  const [socket = ''] = await namesLike(dir, /\.sock$/);
  // in one step, because the owner makes a missing socket again
  await cp(join(dir, 'runtime.json'), `${dir}-other`);
  await rename(`${dir}-other`, join(dir, socket));
  t.is(await codeOf(new FsStore({ dir }).open(writer.host)), 'STORE_LOCKED');
  await writer.append(LOG, 'after');
});

const LOSSES: Readonly<Record<string, (dir: string) => Promise<unknown>>> = {
  moved: (dir) => rename(dir, `${dir}-moved`),
  deleted: removeDirectory,
  'deleted and made again': async (dir) => {
    await removeDirectory(dir);
    await mkdir(join(dir, 'wal'), { recursive: true });
  },
  'replaced by a copy': async (dir) => {
    await rename(dir, `${dir}-moved`);
    const filter = (source: string): boolean => !source.endsWith('.sock');
    await cp(`${dir}-moved`, dir, { recursive: true, verbatimSymlinks: true, filter });
  },
};

for (const [what, change] of Object.entries(LOSSES)) {
  test(`P9, P15: a directory that was ${what} under an open store is lost, and nothing more is acknowledged`, async (t) => {
    const { writer, dir } = await openWriter(t);
    await writer.append(LOG, 'before');
    await change(dir);
    await assertLost(t, writer, /moved or deleted|Another directory/);
    // The last write of lines to a Worker's file may have been in progress at the loss.
    const moved = async (): Promise<readonly string[]> => {
      const names = await readdir(join(dir, '..'), { recursive: true });
      return names.filter((name) => name.startsWith('store-moved') && !name.endsWith('.sock')).sort();
    };
    const before = await moved();
    await writer.store.close();
    t.deepEqual(await moved(), before, 'closing writes nothing');
  });
}

test('P15: the loss of an idle store is found by its heartbeat', async (t) => {
  const { writer, dir } = await openWriter(t);
  await rename(dir, `${dir}-moved`);
  t.regex((await writer.lost).message, /moved or deleted/);
});

for (const [what, damage] of Object.entries<(dir: string) => Promise<unknown>>({
  'the segment in use': (dir) => clean(join(dir, 'wal'), /\.wal$/),
  'the directory of the segments': (dir) => removeDirectory(join(dir, 'wal')),
  'the segment in use, which a copy replaces': async (dir) => {
    for (const name of await readdir(join(dir, 'wal'))) {
      const path = join(dir, 'wal', name);
      await cp(path, `${path}.copy`);
      await rename(`${path}.copy`, path);
    }
  },
})) {
  test(`P9, P13: an open store survives the loss of ${what}: acknowledged lines stay, later ones are stored`, async (t) => {
    const { writer, dir } = await openWriter(t);
    for (let count = 0; count < 5; count += 1) await writer.append(LOG, `before ${count}`);
    await damage(dir);
    // The append finds the loss, unless the store has found it before and has begun a new segment.
    const code = await codeOf(writer.append(LOG, 'first'));
    t.true(code === null || code === 'STORE_UNAVAILABLE', `the first append: ${code}`);
    t.true(writer.findings.some((finding) => finding.code === 'LOG_FAILED'));
    t.deepEqual(await writer.store.head(LOG), writer.headOf(LOG), 'an append in doubt has not happened');
    for (let count = 0; count < 5; count += 1) await writer.append(LOG, `after ${count}`);
    await writer.store.close();
    const next = await new Writer({ dir }).open();
    t.deepEqual(await next.read(LOG), { text: writer.texts.get(LOG) ?? '', gaps: [] });
    t.deepEqual(
      next.findings.filter(({ severity }) => severity !== 'info'),
      [],
    );
    await next.store.close();
  });
}

/** Starts a process that appends lines as fast as it can and prints the number of each acknowledged one. */
const startOwner = async (
  dir: string,
): Promise<{ child: ChildProcess; lines: AsyncIterableIterator<string> }> => {
  const options = ['--import=tsx', '--conditions=@worker-runtime/source', CHILD, dir];
  const child = spawn(process.execPath, options, { stdio: ['ignore', 'pipe', 'inherit'] });
  const lines = createInterface({ input: child.stdout as NodeJS.ReadableStream })[Symbol.asyncIterator]();
  return { child, lines };
};

test('P9, P15: an owner that stood still through a takeover acknowledges nothing that its successor does not have', async (t) => {
  const root = await makeDirectory();
  t.teardown(() => removeDirectory(root));
  for (let round = 0; round < 2; round += 1) {
    const dir = join(root, `store-${round}`);
    const { child, lines } = await startOwner(dir);
    const exited = once(child, 'exit');
    let acknowledged = 0;
    while (acknowledged < 20) acknowledged = Number((await lines.next()).value);
    await clean(dir, /\.sock$/);
    child.kill('SIGSTOP');
    const next = new Writer({ dir });
    await next.open();
    const { text } = await next.read(LOG);
    child.kill('SIGCONT');
    let last = '';
    for await (const line of lines) {
      if (/^\d+$/.test(line)) acknowledged = Number(line);
      last = line;
    }
    t.is(last, 'STORE_LOST', 'the owner reports its loss');
    t.deepEqual(await exited, [0, null]);
    t.true(text.split('\n').length - 1 >= acknowledged, `${acknowledged} lines were acknowledged`);
    t.is((await next.read(LOG)).text, text);
    const added = Buffer.from(`{"seq":${text.split('\n').length},"of":"the successor"}\n`);
    await next.store.append(LOG, await next.store.head(LOG), { lines: added, count: 1 });
    await next.store.close();
  }
});
