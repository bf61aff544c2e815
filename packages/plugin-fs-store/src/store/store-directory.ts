import { type JsonValue, RuntimeError } from '@worker-runtime/core';
import type {
  Batch,
  KeyEntry,
  LinePosition,
  LogHead,
  LogSlice,
  Metric,
  NewLog,
  ReadLimits,
  Snapshot,
  StoredBundle,
  StoredLog,
  StoreFinding,
} from '@worker-runtime/core/plugin-kit';
import type { Checkpoints } from '../checkpoint/checkpoints.ts';
import type { LogTable } from '../checkpoint/log-table.ts';
import type { LogTrim } from '../checkpoint/log-trim.ts';
import type { Disk } from '../disk/disk.ts';
import { diskFailure, isReadOnly, isReplaced, unavailable, withDiskFailure } from '../disk/disk-failure.ts';
import type { Lane } from '../disk/lane.ts';
import type { Reserve } from '../disk/reserve.ts';
import type { Backlog } from '../files/backlog.ts';
import { readBase } from '../files/base-files.ts';
import type { BlobFiles } from '../files/blob-files.ts';
import type { BundleFiles } from '../files/bundle-files.ts';
import { reportDamage, reportUnreadable } from '../files/damage.ts';
import { inspect } from '../files/inspection.ts';
import { documentOf, LogEntry, NOTHING_FILED } from '../files/log-entry.ts';
import type { PluginStateFiles } from '../files/plugin-state-files.ts';
import type { WorkerFiles } from '../files/worker-files.ts';
import { encodeKeys } from '../layout/key-lines.ts';
import type { Layout } from '../layout/layout.ts';
import { NEWLINE, seqAt } from '../layout/line.ts';
import { decodeDocument, encodeDocument } from '../layout/worker-document.ts';
import { readKeys } from '../read/key-reader.ts';
import { sourceOf } from '../read/line-source.ts';
import { readSlice } from '../read/slice-reader.ts';
import { readUnfiled } from '../read/unfiled-reader.ts';
import { FRAME_KIND, type LogChange } from '../wal/frame.ts';
import type { WriteAheadLog } from '../wal/write-ahead-log.ts';
import { Listing } from './listing.ts';
import { storeMetricsOf } from './store-metrics.ts';

const NO_BYTES = new Uint8Array(0);
const LOG_ID = /^[\x21-\x7e]{1,100}$/;
/** A checkpoint is made after this many ticks without a write. */
const QUIET_TICKS = 5;
/** A checkpoint is made at the latest after this many ticks. */
const CHECKPOINT_TICKS = 60;

export interface StoreParts {
  readonly disk: Disk;
  readonly layout: Layout;
  readonly entries: LogTable;
  readonly log: WriteAheadLog;
  readonly reserve: Reserve;
  readonly backlog: Backlog;
  readonly files: WorkerFiles;
  readonly checkpoints: Checkpoints;
  readonly trims: LogTrim;
  readonly bundles: BundleFiles;
  readonly blobs: BlobFiles;
  readonly pluginStates: PluginStateFiles;
  /** The lane of the reads. */
  readonly reads: Lane;
  /** The number of key entries of each log that the runtime reads back. */
  readonly keptKeys: number;
  readonly report: (finding: StoreFinding) => void;
}

const notFound = (log: string): RuntimeError =>
  new RuntimeError('WORKER_NOT_FOUND', 'There is no such log', { details: { log } });

/** An open directory of a store: its logs by their ids, and the operations on them. */
export class StoreDirectory {
  readonly #parts: StoreParts;
  #ticks = 0;
  #quietTicks = 0;
  #isTicking = false;
  #writtenBytes: number;

  constructor(parts: StoreParts) {
    this.#parts = parts;
    this.#writtenBytes = parts.log.writtenBytes;
  }

  /** Lists the logs one by one, and releases each snapshot after its log. Checkpoints are allowed once all are listed. */
  *list(): Generator<StoredLog> {
    const { entries, checkpoints } = this.#parts;
    const listing = new Listing();
    const used = [...entries.used()];
    yield* entries.described.list();
    for (const entry of used) {
      yield listing.logOf(entry);
      entry.snapshot = null;
      entry.base = null;
    }
    entries.noteListed();
    checkpoints.start();
  }

