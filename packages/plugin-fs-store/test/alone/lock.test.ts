import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { lutimes, mkdir, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { RuntimeError, silentLogger } from '@worker-runtime/core';
import type { StoreHost } from '@worker-runtime/core/plugin-kit';
import test from 'ava';
import { FsStore } from '../../src/fs-store.ts';
import { makeDirectory, removeDirectory } from '../directory.ts';

const CHILD = join(import.meta.dirname, '../lock-child.ts');

const host: StoreHost = {
  log: silentLogger,
  configuration: null,
  keptKeys: 1_000,
  lost: () => {},
  snapshotOf: () => undefined,
  report: () => {},
};

/** Starts a process that opens the store. Returns it with the outcome that it printed. */
const contend = async (dir: string): Promise<{ child: ChildProcess; outcome: string }> => {
  const options = ['--import=tsx', '--conditions=@worker-runtime/source', CHILD, dir];
  const child = spawn(process.execPath, options, { stdio: ['pipe', 'pipe', 'inherit'] });
  const [chunk] = (await once(child.stdout as NonNullable<ChildProcess['stdout']>, 'data')) as [Buffer];
  return { child, outcome: chunk.toString().trim() };
};

const kill = async (child: ChildProcess): Promise<void> => {
  child.kill('SIGKILL');
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
};

const isLocked = (error: unknown): boolean => error instanceof RuntimeError && error.code === 'STORE_LOCKED';

test('P15: a second process is refused at once, and the lock of a killed process is taken over automatically', async (t) => {
  const dir = await makeDirectory();
  const { child, outcome } = await contend(dir);
  t.is(outcome, 'open');
  const begun = performance.now();
  const error = await t.throwsAsync(new FsStore({ dir }).open(host));
  t.true(isLocked(error));
  t.false(JSON.stringify([(error as RuntimeError).message, (error as RuntimeError).details]).includes(dir));
  // The limit allows for a busy machine. Watching an owner's heartbeat would take ten seconds.
  t.true(performance.now() - begun < 5_000, 'at once');
  // A stopped owner is alive.
  child.kill('SIGSTOP');
  t.true(isLocked(await t.throwsAsync(new FsStore({ dir }).open(host))));
  await kill(child);
  const took = performance.now();
  const store = new FsStore({ dir });
  await store.open(host);
  t.true(performance.now() - took < 5_000, 'without a wait');
  t.is((await contend(dir)).outcome, 'STORE_LOCKED');
  await store.close();
  const left = (await readdir(dir)).filter((name) => name.startsWith('lock'));
  t.is(left.length, 1, `one lock file stays: ${left.join(' ')}`);
  await removeDirectory(dir);
});

test('P15: exactly one of many contenders gets the lock of a killed process', async (t) => {
  const dir = await makeDirectory();
  for (let round = 0; round < 3; round += 1) {
    const contenders = await Promise.all(Array.from({ length: 5 }, () => contend(dir)));
    t.deepEqual(contenders.map(({ outcome }) => outcome).sort(), [...Array(4).fill('STORE_LOCKED'), 'open']);
    await Promise.all(contenders.map(({ child }) => kill(child)));
  }
  const stores = Array.from({ length: 20 }, () => new FsStore({ dir }));
  const results = await Promise.allSettled(stores.map((store) => store.open(host)));
  t.is(
    results.filter((result) => result.status === 'fulfilled').length,
    1,
    'exactly one of many stores in one process opens',
  );
  for (const result of results) if (result.status === 'rejected') t.true(isLocked(result.reason));
  for (const store of stores) await store.close();
  await removeDirectory(dir);
});

test('P15: a directory with a long path can be locked', async (t) => {
  const root = await makeDirectory();
  const dir = join(root, 'x'.repeat(100), 'y'.repeat(100));
  const store = new FsStore({ dir });
  await store.open(host);
  t.true(isLocked(await t.throwsAsync(new FsStore({ dir }).open(host))));
  await store.close();
  await store.open(host);
  await store.close();
  await removeDirectory(root);
});

test('P15: an owner of another boot is dead if its heartbeat does not move', async (t) => {
  const dir = await makeDirectory();
  await symlink('another|lock-aabbccddeeff.sock', join(dir, 'lock.7'));
  const store = new FsStore({ dir });
  await store.open(host);
  await store.close();
  t.true((await readdir(dir)).includes('lock.8'));
  await removeDirectory(dir);
});

test('P15: an owner of another boot whose heartbeat moves is alive', async (t) => {
  const dir = await makeDirectory();
  const lock = join(dir, 'lock.7');
  await symlink('another|lock-aabbccddeeff.sock', lock);
  const heart = setInterval(() => void lutimes(lock, new Date(), new Date()), 200);
  t.true(isLocked(await t.throwsAsync(new FsStore({ dir }).open(host))));
  clearInterval(heart);
  await removeDirectory(dir);
});

test('P13: a damaged lock blocks no later open, and admits no second owner', async (t) => {
  const damages: Readonly<Record<string, (path: string) => Promise<unknown>>> = {
    missing: async () => {},
    'a directory': (path) => mkdir(path),
    'a file': (path) => writeFile(path, 'rubbish'),
    'a strange link': (path) => symlink('rubbish', path),
    'a link elsewhere': (path) => symlink('boot|../../etc/passwd', path),
  };
  for (const [what, damage] of Object.entries(damages)) {
    const dir = await makeDirectory();
    const owner = new FsStore({ dir });
    await owner.open(host);
    await rm(join(dir, 'lock.1'));
    await damage(join(dir, 'lock.1'));
    if (what !== 'missing') t.true(isLocked(await t.throwsAsync(new FsStore({ dir }).open(host))), what);
    await owner.close();
    const next = new FsStore({ dir });
    await t.notThrowsAsync(next.open(host), what);
    await next.close();
    await removeDirectory(dir);
  }
});
