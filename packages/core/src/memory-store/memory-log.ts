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
  #base: Snapshot | null;

  constructor(log: string, begin: NewLog, batch: Batch, keptKeys: number) {
    this.#log = log;
    this.workerId = begin.workerId;
    this.record = begin.record;
    this.#base = begin.base ?? null;
    if (begin.base) this.#head = begin.base.head;
    this.append(this.#head, batch, keptKeys);
  }

  get base(): Snapshot | null {
    return this.#base;
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

  /** Removes the lines up to the base. @throws STORE_CONFLICT the log is unchanged */
  trim(base: Snapshot): void {
    const { seq, bytes } = base.head;
    if (seq >= this.#head.seq || seq < this.#firstSeq - 1)
      throw new RuntimeError('STORE_CONFLICT', 'The log cannot begin there', { details: { log: this.#log } });
    if (this.#offsetOf(seq + 1) !== bytes) throw new RuntimeError('STORE_CONFLICT', 'No line begins there');
    const at = countWhile(this.#batches.length, (index) => this.#batch(index).firstSeq <= seq + 1) - 1;
    const { firstSeq, offset, lines, count } = this.#batch(at);
    // copied, so that the removed lines take no memory
    const rest = {
      firstSeq: seq + 1,
      offset: bytes,
      lines: lines.slice(bytes - offset),
      count: count - (seq + 1 - firstSeq),
    };
    this.#batches.splice(0, at + 1, ...(rest.count > 0 ? [rest] : []));
    this.#base = base;
    if (this.#snapshot && this.#snapshot.head.seq < seq) this.#snapshot = null;
  }

  read(position: LinePosition, limits: ReadLimits): LogSlice {
    const first = this.#firstSeq;
    if (limits.direction === 'forward' && Math.max(1, position.seq) < first)
      throw new RuntimeError('CURSOR_EXPIRED', 'These lines were removed');
    const count = Math.max(1, limits.count);
    const beyond = this.#head.seq + 1;
    let from = Math.max(1, position.seq);
    let to = Math.min(from, beyond);
    if (limits.direction === 'forward') {
      if (from >= beyond) return { lines: NO_BYTES, count: 0, first: position, gap: null };
      const fitting = this.#linesUpTo(this.#offsetOf(from) + limits.bytes);
      to = Math.max(from + 1, Math.min(from + count, fitting + 1, beyond));
    } else {
      if (to <= first) return { lines: NO_BYTES, count: 0, first: position, gap: null };
      const tooEarly = this.#linesBefore(this.#offsetOf(to) - limits.bytes);
      from = Math.min(to - 1, Math.max(first, to - count, tooEarly + 1));
    }
    const offset = this.#offsetOf(from);
    const lines = this.#bytes(offset, this.#offsetOf(to));
    return { lines, count: to - from, first: { seq: from, offset }, gap: null };
  }

  /** Keeps a snapshot. `undefined` leaves the last one in place. */
  keepSnapshot(snapshot: Snapshot | undefined): void {
    if (snapshot) this.#snapshot = snapshot;
  }

  /** Returns the log as `open` lists it. */
  stored(): StoredLog {
    const kept = this.#snapshot;
    const after = kept?.head ?? this.#base?.head ?? { seq: 0, bytes: 0 };
    const tail = this.read(
      { seq: after.seq + 1, offset: after.bytes },
      { count: Number.MAX_SAFE_INTEGER, bytes: TAIL_BYTES, direction: 'forward' },
    );
    return {
      log: this.#log,
      workerId: this.workerId,
      head: this.#head,
      snapshot: kept,
      ...(this.#base && { base: this.#base }),
      tail: tail.lines,
      isDamaged: false,
    };
  }

  /** The number of the first line that is there. */
  get #firstSeq(): number {
    return (this.#base?.head.seq ?? 0) + 1;
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
    if (offset <= (this.#base?.head.bytes ?? 0)) return this.#firstSeq - 1;
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
