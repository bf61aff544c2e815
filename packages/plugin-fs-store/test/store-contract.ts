import { readdir, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import type { StoreHarness } from '@worker-runtime/core/testing';
import { FsStore } from '../src/fs-store.ts';
import type { FsStoreOptions } from '../src/store/store-settings.ts';
import { copyDirectory, makeDirectory, removeDirectory } from './directory.ts';
import { FaultDisk } from './fault-disk.ts';

/** Makes a harness for the store contract. It kills a store by freezing its disk, and continues in a copy of the directory. */
export const makeHarness = async (options: Omit<FsStoreOptions, 'dir'>): Promise<StoreHarness> => {
  const directories = [await makeDirectory()];
  let disk = new FaultDisk();
  let bytesRead = 0;
  const open = async (): Promise<FsStore> => {
    bytesRead += disk.bytesRead;
    disk = new FaultDisk();
    return new FsStore({ dir: directories.at(-1) ?? '', ...options }, disk);
  };
  return {
    open,
    async takeOver() {
      const dir = directories.at(-1) ?? '';
      const locks = (await readdir(dir)).map((name) => Number(/^lock\.(\d+)$/.exec(name)?.[1] ?? 0));
      // The claim of an owner that has come and gone.
      await symlink('|', join(dir, `lock.${Math.max(...locks) + 1}`));
      return open();
    },
    async kill() {
      await disk.freeze();
      directories.push(await copyDirectory(directories.at(-1) ?? ''));
    },
    bytesRead: () => bytesRead + disk.bytesRead,
    async dispose() {
      for (const directory of directories) await removeDirectory(directory);
    },
  };
};
