import { execFileSync, spawn } from 'node:child_process';
import { once as event } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Bench } from './measurement.ts';
import { once } from './once.ts';

/** The command line as it is published: the bundle, which `npm pack` writes. */
const folder = fileURLToPath(new URL('../packages/cli', import.meta.url));
const program = once(async () => {
  execFileSync('npm', ['run', '--silent', 'bundle'], { cwd: folder, stdio: 'inherit' });
  return join(folder, 'bin/worker-runtime.js');
});

export const endStart = async (): Promise<void> => {
  if (program.isMade) await rm(join(folder, 'bundle'), { recursive: true });
};

/** Runs a program to its end, or until it prints a text. Returns the time in milliseconds. */
const timeOf = async (args: readonly string[], cwd: string, ready?: string): Promise<number> => {
  const start = performance.now();
  const child = spawn(process.execPath, args, {
    cwd,
    env: { ...process.env, HOME: cwd },
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const closed = event(child, 'close');
  let printed = '';
  for await (const text of child.stdout.setEncoding('utf8')) {
    printed += text;
    if (ready !== undefined && printed.includes(ready)) break;
  }
  const isEnded = ready === undefined;
  if (isEnded) await closed;
  const time = performance.now() - start;
  child.kill('SIGKILL');
  if (!isEnded) await closed;
  return time;
};

const inEmptyFolder = async (args: readonly string[], ready?: string): Promise<number> => {
  const place = await mkdtemp(join(tmpdir(), 'worker-runtime-start-'));
  try {
    return await timeOf(args, place, ready);
  } finally {
    await rm(place, { recursive: true });
  }
};

const bareNode = (): Promise<number> => inEmptyFolder(['-e', '0']);

export const help: Bench = {
  id: 'B30',
  what: 'worker-runtime --help as it is published, vs node that does nothing',
  unit: 'ms',
  better: 'less',
  goal: 1.6,
  floor: bareNode,
  figure: async () => inEmptyFolder([await program(), '--help']),
};

export const serving: Bench = {
  id: 'B31',
  what: 'worker-runtime serve with an empty file store, until it is ready, vs node that does nothing',
  unit: 'ms',
  better: 'less',
  goal: 4.5,
  floor: bareNode,
  figure: async () =>
    inEmptyFolder(
      [await program(), '--plugin', 'fs-store', '--fs-store.dir', 'store', 'serve', '--port', '0'],
      'listening on ',
    ),
};
