import type { LogHead, Snapshot } from '@worker-runtime/core/plugin-kit';
import { type ChangeHead, FRAME_KIND, type ReplayedChange, SegmentPart } from '../wal/frame.ts';

/** One acknowledged batch that is in the write-ahead log and not in the Worker's own files yet. */
export interface BatchRecord {
  readonly lines: Uint8Array;
  /** The bytes of the log before the batch, and up to its end. */
  readonly start: number;
  readonly end: number;
  /** The number of its last line. */
  readonly lastSeq: number;
  readonly lsn: number;
  /** Its lines of `keys.jsonl`. */
  readonly keys: string;
}

/** A batch that a replay has found. Its lines stay bytes of the segment. */
export class ReplayedBatch extends SegmentPart implements BatchRecord {
  readonly start: number;
  readonly lastSeq: number;
  readonly lsn: number;
  readonly keys: string;

  constructor({ segment, linesAt, end, bytes, seq, count, keys }: ReplayedChange, lsn: number) {
    super(segment, linesAt, end);
    this.start = bytes;
    this.lastSeq = seq + count;
    this.lsn = lsn;
    this.keys = keys;
  }

  get lines(): Uint8Array {
    return this.bytes;
  }

  get end(): number {
    return this.start + this.length;
  }
}

/** The part of a log that is in the write-ahead log and not in the Worker's own files yet. */
export interface Unfiled {
  batches: BatchRecord[];
  /** The text of `worker.json`, for a log that has no files yet. After an open, its bytes. */
  document: string | SegmentPart | null;
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
const FEW_BATCHES = 4;

/** Returns the bytes of `worker.json`; none if the files have them. */
export const documentOf = (unfiled: Unfiled | null): Buffer => {
  const document = unfiled?.document ?? '';
  return typeof document === 'string' ? Buffer.from(document) : document.bytes;
};

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
  add(change: ChangeHead, lsn: number, keys: string, document: string | null = null): void {
    const { lines, bytes: start, seq, count } = change;
    const batch = { lines, start, end: start + lines.length, lastSeq: seq + count, lsn, keys };
    this.#add(batch, change.keyBytes, document);
  }

  /** Adds an acknowledged change that a replay has found. */
  addReplayed(change: ReplayedChange, lsn: number): void {
    const document = change.kind === FRAME_KIND.create ? change.document : null;
    this.#add(new ReplayedBatch(change, lsn), change.keyBytes, document);
  }

  /** Adds lines that an earlier process acknowledged and could not file. */
  adopt(lines: BatchRecord, document: string | null): void {
    this.#add(lines, this.keyBytes, document);
  }

  /** Adds a batch to the unfiled ones, and not to the log. */
  addUnfiled(batch: BatchRecord, document: Unfiled['document'] = null): void {
    const { unfiled } = this;
    // the first ones not by pushing, which makes room for many, because most logs of a large replay have few
    if (unfiled && unfiled.batches.length < FEW_BATCHES) unfiled.batches = [...unfiled.batches, batch];
    else if (unfiled) unfiled.batches.push(batch);
    else this.unfiled = { batches: [batch], document, needsCut: !this.isChecked };
  }

  #add(batch: BatchRecord, keyBytes: number, document: Unfiled['document']): void {
    this.addUnfiled(batch, document);
    this.seq = batch.lastSeq;
    this.bytes = batch.end;
    this.keyBytes = batch.keys === '' ? keyBytes : keyBytes + Buffer.byteLength(batch.keys);
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

  /** Copies all unfiled lines to a place in memory. */
  copyUnfiled(target: Buffer, at: number): void {
    const { bytes: filed } = this.filed;
    for (const batch of this.unfiled?.batches ?? []) {
      const to = at + batch.start - filed;
      if (batch instanceof ReplayedBatch) batch.copyTo(target, to);
      else target.set(batch.lines, to);
    }
  }

  /**
   * Returns whole batches from an offset on, up to a limit. Returns no bytes if the first of them is not in memory, or
   * is larger than the limit.
   */
  tailFrom(offset: number, limitBytes: number): Uint8Array {
    const { unfiled } = this;
    if (!unfiled || offset < this.filed.bytes || offset >= this.bytes) return NO_BYTES;
    let end = offset;
    for (const batch of unfiled.batches) {
      if (batch.end > offset + limitBytes) break;
      end = Math.max(end, batch.end);
    }
    return end === offset ? NO_BYTES : unfiledBytes(unfiled, offset, end);
  }
}

/** Returns a range of the unfiled bytes. Copies only if the range spans several batches. */
export const unfiledBytes = ({ batches }: Unfiled, from: number, to: number): Uint8Array => {
  let low = 0;
  let high = batches.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >>> 1;
    if ((batches[middle] as BatchRecord).start <= from) low = middle;
    else high = middle - 1;
  }
  const { lines: first, start } = batches[low] as BatchRecord;
  if (to <= start + first.length) return first.subarray(from - start, to - start);
  const bytes = Buffer.allocUnsafe(to - from);
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
