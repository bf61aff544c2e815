import { join } from 'node:path';
import type { Disk } from '../disk/disk.ts';
import { isReadOnly } from '../disk/disk-failure.ts';
import type { FileStep } from '../disk/file-job.ts';
import type { FilePool } from '../disk/file-pool.ts';
import { directoryNameOf, type Layout } from '../layout/layout.ts';
import { documentOf, type LogEntry, type Unfiled } from './log-entry.ts';

export interface PlanOptions {
  /** True if the files may have been moved or cut since the last time. */
  readonly checks: boolean;
  readonly syncs: boolean;
}

/** The steps for the files of one log. */
export interface FilePlan {
  readonly steps: readonly FileStep[];
  /** Notes that all steps succeeded. */
  done(): void;
}

/** The bytes that a plan writes. */
interface Written {
  readonly bytes: number;
  readonly keyBytes: number;
}

const NOTHING: Written = { bytes: 0, keyBytes: 0 };

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
   * Plans to write the first `count` unfiled batches, and with `syncs` to sync all that is filed then. Nothing is filed
   * before `done`; after a failure the next attempt overwrites what was written partly, because each byte has a fixed offset.
   */
  plan(entry: LogEntry, count: number, { checks, syncs }: PlanOptions): FilePlan {
    const steps: FileStep[] = [];
    if (checks) steps.push({ step: 'check', path: this.events(entry), leastBytes: entry.filed.bytes });
    const written =
      count > 0 && entry.unfiled ? this.#writeSteps(entry, entry.unfiled, count, steps) : NOTHING;
    const isChanged = count > 0 || entry.filed !== entry.synced;
    const hasLines = count > 0 || entry.hasFiles;
    if (syncs && isChanged && hasLines) this.#syncSteps(entry, written, steps);
    return {
      steps,
      done: () => {
        if (entry.unfiled && count > 0) {
          entry.unfiled.document = null;
          entry.unfiled.needsCut = false;
          entry.noteFiled(count, written.bytes, written.keyBytes);
        }
        if (!syncs) return;
        entry.synced = entry.filed;
        this.#unsyncedDocuments.delete(entry);
        this.#unsyncedNames.delete(entry);
      },
    };
  }

  #writeSteps(entry: LogEntry, unfiled: Unfiled, count: number, steps: FileStep[]): Written {
    const { document, needsCut } = unfiled;
    const { bytes, keyBytes } = entry.filed;
    if (document !== null) {
      steps.push({ step: 'makeDirectory', path: this.directory(entry) });
      const chunks = [documentOf(unfiled)];
      steps.push({ step: 'write', path: this.document(entry), mode: 'replace', cutAt: null, at: 0, chunks });
      this.#unsyncedDocuments.add(entry);
    }
    if (needsCut || document !== null || keyBytes === 0) this.#unsyncedNames.add(entry);
    const batches = unfiled.batches.slice(0, count);
    const keyLines = Buffer.from(batches.map((batch) => batch.keys).join(''));
    const chunks = batches.map(({ lines }) => lines);
    steps.push({
      step: 'write',
      path: this.events(entry),
      // A file that has lines is never made again: the lines would be lost without a trace.
      mode: entry.hasFiles ? 'write' : 'create',
      cutAt: needsCut ? bytes : null,
      at: bytes,
      chunks,
    });
    if (needsCut || keyLines.length > 0) {
      const cutAt = needsCut ? keyBytes : null;
      steps.push({
        step: 'write',
        path: this.keys(entry),
        mode: 'create',
        cutAt,
        at: keyBytes,
        chunks: [keyLines],
      });
    }
    return { bytes: chunks.reduce((sum, { length }) => sum + length, 0), keyBytes: keyLines.length };
  }

  /** Adds the steps after which everything filed survives a power loss, except for the directory's own name. */
  #syncSteps(entry: LogEntry, written: Written, steps: FileStep[]): void {
    const { bytes, keyBytes } = entry.filed;
    const path = this.events(entry);
    steps.push({ step: 'sync', path }, { step: 'check', path, leastBytes: bytes + written.bytes });
    if (keyBytes + written.keyBytes > 0) steps.push({ step: 'sync', path: this.keys(entry) });
    if (this.#unsyncedDocuments.has(entry)) steps.push({ step: 'sync', path: this.document(entry) });
    if (this.#unsyncedNames.has(entry)) steps.push({ step: 'syncDirectory', path: this.directory(entry) });
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

  /** Releases the open files of a log. */
  async release(entry: LogEntry): Promise<void> {
    this.#unsyncedNames.delete(entry);
    this.#unsyncedDocuments.delete(entry);
    await this.close(entry);
  }

  /** Closes the files of a log, so that the next read finds the files that have the names then. */
  async close(entry: LogEntry): Promise<void> {
    await this.pool.release(this.events(entry));
    await this.pool.release(this.keys(entry));
  }
}
