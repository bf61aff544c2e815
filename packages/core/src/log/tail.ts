import type { LogSlice } from '../contracts/store.ts';

interface Chunk {
  /** The position of its first line. */
  readonly seq: number;
  readonly offset: number;
  readonly count: number;
  readonly lines: Uint8Array;
}

const NEWLINE = 0x0a;
/** The size up to which a tail is removed as a whole, as is one of a single commit. */
const SMALL_BYTES = 4_096;

/** Finds the end of the first `count` lines, within `bytes` unless the first line alone is longer. */
const cut = (
  lines: Uint8Array,
  count: number,
  bytes: number,
): { readonly end: number; readonly count: number } => {
  let end = 0;
  let taken = 0;
  while (taken < count && end < lines.length) {
    const next = lines.indexOf(NEWLINE, end) + 1;
    if (taken > 0 && next > bytes) break;
    end = next;
    taken += 1;
  }
  return { end, count: taken };
};

/**
 * The last lines of the log of one Worker, in the chunks in which they were committed, shared by all of its readers.
 * Bounded by bytes: the oldest chunks are removed. Finding a line costs the logarithm of the number of chunks.
 */
export class Tail {
  readonly #limitBytes: number;
  #chunks: Chunk[] = [];
  #bytes = 0;
  /** The last request and its result: readers at the same position ask for the same slice one after the other. */
  #last: {
    readonly seq: number;
    readonly count: number;
    readonly bytes: number;
    readonly slice: LogSlice;
  } | null = null;

  constructor(limitBytes: number) {
    this.#limitBytes = limitBytes;
  }

  /** The size of the lines. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Adds the lines of one commit, of which the first has this number and begins at this offset. */
  push(seq: number, offset: number, count: number, lines: Uint8Array): void {
    this.#last = null;
    this.#chunks.push({ seq, offset, count, lines });
    this.#bytes += lines.length;
    // half is removed at once, so that a push stays cheap on average
    if (this.#bytes > this.#limitBytes) this.#removeDownTo(this.#limitBytes / 2);
  }

  /**
   * Removes the older half of the lines, or all of a small tail or of the last commit. Returns the size of the rest. The newest lines are
   * those of the run in progress, whose readers would otherwise have to read them from the store.
   */
  shrink(): number {
    if (this.#bytes > SMALL_BYTES && this.#chunks.length > 1) this.#removeDownTo(this.#bytes / 2);
    else this.clear();
    return this.#bytes;
  }

  clear(): void {
    this.#last = null;
    this.#chunks = [];
    this.#bytes = 0;
  }

  /**
   * Returns the lines from number `seq` on, within both limits but at least one, or null if the tail does not hold
   * them. Returns the same slice for the same request.
   */
  from(seq: number, count: number, bytes: number): LogSlice | null {
    const last = this.#last;
    if (last && last.seq === seq && last.count === count && last.bytes === bytes) return last.slice;
    const slice = this.#find(seq, count, bytes);
    this.#last = slice && { seq, count, bytes, slice };
    return slice;
  }

  #removeDownTo(bytes: number): void {
    this.#last = null;
    let removed = 0;
    while (removed < this.#chunks.length - 1 && this.#bytes > bytes) {
      this.#bytes -= (this.#chunks[removed] as Chunk).lines.length;
      removed += 1;
    }
    this.#chunks = this.#chunks.slice(removed);
  }

  #find(seq: number, count: number, bytes: number): LogSlice | null {
    const chunks = this.#chunks;
    const oldest = chunks[0];
    if (!oldest || seq < oldest.seq) return null;
    let low = 0;
    let high = chunks.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if ((chunks[middle] as Chunk).seq <= seq) low = middle;
      else high = middle - 1;
    }
    const chunk = chunks[low] as Chunk;
    const skipped = seq - chunk.seq;
    if (skipped >= chunk.count) return null;
    const start = skipped === 0 ? 0 : cut(chunk.lines, skipped, Number.POSITIVE_INFINITY).end;
    const first = { seq, offset: chunk.offset + start };

    const parts: Uint8Array[] = [];
    let taken = 0;
    let length = 0;
    for (let at = low; at < chunks.length && taken < count; at++) {
      const { lines, count: held } = chunks[at] as Chunk;
      const rest = at === low ? lines.subarray(start) : lines;
      const left = at === low ? held - skipped : held;
      if (left <= count - taken && length + rest.length <= bytes) {
        parts.push(rest);
        taken += left;
        length += rest.length;
        continue;
      }
      const part = cut(rest, count - taken, bytes - length);
      if (taken === 0 || length + part.end <= bytes) {
        parts.push(rest.subarray(0, part.end));
        taken += part.count;
      }
      break;
    }
    return {
      lines: parts.length === 1 ? (parts[0] as Uint8Array) : Buffer.concat(parts),
      count: taken,
      first,
      gap: null,
    };
  }
}
