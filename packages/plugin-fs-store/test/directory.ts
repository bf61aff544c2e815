import { cp, mkdtemp, readdir, rm, symlink, unlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Makes a directory for one test. The test removes it. */
export const makeDirectory = (): Promise<string> => mkdtemp(join(tmpdir(), 'fs-store-'));

// A store that is open, or that a test has "killed" in its own process, has a heartbeat: it may make its lock again during this.
export const removeDirectory = (path: string): Promise<void> =>
  rm(path, { recursive: true, force: true, maxRetries: 10 });

/** Replaces the locks in a directory by a released one, so that its next owner need not watch for a heartbeat. */
export const releaseLock = async (path: string): Promise<void> => {
  let highest = 1;
  for (const name of await readdir(path)) {
    const [, number] = /^lock\.(\d+)$/.exec(name) ?? [];
    if (number === undefined) continue;
    highest = Math.max(highest, Number(number));
    await unlink(join(path, name));
  }
  await symlink('|', join(path, `lock.${highest}`));
};

/** Copies the files that a process that is killed now would leave. A copy has no dead socket, so its lock is released. */
export const copyDirectory = async (path: string): Promise<string> => {
  const filter = (source: string): boolean => !source.endsWith('.sock');
  for (;;) {
    const copy = await makeDirectory();
    try {
      await cp(path, copy, { recursive: true, verbatimSymlinks: true, filter });
      await releaseLock(copy);
      return copy;
    } catch (error) {
      await removeDirectory(copy);
      // a store that is open removed a segment while it was copied: such a copy is no state that a kill leaves
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    }
  }
};
