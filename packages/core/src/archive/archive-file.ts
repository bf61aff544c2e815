import { constants } from 'node:fs';
import { access, open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { RuntimeError } from '../contracts/runtime-error.ts';
import { type Archive, type ArchiveBytes, checkArchive } from './archive.ts';

const CHUNK_BYTES = 262_144;

/** A file that is a checked archive. */
export interface ArchiveFile extends Archive {
  readonly path: string;
}

const fileFailure = (cause: unknown, missing: string): RuntimeError => {
  if (cause instanceof RuntimeError) return cause;
  const { code, message } = cause as NodeJS.ErrnoException;
  if (code === 'ENOSPC' || code === 'EDQUOT' || code === 'EFBIG')
    return new RuntimeError('STORE_FULL', 'There is no space for the archive', { cause });
  if (code === 'ENOENT') return new RuntimeError('FILE_NOT_FOUND', missing, { cause });
  if (code === undefined) return RuntimeError.from(cause);
  return new RuntimeError('STORE_UNAVAILABLE', `The archive cannot be read or written: ${message}`, {
    cause,
  });
};

async function* chunksOf(path: string): AsyncGenerator<Uint8Array> {
  const file = await open(path, 'r');
  try {
    for (;;) {
      const { bytesRead, buffer } = await file.read(Buffer.allocUnsafe(CHUNK_BYTES), 0, CHUNK_BYTES, null);
      if (bytesRead === 0) return;
      yield buffer.subarray(0, bytesRead);
    }
  } finally {
    await file.close();
  }
}

/** Returns the bytes of a file. @throws FILE_NOT_FOUND · STORE_UNAVAILABLE */
export const bytesOf = (path: string): ArchiveBytes =>
  async function* () {
    try {
      yield* chunksOf(path);
    } catch (error) {
      throw fileFailure(error, 'There is no such archive');
    }
  };

/**
 * Reads a whole file, and checks its digest, its items and their order.
 * @throws ARCHIVE_CORRUPT it is cut or changed · VERSION_UNSUPPORTED · FILE_NOT_FOUND
 */
export const openArchive = async (path: string): Promise<ArchiveFile> => ({
  path,
  ...(await checkArchive(bytesOf(path))),
});

const exists = (path: string): Promise<boolean> =>
  access(path, constants.F_OK).then(
    () => true,
    () => false,
  );

const syncDirectory = async (path: string): Promise<void> => {
  const directory = await open(path, 'r');
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
};

/**
 * Writes the bytes of an archive to a new file, which only its owner can read. The file gets its name when it is complete, was read back
 * and checked, and is durable. A process that ends before leaves `<path>.partial`, which the next write of this file replaces.
 * @throws INVALID_REQUEST the file exists · FILE_NOT_FOUND there is no folder for it · STORE_FULL · ARCHIVE_CORRUPT the bytes are not whole
 */
export const writeArchive = async (path: string, bytes: AsyncIterable<Uint8Array>): Promise<ArchiveFile> => {
  if (await exists(path)) throw new RuntimeError('INVALID_REQUEST', 'The file of the archive exists already');
  const partial = `${path}.partial`;
  try {
    await rm(partial, { force: true });
    const file = await open(partial, 'wx', 0o600);
    try {
      for await (const chunk of bytes) await file.writeFile(chunk);
      await file.sync();
    } finally {
      await file.close();
    }
    const written = await openArchive(partial);
    await rename(partial, path);
    await syncDirectory(dirname(path));
    return { ...written, path };
  } catch (error) {
    await rm(partial, { force: true }).catch(() => {});
    throw fileFailure(error, 'There is no folder for the archive');
  }
};
