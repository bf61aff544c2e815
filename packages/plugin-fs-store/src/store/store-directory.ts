import {
  type Batch,
  type JsonValue,
  type KeyEntry,
  type LinePosition,
  type LogHead,
  type LogSlice,
  type NewLog,
  type ReadLimits,
  RuntimeError,
  type StoreFinding,
} from '@worker-runtime/core';
import type { Checkpoints } from '../checkpoint/checkpoints.ts';
import type { Disk } from '../disk/disk.ts';
import { diskFailure, isMisplaced } from '../disk/disk-failure.ts';
import type { Lane } from '../disk/lane.ts';
import type { Backlog } from '../files/backlog.ts';
import type { BundleFiles } from '../files/bundle-files.ts';
import { inspect } from '../files/inspection.ts';
import { LogEntry, NOTHING_FILED } from '../files/log-entry.ts';
import type { WorkerFiles } from '../files/worker-files.ts';
import { encodeKeys } from '../layout/key-lines.ts';
import { NEWLINE, seqAt } from '../layout/line.ts';
import { decodeDocument, encodeDocument } from '../layout/worker-document.ts';
import { readKeys } from '../read/key-reader.ts';
import { sourceOf } from '../read/line-source.ts';
import { readSlice } from '../read/slice-reader.ts';
import { FRAME_KIND, type LogChange } from '../wal/frame.ts';
import type { WriteAheadLog } from '../wal/write-ahead-log.ts';

const NO_BYTES = new Uint8Array(0);
const LOG_ID = /^[\x21-\x7e]{1,100}$/;

export interface SessionParts {
  readonly disk: Disk;
  readonly entries: Map<string, LogEntry>;
  readonly log: WriteAheadLog;
  readonly backlog: Backlog;
  readonly files: WorkerFiles;
  readonly checkpoints: Checkpoints;
  readonly bundles: BundleFiles;
  readonly reads: Lane;
  /** How many key entries of each log the runtime reads back. */
  readonly keptKeys: number;
  readonly report: (finding: StoreFinding) => void;
}

const notFound = (log: string): RuntimeError =>
  new RuntimeError('WORKER_NOT_FOUND', 'There is no such log', { details: { log } });

/** An open store: logs by their ids, and what may be done with them. */
export class Session {
  readonly parts: SessionParts;

  constructor(parts: SessionParts) {
    this.parts = parts;
  }

  async create(log: string, begin: NewLog, batch: Batch): Promise<void> {
    const { entries } = this.parts;
    if (!LOG_ID.test(log) || batch.count < 1) {
      throw new RuntimeError(
        'INVALID_REQUEST',
        'A log has an id of plain characters, and begins with a line',
      );
    }
    if (entries.has(log))
      throw new RuntimeError('STORE_CONFLICT', 'The log exists already', { details: { log } });
    const entry = new LogEntry(log, begin.workerId, NOTHING_FILED);
    this.#checkLines(entry, batch);
    entry.isVisible = false;
    entry.isBusy = true;
    entry.isChecked = true;
    entries.set(log, entry);
    const document = encodeDocument(log, begin.workerId, begin.record);
    return this.#write(FRAME_KIND.create, entry, batch, document);
  }

  async append(log: string, after: LogHead, batch: Batch): Promise<void> {
    const entry = this.#entry(log);
    if (!entry.isChecked) await this.#check(entry);
    if (entry.isRemoved) throw notFound(log);
    if (entry.isDamaged) {
      throw new RuntimeError('WORKER_DAMAGED', undefined, { details: { workerId: entry.workerId } });
    }
    if (entry.isBusy || after.seq !== entry.seq || after.bytes !== entry.bytes) {
      throw new RuntimeError('STORE_CONFLICT', undefined, { details: { log, after, head: entry.head } });
    }
    this.#checkLines(entry, batch);
    entry.isBusy = true;
    return this.#write(FRAME_KIND.append, entry, batch, null);
  }

  async head(log: string): Promise<LogHead> {
    const known = this.parts.entries.get(log);
    // A turn in the log's lane: what was on its way before has ended then, and what failed is fenced.
    const mayBeInDoubt = known?.isVisible ? known.isBusy || known.isInDoubt : true;
    if (mayBeInDoubt) await this.parts.log.settled();
    const entry = this.#entry(log);
    entry.isInDoubt = false;
    return entry.head;
  }

