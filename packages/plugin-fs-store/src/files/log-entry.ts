import type { LogHead, Snapshot } from '@worker-runtime/core';

/** What is in the log but not yet in the Worker's own files. */
export interface Behind {
  /** Whole batches, and for each where it begins, its last line's number, its LSN and its lines of `keys.jsonl`. */
  readonly chunks: Uint8Array[];
  readonly starts: number[];
  readonly seqs: number[];
  readonly lsns: number[];
  readonly keys: string[];
  /** The text of `worker.json`, for a log that has no files yet. */
  document: string | null;
  /** The files may hold more than they should, unsynced, of a process before: they are cut first. */
  isUncut: boolean;
}

/** How much the Worker's files hold of its log. */
export interface Filed {
  readonly seq: number;
  readonly bytes: number;
  readonly keyBytes: number;
}

const NO_BYTES = new Uint8Array(0);

export const NOTHING_FILED: Filed = { seq: 0, bytes: 0, keyBytes: 0 };

/** One log in memory: as little as can be, for there are many. */
export class LogEntry {
  readonly log: string;
  readonly workerId: string;
  /** What was acknowledged. */
  seq: number;
  bytes: number;
  keyBytes: number;
  /** What the files hold. */
  filed: Filed;
  /** What they held at the last checkpoint, which no failed sync puts into doubt. */
  synced: Filed;
  behind: Behind | null = null;
  /** The one that the catalog has, until the log is listed. */
  snapshot: Snapshot | null = null;
  /** An append, creation or removal is on its way. */
  isBusy = false;
  /** An attempt failed of which a crash now could leave something. */
  isInDoubt = false;
  /** False for a log whose creation is not acknowledged, or whose removal is. */
  isVisible = true;
  isRemoved = false;
  isDamaged = false;
  /** Its last lines were put aside, since its own files cannot be written. */
  isRescued = false;
  /** The files were found to fit, or were written by this process. */
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

  /** Whole batches from an offset on that are in memory, up to a limit; none where the offset is not in memory. */
  tailFrom(offset: number, limitBytes: number): Uint8Array {
    const { behind } = this;
    if (!behind || offset < this.filed.bytes || offset >= this.bytes) return NO_BYTES;
    let end = offset;
    for (const start of [...behind.starts.slice(1), this.bytes]) {
      if (start > offset + limitBytes) break;
      end = Math.max(end, start);
    }
    return end === offset ? NO_BYTES : bytesBehind(behind, offset, end);
  }
}

/** A range of the bytes behind; copied only where it spans several batches. */
export const bytesBehind = (behind: Behind, from: number, to: number): Uint8Array => {
  const { chunks, starts } = behind;
  let low = 0;
  let high = starts.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >>> 1;
    if ((starts[middle] as number) <= from) low = middle;
    else high = middle - 1;
  }
  const first = chunks[low] as Uint8Array;
  const start = starts[low] as number;
  if (to <= start + first.length) return first.subarray(from - start, to - start);
  const bytes = Buffer.allocUnsafe(to - from);
  for (let at = from; at < to; low += 1) {
    const chunk = chunks[low] as Uint8Array;
    const offset = at - (starts[low] as number);
    const end = Math.min(chunk.length, offset + to - at);
    bytes.set(chunk.subarray(offset, end), at - from);
    at += end - offset;
  }
  return bytes;
};
