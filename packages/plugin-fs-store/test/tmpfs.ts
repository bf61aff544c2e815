import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import type { ExecutionContext } from 'ava';
import { makeDirectory, removeDirectory } from './directory.ts';

const run = promisify(execFile);

/** Runs a test on a tmpfs of its own. */
export const onTmpfs = async (
  t: ExecutionContext,
  bytes: number,
  use: (dir: string) => Promise<void>,
): Promise<void> => {
  const dir = await makeDirectory();
  try {
    await run('mount', ['-t', 'tmpfs', '-o', `size=${bytes}`, 'tmpfs', dir]);
  } catch {
    await removeDirectory(dir);
    t.log('skipped: this user is not allowed to mount a tmpfs');
    t.pass();
    return;
  }
  try {
    await use(dir);
  } finally {
    await run('umount', ['-l', dir]);
    await removeDirectory(dir);
  }
};
