import { mkdtempSync, rmSync } from 'node:fs';
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

/** Creates a folder beside those of `inScratch`. It is removed when the process exits. */
export const processFolder = (): string => {
  const folder = mkdtempSync(join(import.meta.dirname, '.scratch-'));
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
  return folder;
};
