import type { JsonValue } from '../../contracts/json.ts';
import type {
  Batch,
  KeyEntry,
  LinePosition,
  LogHead,
  NewLog,
  ReadLimits,
  Snapshot,
} from '../../contracts/store.ts';

/** Encodes one line in the form that the runtime writes: first its number, then any data. */
const lineOf = (seq: number, text: string): Uint8Array =>
  Buffer.from(`{"seq":${seq},"data":${JSON.stringify(text)}}\n`);

const keyOf = (seq: number, offset: number): KeyEntry => ({
  hash: `hash-${seq}`,
  digest: `digest-${seq}`,
  seq,
  offset,
});

/** Returns the snapshot of a log at a head. It depends only on the head, so a test can check any listed snapshot. */
export const snapshotAt = (head: LogHead): Snapshot => ({
  head,
  text: JSON.stringify({ at: [head.seq, head.bytes], note: `é ","value":${head.seq}`, nothing: null }),
});

/** The lines from number `from` up to, but not including, number `to`. */
export interface Range {
  readonly from: number;
  readonly to: number;
}

/** The model of one log: all lines that the store has acknowledged, in plain arrays. */
export class LogModel {
  readonly workerId: string;
  readonly record: JsonValue;
  /** The number of lines that were removed from the beginning. The model still has them. */
  trimmedTo = 0;
  readonly #lines: Uint8Array[] = [];
  readonly #offsets: number[] = [0];
  readonly #keys: KeyEntry[] = [];
  readonly #heads = new Set<string>(['0/0']);

  constructor(begin: NewLog) {
    this.workerId = begin.workerId;
    this.record = begin.record;
  }

  get head(): LogHead {
    return { seq: this.#lines.length, bytes: this.offsetOf(this.#lines.length + 1) };
  }

  get keys(): KeyEntry[] {
    return this.#keys;
  }

  /** Returns the number of bytes before a line that exists or would be the next one. */
  offsetOf(seq: number): number {
    return this.#offsets[seq - 1] ?? Number.NaN;
  }

  position(seq: number): LinePosition {
    return { seq, offset: this.offsetOf(seq) };
  }

  /** Makes a batch of the next lines, one per text. If `hasKeys` is true, each line has an idempotency key. */
  batch(texts: readonly string[], hasKeys = false): Batch {
    const { seq, bytes } = this.head;
    const lines: Uint8Array[] = [];
    const keys: KeyEntry[] = [];
    let offset = bytes;
    for (const [index, text] of texts.entries()) {
      const line = lineOf(seq + 1 + index, text);
      keys.push(keyOf(seq + 1 + index, offset));
      lines.push(line);
      offset += line.length;
    }
    const batch = { lines: Buffer.concat(lines), count: texts.length };
    return hasKeys ? { ...batch, keys } : batch;
  }

  /** Adds a batch that the store has acknowledged. */
  add(batch: Batch): void {
    const lines = Buffer.from(batch.lines);
    for (let start = 0; start < lines.length; ) {
      const end = lines.indexOf('\n', start) + 1;
      this.#offsets.push(this.head.bytes + (end - start));
      this.#lines.push(lines.subarray(start, end));
      start = end;
    }
    this.#keys.push(...(batch.keys ?? []));
    this.#heads.add(`${this.head.seq}/${this.head.bytes}`);
  }

  /** True if the log ended at this head after one of its batches. */
  hadHead(head: LogHead): boolean {
    return this.#heads.has(`${head.seq}/${head.bytes}`);
  }

  /** Returns the bytes of a range of lines; without one, of the whole log. */
  bytes({ from, to }: Range = { from: 1, to: this.head.seq + 1 }): Uint8Array {
    return Buffer.concat(this.#lines.slice(from - 1, to - 1));
  }

  /** Returns the range of lines that a read must return. Computes it line by line. */
  expectedRange(seq: number, limits: ReadLimits): Range {
    const isForward = limits.direction === 'forward';
    let from = seq;
    let to = seq;
    let bytes = 0;
    while (to - from < limits.count) {
      const next = this.#lines[(isForward ? to : from - 1) - 1];
      if (!next || (to > from && bytes + next.length > limits.bytes)) break;
      bytes += next.length;
      if (isForward) to += 1;
      else from -= 1;
    }
    return { from, to };
  }
}
