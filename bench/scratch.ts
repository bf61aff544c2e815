import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';

/** A folder for as long as `use` takes, below the bench's own: the temporary folder of a system may not be a disk. */
export const inScratch = async <T>(use: (folder: string) => Promise<T>): Promise<T> => {
  const folder = await mkdtemp(join(import.meta.dirname, '.scratch-'));
  try {
    return await use(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
};
