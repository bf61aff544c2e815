import { lstat, open, readFile, rename, rm } from 'node:fs/promises';
import { basename, extname } from 'node:path';
import type { FileDescription } from '@worker-runtime/core/plugin-kit';
import { fileNameOf } from '@worker-runtime/core/plugin-kit';
import { EXIT, Failure } from './failure.ts';

const MEDIA_TYPES: Readonly<Record<string, string>> = {
  '.png': 'image/png',
  '.jpg': 'image/jpeg',
  '.jpeg': 'image/jpeg',
  '.gif': 'image/gif',
  '.webp': 'image/webp',
  '.avif': 'image/avif',
  '.svg': 'image/svg+xml',
  '.pdf': 'application/pdf',
  '.json': 'application/json',
  '.csv': 'text/csv',
  '.md': 'text/markdown',
  '.html': 'text/html',
  '.wav': 'audio/wav',
  '.mp3': 'audio/mpeg',
  '.ogg': 'audio/ogg',
  '.mp4': 'video/mp4',
  '.webm': 'video/webm',
  '.zip': 'application/zip',
};

/** True if the bytes are text: UTF-8 without a zero byte. */
const isText = (bytes: Uint8Array): boolean => {
  if (bytes.includes(0)) return false;
  try {
    new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    return true;
  } catch {
    return false;
  }
};

/** A file of this machine, as it is uploaded. */
export interface LocalFile {
  readonly bytes: Uint8Array;
  readonly description: FileDescription;
}

/**
 * Reads a file. Its media type follows from the ending of its name. Any other file is plain text if it can be, so that source
 * code is sent as text.
 * @throws Failure the file cannot be read
 */
export const readLocalFile = async (path: string): Promise<LocalFile> => {
  let bytes: Uint8Array;
  try {
    bytes = await readFile(path);
  } catch (cause) {
    throw new Failure(EXIT.failed, `cannot read ${path}: ${(cause as Error).message}`, { cause });
  }
  const mediaType =
    MEDIA_TYPES[extname(path).toLowerCase()] ?? (isText(bytes) ? 'text/plain' : 'application/octet-stream');
  const name = fileNameOf(basename(path));
  return { bytes, description: { mediaType, ...(name !== undefined && { name }) } };
};

const exists = (path: string): Promise<boolean> =>
  lstat(path).then(
    () => true,
    () => false,
  );

/**
 * Writes a new file, which gets its name when it is whole. A process that ends before leaves `<path>.partial`, which the next call replaces.
 * @throws Failure the file exists, or cannot be written
 */
export const writeNewFile = async (path: string, bytes: Uint8Array): Promise<void> => {
  if (await exists(path)) throw new Failure(EXIT.failed, `cannot write ${path}: it exists already`);
  const partial = `${path}.partial`;
  try {
    await rm(partial, { force: true });
    const file = await open(partial, 'wx');
    try {
      await file.writeFile(bytes);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(partial, path);
  } catch (cause) {
    await rm(partial, { force: true }).catch(() => {});
    throw new Failure(EXIT.failed, `cannot write ${path}: ${(cause as Error).message}`, { cause });
  }
};
