import { join } from 'node:path';
import { type Disk, writeFully } from '../disk/disk.ts';
import type { FilePool } from '../disk/file-pool.ts';
import { directoryNameOf, type Layout } from '../layout/layout.ts';
import type { Behind, LogEntry } from './log-entry.ts';

const BLOCK_BYTES = 1_048_576;

/** The files of single Workers: where they are, and how what is behind comes into them. */
export class WorkerFiles {
  readonly #disk: Disk;
  readonly #layout: Layout;
  readonly pool: FilePool;
  /** Logs whose directory has a new name in it that no sync has reached. */
  readonly #fresh = new Set<LogEntry>();

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
   * Writes the first `count` batches that are behind, unsynced. On return they are filed; on failure nothing is, and
   * what was written half is written over next time: each byte has its one place.
   */
  async write(entry: LogEntry, behind: Behind, count: number): Promise<void> {
    if (behind.document !== null) {
      const text = behind.document;
      await this.#disk.makeDirectory(this.directory(entry));
      const file = await this.#disk.open(this.document(entry), 'replace');
      try {
        await writeFully(this.#disk, file, Buffer.from(text), 0);
        // Here and not at the checkpoint: it is written once, and has no place in the pool of open files.
        await this.#disk.sync(file);
      } finally {
        await this.#disk.close(file);
      }
    }
    const { seq, bytes, keyBytes } = entry.filed;
    const { isUncut } = behind;
    if (isUncut || behind.document !== null || keyBytes === 0) this.#fresh.add(entry);
    const keyText = Buffer.from(behind.keys.slice(0, count).join(''));
    let end = bytes;
    await this.pool.use(this.events(entry), 'create', async (file) => {
      if (isUncut) await this.#disk.truncate(file, bytes);
      for (const block of blocksOf(behind.chunks, count)) {
        await writeFully(this.#disk, file, block, end);
        end += block.length;
      }
    });
    if (isUncut || keyText.length > 0) {
      await this.pool.use(this.keys(entry), 'create', async (file) => {
        if (isUncut) await this.#disk.truncate(file, keyBytes);
        await writeFully(this.#disk, file, keyText, keyBytes);
      });
    }
    behind.document = null;
    behind.isUncut = false;
    entry.filed = {
      seq: count === 0 ? seq : (behind.seqs[count - 1] as number),
      bytes: end,
      keyBytes: keyBytes + keyText.length,
    };
    // What came while this was written stays; no read sees it in both places, or in none.
    const { chunks, starts, seqs, lsns, keys } = behind;
    for (const list of [chunks, starts, seqs, lsns, keys]) list.splice(0, count);
  }

  /** On return what is filed survives a power loss, but for the directory's own name. */
  async sync(entry: LogEntry): Promise<void> {
    await this.pool.use(this.events(entry), 'create', (file) => this.#disk.sync(file));
    if (entry.filed.keyBytes > 0) {
      await this.pool.use(this.keys(entry), 'create', (file) => this.#disk.sync(file));
    }
    if (!this.#fresh.has(entry)) return;
    await this.#disk.syncDirectory(this.directory(entry));
    this.#fresh.delete(entry);
  }

  async drop(entry: LogEntry): Promise<void> {
    this.#fresh.delete(entry);
    await this.pool.drop(this.events(entry));
    await this.pool.drop(this.keys(entry));
  }
}

/** Batches joined to blocks of about a mebibyte: a write each would cost more than the copy. */
function* blocksOf(chunks: readonly Uint8Array[], count: number): Generator<Uint8Array> {
  let from = 0;
  let bytes = 0;
  for (let index = 0; index < count; index += 1) {
    bytes += (chunks[index] as Uint8Array).length;
    if (bytes < BLOCK_BYTES && index < count - 1) continue;
    yield index === from
      ? (chunks[index] as Uint8Array)
      : Buffer.concat(chunks.slice(from, index + 1), bytes);
    from = index + 1;
    bytes = 0;
  }
}
