import type { JsonValue } from '../contracts/json.ts';
import { RuntimeError } from '../contracts/runtime-error.ts';
import type {
  Batch,
  KeyEntry,
  LinePosition,
  LogHead,
  LogSlice,
  NewLog,
  ReadLimits,
  Snapshot,
  StoredLog,
} from '../contracts/store.ts';

/** The size of the lines that `open` returns with a log. The runtime reads the rest. */
const TAIL_BYTES = 65_536;
const NEWLINE = 0x0a;
const NO_BYTES = new Uint8Array(0);

/**
 * A batch as it was appended. `starts` is computed by the first read that begins or ends inside; most batches need
 * none.
 */
interface KeptBatch {
  readonly firstSeq: number;
  readonly offset: number;
  readonly lines: Uint8Array;
  readonly count: number;
  starts?: Uint32Array;
}

/** Returns the offset of each line of a batch, and the length of the batch as the last element. */
const startsOf = (batch: KeptBatch): Uint32Array => {
  if (batch.starts) return batch.starts;
  const starts = new Uint32Array(batch.count + 1);
  for (let line = 1; line <= batch.count; line += 1) {
    starts[line] = batch.lines.indexOf(NEWLINE, starts[line - 1]) + 1;
  }
  batch.starts = starts;
  return starts;
};

/** Returns the number of indexes that pass, by bisection. Those that pass must come before all others. */
const countWhile = (length: number, passes: (index: number) => boolean): number => {
  let low = 0;
  let high = length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (passes(middle)) low = middle + 1;
    else high = middle;
  }
  return low;
};

/**
 * One log in memory. Appending keeps the batch and copies nothing. Reading looks up two batches by bisection, and
 * copies only a slice that spans several batches.
 */
export class MemoryLog {
  readonly blobs = new Map<string, Uint8Array>();
  readonly workerId: string;
  readonly record: JsonValue;
  readonly #log: string;
  readonly #batches: KeptBatch[] = [];
  #keys: KeyEntry[] = [];
  #head: LogHead = { seq: 0, bytes: 0 };
  #snapshot: Snapshot | null = null;

  constructor(log: string, begin: NewLog, batch: Batch, keptKeys: number) {
    this.#log = log;
    this.workerId = begin.workerId;
    this.record = begin.record;
    this.append(this.#head, batch, keptKeys);
  }

  get head(): LogHead {
    return this.#head;
  }

  /** The last entries, oldest first; at most twice the required number. */
  get keys(): readonly KeyEntry[] {
    return this.#keys.slice();
  }

  /**
   * Appends a batch, and keeps at least the last `keptKeys` key entries.
   * @throws STORE_CONFLICT `after` is not the head; the log is unchanged
   */
  append(after: LogHead, batch: Batch, keptKeys: number): void {
    const { seq, bytes } = this.#head;
    if (after.seq !== seq || after.bytes !== bytes) {
      throw new RuntimeError('STORE_CONFLICT', undefined, {
        details: { log: this.#log, after, head: this.#head },
      });
    }
    this.#batches.push({ firstSeq: seq + 1, offset: bytes, lines: batch.lines, count: batch.count });
    this.#head = { seq: seq + batch.count, bytes: bytes + batch.lines.length };
    if (batch.keys) {
      for (const key of batch.keys) this.#keys.push(key);
      // Entries are cut back only at twice the number, so that cutting costs little per append.
      if (this.#keys.length > 2 * keptKeys) this.#keys = this.#keys.slice(-keptKeys);
    }
  }

  read(position: LinePosition, limits: ReadLimits): LogSlice {
    const count = Math.max(1, limits.count);
    const beyond = this.#head.seq + 1;
    let from = Math.max(1, position.seq);
    let to = Math.min(from, beyond);
    if (limits.direction === 'forward') {
      if (from >= beyond) return { lines: NO_BYTES, count: 0, first: position, gap: null };
      const fitting = this.#linesUpTo(this.#offsetOf(from) + limits.bytes);
      to = Math.max(from + 1, Math.min(from + count, fitting + 1, beyond));
    } else {
      if (to <= 1) return { lines: NO_BYTES, count: 0, first: position, gap: null };
      const tooEarly = this.#linesBefore(this.#offsetOf(to) - limits.bytes);
      from = Math.min(to - 1, Math.max(1, to - count, tooEarly + 1));
    }
    const first = { seq: from, offset: this.#offsetOf(from) };
    return { lines: this.#bytes(first.offset, this.#offsetOf(to)), count: to - from, first, gap: null };
  }

  /** Keeps a snapshot. `undefined` leaves the last one in place. */
  keepSnapshot(snapshot: Snapshot | undefined): void {
    if (snapshot) this.#snapshot = snapshot;
  }

  /** Returns the log as `open` lists it. */
  stored(): StoredLog {
    const kept = this.#snapshot;
    const after = kept?.head ?? { seq: 0, bytes: 0 };
    const tail = this.read(
      { seq: after.seq + 1, offset: after.bytes },
      { count: Number.MAX_SAFE_INTEGER, bytes: TAIL_BYTES, direction: 'forward' },
    );
    return {
      log: this.#log,
      workerId: this.workerId,
      head: this.#head,
      snapshot: kept,
      tail: tail.lines,
      isDamaged: false,
    };
  }

  /** Returns the offset of a line; for the line after the last one, the size of the log. */
  #offsetOf(seq: number): number {
    const batch =
      this.#batches[countWhile(this.#batches.length, (index) => this.#batch(index).firstSeq <= seq) - 1];
    if (!batch) return 0;
    if (seq === batch.firstSeq) return batch.offset;
    if (seq === batch.firstSeq + batch.count) return batch.offset + batch.lines.length;
    return batch.offset + (startsOf(batch)[seq - batch.firstSeq] ?? 0);
  }

  /** Returns the number of lines that end at or before an offset. */
  #linesUpTo(offset: number): number {
    if (offset >= this.#head.bytes) return this.#head.seq;
    const batch = this.#batch(this.#batchAt(offset));
    const starts = startsOf(batch);
    const isWithin = (line: number): boolean => batch.offset + (starts[line + 1] ?? 0) <= offset;
    return batch.firstSeq - 1 + countWhile(batch.count, isWithin);
  }

  /** Returns the number of lines that begin before an offset. */
  #linesBefore(offset: number): number {
    if (offset <= 0) return 0;
    const batch = this.#batch(this.#batchAt(offset - 1));
    const starts = startsOf(batch);
    const isBefore = (line: number): boolean => batch.offset + (starts[line] ?? 0) < offset;
    return batch.firstSeq - 1 + countWhile(batch.count, isBefore);
  }

  /** Returns the index of the batch that holds a byte. */
  #batchAt(offset: number): number {
    return countWhile(this.#batches.length, (index) => this.#batch(index).offset <= offset) - 1;
  }

  #bytes(begin: number, end: number): Uint8Array {
    const index = this.#batchAt(begin);
    const batch = this.#batch(index);
    if (end <= batch.offset + batch.lines.length)
      return batch.lines.subarray(begin - batch.offset, end - batch.offset);
    const bytes = new Uint8Array(end - begin);
    for (let next = index, at = begin; at < end; next += 1) {
      const { offset, lines } = this.#batch(next);
      const isWhole = at === offset && offset + lines.length <= end;
      const piece = isWhole ? lines : lines.subarray(at - offset, end - offset);
      bytes.set(piece, at - begin);
      at += piece.length;
    }
    return bytes;
  }

  #batch(index: number): KeptBatch {
    return this.#batches[index] as KeptBatch;
  }
}
