import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Makes a directory for one test. The test removes it. */
export const makeDirectory = (): Promise<string> => mkdtemp(join(tmpdir(), 'fs-store-'));

// A store that a test has "killed" in its own process still has a heartbeat, which may make its lock again during this.
export const removeDirectory = (path: string): Promise<void> =>
  rm(path, { recursive: true, force: true, maxRetries: 10 });

/** Copies what a process that is killed now would leave: every file, but no live socket. */
export const copyDirectory = async (path: string): Promise<string> => {
  const copy = await makeDirectory();
  const filter = (source: string): boolean => !source.endsWith('.sock');
  await cp(path, copy, { recursive: true, verbatimSymlinks: true, filter });
  return copy;
};