  metrics(): readonly Metric[] {
    return storeMetricsOf(this.#parts.entries, this.#parts.log);
  }

  async create(log: string, begin: NewLog, batch: Batch): Promise<void> {
    const { entries } = this.#parts;
    if (!LOG_ID.test(log) || batch.count < 1) {
      const message = 'A new log needs an id of 1 to 100 printable ASCII characters, and at least one line';
      throw new RuntimeError('INVALID_REQUEST', message);
    }
    if (entries.has(log))
      throw new RuntimeError('STORE_CONFLICT', 'The log exists already', { details: { log } });
    const { base } = begin;
    const entry = new LogEntry(log, begin.workerId, base ? { ...base.head, keyBytes: 0 } : NOTHING_FILED);
    if (base) entry.begin = base.head;
    this.#checkLines(entry, batch);
    entry.phase = 'creating';
    entry.isChecked = true;
    entries.set(entry);
    if (base) await this.#beginTrimmed(entry, base);
    const document = encodeDocument(log, begin.workerId, begin.record);
    return this.#write(FRAME_KIND.create, entry, batch, document);
  }

  /** Removes the lines up to a base. */
  async trim(log: string, base: Snapshot): Promise<void> {
    const entry = this.#entry(log);
    if (!entry.isChecked) await this.#check(entry);
    if (!entry.isChecked) throw unavailable('The files of the Worker cannot be read');
    if (entry.isDamaged)
      throw new RuntimeError('WORKER_DAMAGED', undefined, { details: { workerId: entry.workerId } });
    if (base.head.seq >= entry.seq || base.head.seq < entry.begin.seq)
      throw new RuntimeError('STORE_CONFLICT', 'The log cannot begin there', { details: { log } });
    await this.#parts.trims.trim(entry, base);
    if (entry.isRemoved) throw notFound(log);
  }

  /** Returns the base of a log. */
  async base(log: string): Promise<Snapshot | null> {
    const entry = this.#entry(log);
    if (!entry.isTrimmed) return null;
    const { disk, layout, reads } = this.#parts;
    const base = await withDiskFailure(() => reads.run(() => readBase(disk, layout, entry)));
    if (base) return base;
    throw new RuntimeError('WORKER_DAMAGED', 'The base of the log cannot be read', {
      details: { workerId: entry.workerId },
    });
  }

  async append(log: string, after: LogHead, batch: Batch): Promise<void> {
    const entry = this.#entry(log);
    if (!entry.isChecked) await this.#check(entry);
    if (entry.isRemoved) throw notFound(log);
    if (!entry.isChecked) throw unavailable('The files of the Worker cannot be read');
    if (entry.isDamaged) {
      throw new RuntimeError('WORKER_DAMAGED', undefined, { details: { workerId: entry.workerId } });
    }
    if (entry.isBusy || after.seq !== entry.seq || after.bytes !== entry.bytes) {
      throw new RuntimeError('STORE_CONFLICT', undefined, { details: { log, after, head: entry.head } });
    }
    this.#checkLines(entry, batch);
    this.#parts.backlog.checkGrowth(entry);
    entry.phase = 'appending';
    return this.#write(FRAME_KIND.append, entry, batch, null);
  }

  async head(log: string): Promise<LogHead> {
    const known = this.#parts.entries.get(log);
    // A log that is not visible may have a creation in progress, or one that failed and is in doubt.
    const mayBeInDoubt = known?.isVisible ? known.isBusy || known.isInDoubt : true;
    if (mayBeInDoubt) await this.#parts.log.settled();
    const entry = this.#entry(log);
    entry.isInDoubt = false;
    return entry.head;
  }

  async read(log: string, position: LinePosition, limits: ReadLimits): Promise<LogSlice> {
    const entry = this.#entry(log);
    const { files, disk, reads } = this.#parts;
    if (limits.direction === 'forward' && Math.max(1, position.seq) <= entry.begin.seq)
      throw new RuntimeError('CURSOR_EXPIRED', 'These lines were removed', { details: { log } });
    const source = sourceOf(entry, files, disk, reads);
    try {
      const slice = await readSlice(source, position, limits, (offset) => this.#noteDamage(entry, offset));
      // Only a read of the file shows that it is there again.
      if (slice.count > 0 && slice.first.offset < entry.filed.bytes) entry.isUnreadable = false;
      return slice;
    } catch (error) {
      if (entry.isRemoved) throw notFound(log);
      if (!isReplaced(error) && !isReadOnly(error)) throw diskFailure(error);
      reportUnreadable(entry, this.#parts.report, 'read', { log, cause: error });
      return readUnfiled(entry, position, limits);
    }
  }

  async record(log: string): Promise<JsonValue> {
    const entry = this.#entry(log);
    const { files, disk, reads } = this.#parts;
    const { unfiled } = entry;
    let cause: unknown;
    try {
      const text = unfiled?.document
        ? documentOf(unfiled)
        : await reads.run(() => disk.readFile(files.document(entry)));
      const document = decodeDocument(text);
      if (document?.log === log) return document.record;
    } catch (error) {
      cause = error;
    }
    if (entry.isRemoved) throw notFound(log);
    this.#reportFile(entry, 'worker', 'error', cause);
    throw new RuntimeError('WORKER_DAMAGED', 'The record of the Worker cannot be read', { cause });
  }

  async keys(log: string): Promise<readonly KeyEntry[]> {
    const entry = this.#entry(log);
    const { files, disk, reads, keptKeys } = this.#parts;
    const onDamage = (cause?: unknown): void => this.#reportFile(entry, 'keys', 'warning', cause);
    try {
      return await reads.run(() => readKeys(entry, files, disk, keptKeys, onDamage));
    } catch (error) {
      if (entry.isRemoved) throw notFound(log);
      onDamage(error);
      return [];
    }
  }

  async remove(log: string): Promise<void> {
    const entry = this.#parts.entries.get(log);
    if (!entry?.isVisible) return;
    if (entry.isBusy) throw new RuntimeError('STORE_CONFLICT', 'Another write to the log is in progress');
    entry.phase = 'removing';
    return this.#write(FRAME_KIND.remove, entry, { lines: NO_BYTES, count: 0 }, null);
  }

  async putBlob(log: string, name: string, body: Uint8Array): Promise<void> {
    const entry = this.#entry(log);
    await this.#parts.blobs.put(log, name, body);
    await this.#parts.log.assertOwned();
    if (!entry.isRemoved) return;
    // a checkpoint in the meantime may have deleted the blobs before this one
    this.#parts.checkpoints.addTrash(this.#parts.blobs.directory(log));
    throw notFound(log);
  }

  async blob(log: string, name: string): Promise<Uint8Array | null> {
    this.#entry(log);
    return this.#parts.blobs.get(log, name);
  }

  async blobs(log: string): Promise<readonly string[]> {
    this.#entry(log);
    return this.#parts.blobs.list(log);
  }

  async putPluginState(name: string, body: Uint8Array): Promise<void> {
    const { pluginStates, log } = this.#parts;
    // also before, because an owner after this one has a state of its own, which must not be replaced
    await log.assertOwned();
    await pluginStates.put(name, body);
    await log.assertOwned();
  }

  pluginState(name: string): Promise<Uint8Array | null> {
    return this.#parts.pluginStates.get(name);
  }

  pluginStates(): Promise<readonly string[]> {
    return this.#parts.pluginStates.list();
  }

  async putBundle(bundle: StoredBundle): Promise<void> {
    const { bundles, log } = this.#parts;
    await bundles.put(bundle);
    await log.assertOwned();
  }

  bundle(digest: string): Promise<Uint8Array | null> {
    return this.#parts.bundles.get(digest);
  }

  bundles(): Promise<readonly string[]> {
    return this.#parts.bundles.list();
  }

  /** Runs a job in sequence with the reads. */
  runWithReads(job: () => Promise<void>): Promise<void> {
    return this.#parts.reads.run(job);
  }

  /** Flushes unfiled bytes, makes a checkpoint if one is due, or frees a full disk. To be called once a second. */
  tick(): void {
    if (this.#isTicking) return;
    this.#isTicking = true;
    void this.#tick().finally(() => {
      this.#isTicking = false;
    });
  }

  async #tick(): Promise<void> {
    const { backlog, checkpoints, log, reserve } = this.#parts;
    const isAtRisk = await log.examineSegment();
    this.#ticks += 1;
    this.#quietTicks = log.writtenBytes === this.#writtenBytes ? this.#quietTicks + 1 : 0;
    this.#writtenBytes = log.writtenBytes;
    const isQuiet = this.#quietTicks === QUIET_TICKS;
    if (reserve.isFull) {
      void checkpoints.freeSpace().then(() => reserve.regain());
      return;
    }
    if (checkpoints.isOverdue || isAtRisk || isQuiet || this.#ticks % CHECKPOINT_TICKS === 0)
      void checkpoints.make();
    else void backlog.flush();
  }

  /** Stops all writes, because the directory belongs to another process, or is gone. */
  fence(loss: RuntimeError): void {
    this.#parts.log.fence(loss);
  }

  /** Closes all files of a fenced directory, and writes nothing. */
  async release(): Promise<void> {
    const { log, backlog, files, reads } = this.#parts;
    await log.release();
    await backlog.lane.drained();
    await reads.drained();
    await files.pool.close();
  }

  /**
   * Settles every write, makes a checkpoint, and closes all files. Does not fail: what the checkpoint cannot write stays
   * in the write-ahead log, where the next open finds it.
   */
  async close(): Promise<void> {
    const { log, backlog, checkpoints, files, reads } = this.#parts;
    backlog.beginClosing();
    try {
      await log.drain();
      await checkpoints.make(true);
      // A failure of the last sync was reported. Its bytes are written, and the next open finds them.
      await log.close().catch(() => {});
    } finally {
      await reads.drained();
      await files.pool.close();
    }
  }

  /** Writes the base of a log that is about to be created. */
  async #beginTrimmed(entry: LogEntry, base: Snapshot): Promise<void> {
    try {
      await this.#parts.trims.begin(entry, base);
    } catch (error) {
      entry.phase = 'removed';
      this.#parts.entries.delete(entry.log);
      throw error;
    }
  }

  /** Puts one change through the write-ahead log. The state in memory changes in the step that acknowledges it. */
  #write(kind: LogChange['kind'], entry: LogEntry, batch: Batch, document: string | null): Promise<void> {
    const keys = batch.keys && batch.keys.length > 0 ? encodeKeys(batch.keys) : '';
    const { seq, bytes, keyBytes, log } = entry;
    const { lines, count } = batch;
    const meta = document === null ? keys : document + keys;
    const change: LogChange = { kind, log, seq, bytes, keyBytes, count, meta, lines };
    return new Promise((done, fail) => {
      this.#parts.log.add(
        change,
        (failure, lsn) => {
          if (failure) {
            this.#failed(entry, kind, failure);
            fail(failure);
            return;
          }
          if (kind === FRAME_KIND.remove) this.#removed(entry);
          else this.#added(entry, change, lsn, keys, document);
          done();
        },
        {
          isEssential: kind === FRAME_KIND.remove || batch.isEssential === true,
          isBeginning: batch.isBeginning === true,
        },
      );
    });
  }

  #added(entry: LogEntry, change: LogChange, lsn: number, keys: string, document: string | null): void {
    const { backlog, checkpoints } = this.#parts;
    entry.phase = 'idle';
    backlog.add(entry, change, lsn, keys, document);
    checkpoints.touch(entry);
  }

  #removed(entry: LogEntry): void {
    entry.phase = 'removed';
    this.#parts.entries.delete(entry.log);
    this.#parts.checkpoints.remove(entry);
  }

  #failed(entry: LogEntry, kind: LogChange['kind'], failure: RuntimeError): void {
    entry.isInDoubt = failure.code !== 'STORE_FULL';
    entry.phase = kind === FRAME_KIND.create ? 'removed' : 'idle';
    if (kind === FRAME_KIND.create) this.#parts.entries.delete(entry.log);
  }

  #entry(log: string): LogEntry {
    const entry = this.#parts.entries.get(log);
    if (!entry?.isVisible) throw notFound(log);
    return entry;
  }

  /** Checks that the lines are whole and that the first one has the next number. Nothing else in them is read. */
  #checkLines(entry: LogEntry, { lines, count }: Batch): void {
    if (count > 0 && seqAt(lines, 0) === entry.seq + 1 && lines[lines.length - 1] === NEWLINE) return;
    throw new RuntimeError('STORE_CONFLICT', 'The lines do not continue at the end of the log', {
      details: { log: entry.log, head: entry.head },
    });
  }

  async #check(entry: LogEntry): Promise<void> {
    const { files, disk, reads, report } = this.#parts;
    await reads.run(async () => {
      if (!entry.isChecked) await inspect(entry, files, disk, report);
    });
  }

  /** Marks a log as damaged, and reports it once. */
  #noteDamage(entry: LogEntry, offset: number, cause?: unknown): void {
    if (entry.isDamaged) return;
    const detail = { log: entry.log, cause };
    const message = 'The events of a Worker are damaged';
    reportDamage(entry, this.#parts.report, { message, offset, phase: 'read', detail });
  }

  /** Reports a damaged file other than the events. It does not make the log itself damaged. */
  #reportFile(
    entry: LogEntry,
    file: 'worker' | 'keys',
    severity: StoreFinding['severity'],
    cause: unknown,
  ): void {
    this.#parts.report({
      severity,
      code: 'WORKER_DAMAGED',
      message:
        file === 'keys' ? 'Idempotency keys of a Worker are damaged' : 'The record of a Worker is damaged',
      workerId: entry.workerId,
      details: { file, offset: 0, phase: 'read' },
      detail: { log: entry.log, cause },
    });
  }
}
