import { constants } from 'node:fs';
import type { FileJob } from './file-job.ts';

/**
 * The mode in which a file is opened. `read`, `write` and `durable` require an existing file, `create` also makes a missing one, and
 * `replace` makes a missing one or empties an existing one. With `durable`, the bytes of each write are synced when it returns.
 */
export type OpenMode = 'read' | 'write' | 'durable' | 'create' | 'replace';

/** The flags of each mode for `open`. */
export const OPEN_FLAGS: Readonly<Record<OpenMode, number>> = {
  read: constants.O_RDONLY,
  write: constants.O_RDWR,
  durable: constants.O_RDWR | constants.O_DSYNC,
  // Not Node's 'a+': that appends on every write and ignores the position.
  create: constants.O_RDWR | constants.O_CREAT,
  replace: constants.O_RDWR | constants.O_CREAT | constants.O_TRUNC,
};

/**
 * Everything that the store asks of a disk. Tests replace it to inject faults, and to record and replay the order of
 * writes and syncs. Calls fail with the errors of `node:fs` and their `code`.
 *
 * Files are made with mode 0600, directories with mode 0700.
 */
export interface Disk {
  /** True if files may be opened as `durable`. */
  readonly hasDurableWrites: boolean;
  open(path: string, mode: OpenMode): Promise<number>;
  close(file: number): Promise<void>;
  /** Reads until `into` is full or the file ends. Returns the number of bytes read. */
  read(file: number, into: Uint8Array, position: number): Promise<number>;
  /** Writes once, possibly fewer bytes than given. Returns the number of bytes written. */
  write(file: number, bytes: Uint8Array, position: number): Promise<number>;
  truncate(file: number, length: number): Promise<void>;
  /**
   * Syncs a file. On return its bytes and its length survive a power loss. Its name survives once the directory is
   * synced too.
   */
  sync(file: number): Promise<void>;
  readFile(path: string): Promise<Buffer>;
  /**
   * Replaces a file, or makes it, atomically. On return its content and its name are synced. On failure the old file
   * is unchanged.
   */
  replace(path: string, chunks: readonly Uint8Array[]): Promise<void>;
  /** Returns the length of a regular file, or null if it does not exist. Fails with EISDIR for anything else. */
  size(path: string): Promise<number | null>;
  /** Returns a text that is the same for every name of a file and for no other file; null if nothing has this name. */
  identity(path: string): Promise<string | null>;
  /**
   * Returns the present path of an open file, as the kernel knows it, in about a microsecond. It changes if the file or a
   * directory above it is moved, replaced or deleted. Null if the system does not know it.
   */
  pathOf(file: number): string | null;
  /** Returns the bytes of the volume of a path: those that this process may still use, and all. */
  space(path: string): Promise<{ readonly free: number; readonly total: number }>;
  /** Returns the names in a directory, in no particular order; none if the directory does not exist. */
  list(path: string): Promise<readonly string[]>;
  /** Makes a directory. An existing one is no error. */
  makeDirectory(path: string): Promise<void>;
  syncDirectory(path: string): Promise<void>;
  rename(from: string, to: string): Promise<void>;
  /** Removes a file or a directory tree. A missing one is no error. */
  remove(path: string): Promise<void>;
  /**
   * Performs jobs with files. The first failure of a job ends that job only. Returns the failure of each job, or null.
   * `due` is the number of jobs that are due in all, these included: many may be worth more effort.
   */
  perform(jobs: readonly FileJob[], due: number): Promise<readonly (Error | null)[]>;
}

/** Writes all bytes, in as many writes as needed. A write of zero bytes is treated as a full disk (ENOSPC). */
export const writeFully = async (
  disk: Pick<Disk, 'write'>,
  file: number,
  bytes: Uint8Array,
  position: number,
): Promise<void> => {
  for (let done = 0; done < bytes.length; ) {
    const written = await disk.write(file, done === 0 ? bytes : bytes.subarray(done), position + done);
    if (written <= 0) throw Object.assign(new Error('The disk accepted no bytes'), { code: 'ENOSPC' });
    done += written;
  }
};

/** The parts in which a large file is read at the same time, and their least bytes. */
const FILE_PARTS = 4;
const PART_BYTES = 1_048_576;

/**
 * Reads a file from an offset on; the bytes before it are undefined. Takes half of the time that `readFile` takes for a large file, because
 * most of it is the memory that the system makes for the bytes. Fails with the errors of the disk.
 */
export const readLarge = async (disk: Disk, path: string, from: number): Promise<Buffer> => {
  const size = (await disk.size(path)) ?? 0;
  const file = await disk.open(path, 'read');
  try {
    const bytes = Buffer.allocUnsafeSlow(size);
    const length = Math.max(PART_BYTES, Math.ceil((size - from) / FILE_PARTS));
    const reads: Promise<number>[] = [];
    for (let at = from; at < size; at += length) {
      const part = bytes.subarray(at, at + length);
      // a part that is short is the end of the file
      reads.push(disk.read(file, part, at).then((count) => (count < part.length ? at + count : size)));
    }
    // the file is not closed before all have ended
    await Promise.allSettled(reads);
    return bytes.subarray(0, Math.min(size, ...(await Promise.all(reads))));
  } finally {
    await disk.close(file);
  }
};

/**
 * Reads a range of an open file, into given memory if that is large enough. The result is shorter than `length` if the file ends
 * within the range.
 */
export const readRange = async (
  disk: Disk,
  file: number,
  position: number,
  length: number,
  into?: Uint8Array,
): Promise<Buffer> => {
  const buffer =
    into && into.length >= length
      ? Buffer.from(into.buffer, into.byteOffset, length)
      : Buffer.allocUnsafe(length);
  return buffer.subarray(0, await disk.read(file, buffer, position));
};
