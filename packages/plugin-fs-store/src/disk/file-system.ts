import { statfs } from 'node:fs/promises';

/** The types of Linux file systems whose names and attributes, once in memory, are read without waiting for any device. */
const LOCAL_TYPES = new Set([
  0xef53, // ext2, ext3, ext4
  0x58465342, // XFS
  0x9123683e, // Btrfs
  0x01021994, // tmpfs
  0x794c7630, // overlayfs
  0x2fc12fc1, // ZFS
  0xf2f52010, // F2FS
]);

/**
 * True if an open directory can be examined by its path synchronously, because that never waits for a device. It then costs
 * about a microsecond, while a call in the thread pool costs a hundred on a busy machine. A network file system may have to
 * ask its server.
 */
export const isQuickToExamine = async (path: string): Promise<boolean> => {
  if (process.platform !== 'linux') return false;
  const found = await statfs(path).catch(() => null);
  return found !== null && LOCAL_TYPES.has(found.type);
};