  async read(log: string, position: LinePosition, limits: ReadLimits): Promise<LogSlice> {
    const entry = this.#entry(log);
    const { files, disk, reads } = this.parts;
    const source = sourceOf(entry, files, disk, reads);
    try {
      return await readSlice(source, position, limits, (offset) => this.#noteDamage(entry, 'events', offset));
    } catch (error) {
      if (entry.isRemoved) throw notFound(log);
      // A disk that fails now may read later; a file that is not there will not come back.
      if (!isMisplaced(error)) throw diskFailure(error);
      this.#noteDamage(entry, 'events', 0, error);
      return this.#unreadable(entry, position, limits);
    }
  }

  async record(log: string): Promise<JsonValue> {
    const entry = this.#entry(log);
    const { files, disk, reads } = this.parts;
    const behind = entry.behind?.document;
    let cause: unknown;
    try {
      const text = behind ? Buffer.from(behind) : await reads.run(() => disk.readFile(files.document(entry)));
      const document = decodeDocument(text);
      if (document?.log === log) return document.record;
    } catch (error) {
      cause = error;
    }
    if (entry.isRemoved) throw notFound(log);
    this.#noteDamage(entry, 'worker', 0, cause);
    throw new RuntimeError('WORKER_DAMAGED', 'The record of the Worker cannot be read', { cause });
  }

  async keys(log: string): Promise<readonly KeyEntry[]> {
    const entry = this.#entry(log);
    const { files, disk, reads, keptKeys } = this.parts;
    const onDamage = (cause?: unknown): void => this.#noteDamage(entry, 'keys', 0, cause);
    try {
      return await reads.run(() => readKeys(entry, files, disk, keptKeys, onDamage));
    } catch (error) {
      if (entry.isRemoved) throw notFound(log);
      onDamage(error);
      return [];
    }
  }

  async remove(log: string): Promise<void> {
    const entry = this.parts.entries.get(log);
    if (!entry?.isVisible) return;
    if (entry.isBusy) throw new RuntimeError('STORE_CONFLICT', 'The log is being written');
    entry.isBusy = true;
    return this.#write(FRAME_KIND.remove, entry, { lines: NO_BYTES, count: 0 }, null);
  }

  /** Puts one change through the log. What it changes in memory changes in the step that acknowledges it. */
  #write(kind: LogChange['kind'], entry: LogEntry, batch: Batch, document: string | null): Promise<void> {
    const keys = batch.keys && batch.keys.length > 0 ? encodeKeys(batch.keys) : '';
    const { seq, bytes, keyBytes, log } = entry;
    const { lines, count } = batch;
    const meta = document === null ? keys : document + keys;
    const change: LogChange = { kind, log, seq, bytes, keyBytes, count, meta, lines };
    return new Promise((done, fail) => {
      this.parts.log.add(change, (failure, lsn) => {
        entry.isBusy = false;
        if (failure) {
          entry.isInDoubt = failure.code !== 'STORE_FULL';
          if (kind === FRAME_KIND.create) this.parts.entries.delete(log);
          fail(failure);
          return;
        }
        if (kind === FRAME_KIND.remove) this.#removed(entry);
        else this.#added(entry, change, lsn, keys, document);
        done();
      });
    });
  }

  #added(entry: LogEntry, change: LogChange, lsn: number, keys: string, document: string | null): void {
    const { backlog, checkpoints } = this.parts;
    backlog.add(entry, change, lsn, keys, document);
    entry.seq = change.seq + change.count;
    entry.bytes = change.bytes + change.lines.length;
    if (keys !== '') entry.keyBytes += Buffer.byteLength(keys);
    entry.isVisible = true;
    checkpoints.touch(entry);
  }

  #removed(entry: LogEntry): void {
    entry.isRemoved = true;
    this.parts.entries.delete(entry.log);
    this.parts.checkpoints.remove(entry);
  }

  #entry(log: string): LogEntry {
    const entry = this.parts.entries.get(log);
    if (!entry?.isVisible) throw notFound(log);
    return entry;
  }

  /** The one look into the lines: they are whole, and the first has the next number. */
  #checkLines(entry: LogEntry, { lines, count }: Batch): void {
    if (count > 0 && seqAt(lines, 0) === entry.seq + 1 && lines[lines.length - 1] === NEWLINE) return;
    throw new RuntimeError('STORE_CONFLICT', 'The lines do not go on where the log ends', {
      details: { log: entry.log, head: entry.head },
    });
  }

  async #check(entry: LogEntry): Promise<void> {
    const { files, disk, reads, report } = this.parts;
    await reads.run(async () => {
      if (!entry.isChecked) await inspect(entry, files, disk, report);
    });
  }

  #noteDamage(entry: LogEntry, file: string, offset: number, detail?: unknown): void {
    // A damaged record or key file does not make the lines wrong.
    if (file === 'events' && entry.isDamaged) return;
    if (file === 'events') entry.isDamaged = true;
    this.parts.report({
      severity: file === 'keys' ? 'warning' : 'error',
      code: 'WORKER_DAMAGED',
      message: 'A file of a Worker is damaged',
      workerId: entry.workerId,
      details: { file, offset, phase: 'read' },
      detail: { log: entry.log, cause: detail },
    });
  }

  /** What is said of a file that cannot be read at all. */
  #unreadable(entry: LogEntry, position: LinePosition, { direction }: ReadLimits): LogSlice {
    const code = 'LINES_DAMAGED';
    const gap =
      direction === 'forward'
        ? { afterSeq: Math.max(0, position.seq - 1), beforeSeq: entry.seq + 1, code }
        : { afterSeq: 0, beforeSeq: Math.min(position.seq, entry.seq + 1), code };
    return { lines: NO_BYTES, count: 0, first: position, gap };
  }
}
