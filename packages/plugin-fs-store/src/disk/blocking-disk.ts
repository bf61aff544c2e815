import {
  closeSync,
  fdatasyncSync,
  fsyncSync,
  ftruncateSync,
  lstatSync,
  mkdirSync,
  openSync,
  writeSync,
} from 'node:fs';
import { OPEN_FLAGS } from './disk.ts';
import type { FileDisk } from './file-steps.ts';

/**
 * The disk of this machine, for a thread that does nothing else. Its calls block the thread. They take a tenth of the time of
 * asynchronous calls and leave the thread pool to others.
 */
export const blockingDisk: FileDisk = {
  open: async (path, mode) => openSync(path, OPEN_FLAGS[mode], 0o600),
  close: async (file) => closeSync(file),
  write: async (file, bytes, position) => writeSync(file, bytes, 0, bytes.length, position),
  truncate: async (file, length) => ftruncateSync(file, length),
  sync: async (file) => fdatasyncSync(file),
  async size(path) {
    const found = lstatSync(path, { throwIfNoEntry: false });
    if (found === undefined || found.isFile()) return found?.size ?? null;
    throw Object.assign(new Error('Not a regular file'), { code: 'EISDIR' });
  },
  async makeDirectory(path) {
    mkdirSync(path, { recursive: true, mode: 0o700 });
  },
  async syncDirectory(path) {
    const directory = openSync(path, 'r');
    try {
      fsyncSync(directory);
    } finally {
      closeSync(directory);
    }
  },
};
