import { join } from 'node:path';
import { type Disk, writeFully } from '../disk/disk.ts';
import { isReadOnly } from '../disk/disk-failure.ts';
import type { FilePool } from '../disk/file-pool.ts';
import { directoryNameOf, type Layout } from '../layout/layout.ts';
import type { BatchRecord, LogEntry, Unfiled } from './log-entry.ts';

const BLOCK_BYTES = 1_048_576;

/** The files of single Workers: their paths, and how unfiled batches are written to them. */
export class WorkerFiles {
  readonly #disk: Disk;
  readonly #layout: Layout;
  readonly pool: FilePool;
  /** Logs whose directory contains a new name that is not synced yet. */
  readonly #unsyncedNames = new Set<LogEntry>();
  /** Logs whose `worker.json` is not synced yet. */
  readonly #unsyncedDocuments = new Set<LogEntry>();

  constructor(disk: Disk, layout: Layout, pool: FilePool) {
    this.#disk = disk;
    this.#layout = layout;
    this.pool = pool;
  }

  /** The name of a log's directory. */
  name(entry: LogEntry): string {
    return directoryNameOf(entry.workerId, entry.log);
  }

  directory(entry: LogEntry): string {
    return this.#layout.worker(this.name(entry));
  }

  events(entry: LogEntry): string {
    return join(this.directory(entry), 'events.jsonl');
  }

  keys(entry: LogEntry): string {
    return join(this.directory(entry), 'keys.jsonl');
  }

  document(entry: LogEntry): string {
    return join(this.directory(entry), 'worker.json');
  }

  /**
   * Writes the first `count` unfiled batches, without a sync. On return they are filed. On failure none is, and the next
   * attempt overwrites what was written partly, because each byte has a fixed offset.
   */
  async write(entry: LogEntry, unfiled: Unfiled, count: number): Promise<void> {
    const { document, needsCut } = unfiled;
    if (document !== null) await this.#writeDocument(entry, document);
    const { bytes, keyBytes } = entry.filed;
    if (needsCut || document !== null || keyBytes === 0) this.#unsyncedNames.add(entry);
    const batches = unfiled.batches.slice(0, count);
    // A file that has lines is never made again: the lines would be lost without a trace.
    const mode = bytes > 0 ? 'write' : 'create';
    const keyLines = Buffer.from(batches.map((batch) => batch.keys).join(''));
    let end = bytes;
    await this.pool.use(this.events(entry), mode, async (file) => {
      if (needsCut) await this.#disk.truncate(file, bytes);
      for (const block of blocksOf(batches)) {
        await writeFully(this.#disk, file, block, end);
        end += block.length;
      }
    });
    if (needsCut || keyLines.length > 0) {
      await this.pool.use(this.keys(entry), 'create', async (file) => {
        if (needsCut) await this.#disk.truncate(file, keyBytes);
        await writeFully(this.#disk, file, keyLines, keyBytes);
      });
    }
    unfiled.document = null;
    unfiled.needsCut = false;
    entry.noteFiled(count, end - bytes, keyLines.length);
  }

  /** Runs a job with a file of a log that is open for reading, even if it cannot be written at the moment. */
  async read<T>(path: string, job: (file: number) => Promise<T>): Promise<T> {
    try {
      return await this.pool.use(path, 'write', job);
    } catch (error) {
      if (!isReadOnly(error)) throw error;
    }
    const file = await this.#disk.open(path, 'read');
    try {
      return await job(file);
    } finally {
      await this.#disk.close(file);
    }
  }

  /**
   * Fails with ENOENT if the path of a log's events does not lead to what was filed. The file may have been moved away or
   * replaced while it was open, and what was written since then is not in the new one.
   */
  async checkPlace(entry: LogEntry): Promise<void> {
    try {
      const size = (await this.#disk.size(this.events(entry))) ?? 0;
      if (size >= entry.filed.bytes) return;
      throw Object.assign(new Error('The file was moved away or cut'), { code: 'ENOENT' });
    } catch (error) {
      await this.pool.release(this.events(entry));
      throw error;
    }
  }

  /** Syncs the files of a log. On return what is filed survives a power loss, except for the directory's own name. */
  async sync(entry: LogEntry): Promise<void> {
    await this.pool.use(this.events(entry), 'write', (file) => this.#disk.sync(file));
    await this.checkPlace(entry);
    if (entry.filed.keyBytes > 0) {
      await this.pool.use(this.keys(entry), 'create', (file) => this.#disk.sync(file));
    }
    if (this.#unsyncedDocuments.has(entry)) {
      await this.#syncDocument(entry);
      this.#unsyncedDocuments.delete(entry);
    }
    if (!this.#unsyncedNames.has(entry)) return;
    await this.#disk.syncDirectory(this.directory(entry));
    this.#unsyncedNames.delete(entry);
  }

  /** Releases the open files of a log. */
  async release(entry: LogEntry): Promise<void> {
    this.#unsyncedNames.delete(entry);
    this.#unsyncedDocuments.delete(entry);
    await this.pool.release(this.events(entry));
    await this.pool.release(this.keys(entry));
  }

  async #writeDocument(entry: LogEntry, document: string): Promise<void> {
    await this.#disk.makeDirectory(this.directory(entry));
    const file = await this.#disk.open(this.document(entry), 'replace');
    try {
      await writeFully(this.#disk, file, Buffer.from(document), 0);
    } finally {
      await this.#disk.close(file);
    }
    this.#unsyncedDocuments.add(entry);
  }

  async #syncDocument(entry: LogEntry): Promise<void> {
    const file = await this.#disk.open(this.document(entry), 'write');
    try {
      await this.#disk.sync(file);
    } finally {
      await this.#disk.close(file);
    }
  }
}

/** Joins batches to blocks of about a mebibyte, because one write per batch would cost more than the copy. */
function* blocksOf(batches: readonly BatchRecord[]): Generator<Uint8Array> {
  let block: Uint8Array[] = [];
  let bytes = 0;
  for (const { lines } of batches) {
    block.push(lines);
    bytes += lines.length;
    if (bytes < BLOCK_BYTES) continue;
    yield block.length === 1 ? lines : Buffer.concat(block, bytes);
    block = [];
    bytes = 0;
  }
  const [first] = block;
  if (first) yield block.length === 1 ? first : Buffer.concat(block, bytes);
}
