import type { LogHead, Snapshot } from '@worker-runtime/core/plugin-kit';
import type { ChangeHead } from '../wal/frame.ts';

/** One acknowledged batch that is in the write-ahead log and not in the Worker's own files yet. */
export interface BatchRecord {
  readonly lines: Uint8Array;
  /** The bytes of the log before the batch. */
  readonly start: number;
  /** The number of its last line. */
  readonly lastSeq: number;
  readonly lsn: number;
  /** Its lines of `keys.jsonl`. */
  readonly keys: string;
}

/** The part of a log that is in the write-ahead log and not in the Worker's own files yet. */
export interface Unfiled {
  readonly batches: BatchRecord[];
  /** The text of `worker.json`, for a log that has no files yet. After an open, its bytes. */
  document: string | Buffer | null;
  /** True if the files may hold unsynced bytes of an earlier process. They are cut before they are written. */
  needsCut: boolean;
}

/** The part of a log that the Worker's own files hold. */
export interface Filed {
  readonly seq: number;
  readonly bytes: number;
  readonly keyBytes: number;
}

/**
 * The life of a log. A log in the phase `creating` is not visible to readers. A log in the phase `removing` is, until its
 * removal is acknowledged.
 */
export type LogPhase = 'creating' | 'idle' | 'appending' | 'removing' | 'removed';

const NO_BYTES = new Uint8Array(0);

/** Returns memory for a number of bytes. */
type Allocate = (bytes: number) => Buffer;

export const NOTHING_FILED: Filed = { seq: 0, bytes: 0, keyBytes: 0 };

/** One log in memory. It holds as little as possible, because a store may have very many logs. */
export class LogEntry {
  readonly log: string;
  readonly workerId: string;
  /** The acknowledged length of the log. */
  seq: number;
  bytes: number;
  keyBytes: number;
  filed: Filed;
  /** The part of it that was synced, by the last checkpoint or the one in progress. No failed sync can put it in doubt. */
  synced: Filed;
  unfiled: Unfiled | null = null;
  /** The snapshot in the catalog, until the log is listed. */
  snapshot: Snapshot | null = null;
  /** The end of the lines that were trimmed. */
  begin: LogHead = NOTHING_FILED;
  /** The snapshot in place of these lines, until the log is listed. */
  base: Snapshot | null = null;
  phase: LogPhase = 'idle';
  /** A failed write may still be on disk. Its outcome is unknown until `head` has settled it. */
  isInDoubt = false;
  /** The lines have a hole, or cannot be read. */
  isDamaged = false;
  /** The last read failed, because the file could not be opened. It may be readable again later. */
  isUnreadable = false;
  /** The files were found to match, or were written by this process. */
  isChecked = false;

  constructor(log: string, workerId: string, filed: Filed) {
    this.log = log;
    this.workerId = workerId;
    this.filed = filed;
    this.synced = filed;
    this.seq = filed.seq;
    this.bytes = filed.bytes;
    this.keyBytes = filed.keyBytes;
  }

  get head(): LogHead {
    return { seq: this.seq, bytes: this.bytes };
  }

  get isVisible(): boolean {
    return this.phase !== 'creating';
  }

  /** True if the files of the log have lines of it. */
  get hasFiles(): boolean {
    return this.filed.bytes > this.begin.bytes;
  }

  /** True if first lines of the log were removed. */
  get isTrimmed(): boolean {
    return this.begin.seq > 0;
  }

  /** True while a creation, an append or a removal is in progress. */
  get isBusy(): boolean {
    return this.phase === 'creating' || this.phase === 'appending' || this.phase === 'removing';
  }

  get isRemoved(): boolean {
    return this.phase === 'removed';
  }

  /** Adds an acknowledged change to the log and to its unfiled batches. */
  add(change: ChangeHead, lsn: number, keys: string, document: Unfiled['document'] = null): void {
    this.addUnfiled(change, lsn, keys, document);
    this.seq = change.seq + change.count;
    this.bytes = change.bytes + change.lines.length;
    this.keyBytes = keys === '' ? change.keyBytes : change.keyBytes + Buffer.byteLength(keys);
  }

  addUnfiled(change: ChangeHead, lsn: number, keys: string, document: Unfiled['document'] = null): void {
    this.unfiled ??= { batches: [], document, needsCut: !this.isChecked };
    const { lines, bytes: start, seq, count } = change;
    this.unfiled.batches.push({ lines, start, lastSeq: seq + count, lsn, keys });
  }

  /** Adds lines that an earlier process acknowledged and could not file. */
  adopt(lines: BatchRecord, document: string | null): void {
    this.unfiled ??= { batches: [], document, needsCut: true };
    this.unfiled.batches.push(lines);
    this.seq = lines.lastSeq;
    this.bytes = lines.start + lines.lines.length;
    this.keyBytes += Buffer.byteLength(lines.keys);
  }

  /** Notes that the first `count` unfiled batches are filed. */
  noteFiled(count: number, bytes: number, keyBytes: number): void {
    const { filed, unfiled } = this;
    const seq = unfiled?.batches[count - 1]?.lastSeq ?? filed.seq;
    this.filed = { seq, bytes: filed.bytes + bytes, keyBytes: filed.keyBytes + keyBytes };
    // Batches that were added in the meantime stay. In the same step, so that no read sees a batch twice, or not at all.
    unfiled?.batches.splice(0, count);
  }

  /** Releases the unfiled batches, and resets the filed part, because the log is removed. */
  releaseUnfiled(): void {
    this.unfiled = null;
    this.filed = NOTHING_FILED;
    this.synced = NOTHING_FILED;
  }

  /**
   * Returns whole batches from an offset on, up to a limit. Returns no bytes if the first of them is not in memory, or
   * is larger than the limit. With `allocate`, the result is a copy in memory from there.
   */
  tailFrom(offset: number, limitBytes: number, allocate?: Allocate): Uint8Array {
    const { unfiled } = this;
    if (!unfiled || offset < this.filed.bytes || offset >= this.bytes) return NO_BYTES;
    let end = offset;
    for (const { start, lines } of unfiled.batches) {
      const batchEnd = start + lines.length;
      if (batchEnd > offset + limitBytes) break;
      end = Math.max(end, batchEnd);
    }
    return end === offset ? NO_BYTES : unfiledBytes(unfiled, offset, end, allocate);
  }
}

/**
 * Returns a range of the unfiled bytes. Copies only if the range spans several batches, or if memory for the copy is given.
 */
export const unfiledBytes = (
  { batches }: Unfiled,
  from: number,
  to: number,
  allocate?: Allocate,
): Uint8Array => {
  let low = 0;
  let high = batches.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >>> 1;
    if ((batches[middle] as BatchRecord).start <= from) low = middle;
    else high = middle - 1;
  }
  const { lines: first, start } = batches[low] as BatchRecord;
  if (!allocate && to <= start + first.length) return first.subarray(from - start, to - start);
  const bytes = allocate ? allocate(to - from) : Buffer.allocUnsafe(to - from);
  for (let at = from; at < to; low += 1) {
    const { lines, start: begin } = batches[low] as BatchRecord;
    const offset = at - begin;
    const end = Math.min(lines.length, offset + to - at);
    const isWhole = offset === 0 && end === lines.length;
    bytes.set(isWhole ? lines : lines.subarray(offset, end), at - from);
    at += end - offset;
  }
  return bytes;
};
