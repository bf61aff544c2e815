import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';

/**
 * Creates a folder and removes it when `use` has resolved. It is inside the bench folder, because the temporary folder
 * of the system may not be on a disk.
 */
export const inScratch = async <T>(use: (folder: string) => Promise<T>): Promise<T> => {
  const folder = await mkdtemp(join(import.meta.dirname, '.scratch-'));
  try {
    return await use(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
};
