/** How a file is opened. `write` wants it to be there, `create` makes it, `replace` makes it or empties it. */
export type OpenMode = 'read' | 'write' | 'create' | 'replace';

/**
 * All that this store asks of a disk, so that every fault can be injected and every order of writes and syncs can be
 * recorded and replayed. Failures are those of `node:fs`, with their `code`.
 *
 * Files are made with mode 0600, directories with 0700.
 */
export interface Disk {
  open(path: string, mode: OpenMode): Promise<number>;
  close(file: number): Promise<void>;
  /** Reads until `into` is full or the file ends; returns how many bytes came. */
  read(file: number, into: Uint8Array, position: number): Promise<number>;
  /** One write, which may be short; returns how many bytes went. */
  write(file: number, bytes: Uint8Array, position: number): Promise<number>;
  truncate(file: number, length: number): Promise<void>;
  /** On return the file's bytes and length survive a power loss. Its name does when the directory is synced too. */
  sync(file: number): Promise<void>;
  readFile(path: string): Promise<Buffer>;
  /** Puts a whole file in the place of another, or of none; synced, name included. On failure the old one is there. */
  replace(path: string, chunks: readonly Uint8Array[]): Promise<void>;
  /** Bytes of a regular file, null where there is none. Fails with EISDIR for anything else. */
  size(path: string): Promise<number | null>;
  /** Names in a directory, in no order; none where there is no directory. */
  list(path: string): Promise<readonly string[]>;
  /** Makes a directory; again is no error. */
  makeDirectory(path: string): Promise<void>;
  syncDirectory(path: string): Promise<void>;
  rename(from: string, to: string): Promise<void>;
  /** Takes a file or a tree away; one that is not there is no error. */
  remove(path: string): Promise<void>;
}

/** Writes all bytes. A disk that takes none is full, whatever it says. */
export const writeFully = async (
  disk: Disk,
  file: number,
  bytes: Uint8Array,
  position: number,
): Promise<void> => {
  for (let done = 0; done < bytes.length; ) {
    const written = await disk.write(file, done === 0 ? bytes : bytes.subarray(done), position + done);
    if (written <= 0) throw Object.assign(new Error('The disk took no byte'), { code: 'ENOSPC' });
    done += written;
  }
};

/** Reads a range of an open file; shorter where the file ends. */
export const readRange = async (
  disk: Disk,
  file: number,
  position: number,
  length: number,
): Promise<Buffer> => {
  const buffer = Buffer.allocUnsafe(length);
  return buffer.subarray(0, await disk.read(file, buffer, position));
};
