import { constants } from 'node:fs';
import { access, open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { RuntimeError } from '../contracts/runtime-error.ts';
import { corrupt, decodeArchive } from './archive-bytes.ts';
import type { ArchiveBeginning, ArchiveEnd, ArchiveItem } from './archive-item.ts';

const CHUNK_BYTES = 262_144;

/** An archive whose every byte was checked. */
export interface Archive {
  readonly path: string;
  /** The SHA-256 of its content, in hex digits. */
  readonly digest: string;
  readonly beginning: ArchiveBeginning;
  readonly end: ArchiveEnd;
  /** The logs that were removed while they were read. Their items are in the file, and are no part of its content. */
  readonly removed: ReadonlySet<string>;
}

const fileFailure = (cause: unknown): RuntimeError => {
  if (cause instanceof RuntimeError) return cause;
  const { code, message } = cause as NodeJS.ErrnoException;
  if (code === 'ENOSPC' || code === 'EDQUOT' || code === 'EFBIG')
    return new RuntimeError('STORE_FULL', 'There is no space for the archive', { cause });
  if (code === 'ENOENT') return new RuntimeError('FILE_NOT_FOUND', 'There is no such archive', { cause });
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

async function* readItems(path: string): AsyncGenerator<ArchiveItem, string, void> {
  try {
    return yield* decodeArchive(chunksOf(path));
  } catch (error) {
    throw fileFailure(error);
  }
}

/** Checks that the items are in order and complete. Returns the first and the last one. @throws ARCHIVE_CORRUPT */
const surveyOf = async (items: AsyncIterable<ArchiveItem>): Promise<Omit<Archive, 'path' | 'digest'>> => {
  let beginning: ArchiveBeginning | null = null;
  let end: ArchiveEnd | null = null;
  const found = { workers: 0, events: 0, blobs: 0, bundles: 0, pluginStates: 0 };
  let ofLog = { events: 0, blobs: 0 };
  let expected: { readonly log: string; readonly seq: number; readonly bytes: number } | null = null;
  const removed = new Set<string>();
  let at = { seq: 0, bytes: 0 };
  const endLog = (): void => {
    if (expected === null) return;
    if (at.seq !== expected.seq || at.bytes !== expected.bytes) throw corrupt('a log ends before its head');
    found.workers += 1;
    found.events += ofLog.events;
    found.blobs += ofLog.blobs;
    expected = null;
  };
  for await (const item of items) {
    if ((item.kind === 'archive') !== (beginning === null)) throw corrupt('its first item is another one');
    if (['lines', 'keys', 'blob', 'removed'].includes(item.kind)) {
      if (expected === null) throw corrupt('an item belongs to no log');
    } else endLog();
    if (item.kind === 'archive') beginning = item;
    else if (item.kind === 'log') {
      expected = { log: item.log, seq: item.seq, bytes: item.bytes };
      at = { seq: 0, bytes: 0 };
      ofLog = { events: 0, blobs: 0 };
    } else if (item.kind === 'lines') {
      if (item.seq !== at.seq + 1 || item.offset !== at.bytes) throw corrupt('lines of a log are missing');
      at = { seq: at.seq + item.count, bytes: at.bytes + item.body.length };
      ofLog.events += item.count;
    } else if (item.kind === 'blob') ofLog.blobs += 1;
    else if (item.kind === 'removed') {
      removed.add(expected?.log ?? '');
      expected = null;
    } else if (item.kind === 'bundle') found.bundles += 1;
    else if (item.kind === 'pluginState') found.pluginStates += 1;
    else if (item.kind === 'end') end = item;
  }
  if (beginning === null || end === null) throw corrupt('it is empty');
  for (const [kind, count] of Object.entries(found))
    if (end[kind as keyof typeof found] !== count)
      throw corrupt(`it has not as many ${kind} as its end says`);
  return { beginning, end, removed };
};

/**
 * Reads a whole file, and checks its digest, its items and their order.
 * @throws ARCHIVE_CORRUPT it is cut or changed · VERSION_UNSUPPORTED · FILE_NOT_FOUND
 */
export const openArchive = async (path: string): Promise<Archive> => {
  try {
    let digest = '';
    const items = async function* (): AsyncGenerator<ArchiveItem> {
      digest = yield* readItems(path);
    };
    const survey = await surveyOf(items());
    return { path, digest, ...survey };
  } catch (error) {
    throw fileFailure(error);
  }
};

/**
 * Reads the content of an archive again, without removed logs. It counts once the iteration has ended, because the file may have changed
 * in the meantime. @throws ARCHIVE_CORRUPT
 */
export async function* contentOf({ path, digest, removed }: Archive): AsyncGenerator<ArchiveItem> {
  const items = readItems(path);
  let isRemoved = false;
  for (;;) {
    const next = await items.next();
    if (next.done) {
      if (next.value !== digest) throw corrupt('it was replaced while it was read');
      return;
    }
    const { value: item } = next;
    if (item.kind === 'log') isRemoved = removed.has(item.log);
    else if (!['keys', 'lines', 'blob', 'removed'].includes(item.kind)) isRemoved = false;
    if (!isRemoved) yield item;
  }
}

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
 * @throws INVALID_REQUEST the file exists · STORE_FULL · ARCHIVE_CORRUPT the bytes are not whole
 */
export const writeArchive = async (path: string, bytes: AsyncIterable<Uint8Array>): Promise<Archive> => {
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
    throw fileFailure(error);
  }
};
