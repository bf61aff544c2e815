import type { LogGap } from '@worker-runtime/core';
import type { LinePosition, LogSlice, ReadLimits } from '@worker-runtime/core/plugin-kit';
import { isText, NEWLINE, seqAt } from '../layout/line.ts';
import { findLine } from './line-finder.ts';
import type { LineSource } from './line-source.ts';

const NO_BYTES = new Uint8Array(0);
const FIRST_BLOCK_BYTES = 4_096;

/** Called if lines are missing or unreadable, with the offset at which that begins. */
export type OnDamage = (offset: number) => void;

const emptySlice = (first: LinePosition, gap: LogGap | null): LogSlice => ({
  lines: NO_BYTES,
  count: 0,
  first,
  gap,
});

/** Describes the missing lines between two lines. */
export const gapOf = (afterSeq: number, beforeSeq: number): LogGap => ({
  afterSeq,
  beforeSeq,
  code: 'LINES_DAMAGED',
});

/** One read of a log. Its cost depends on what is returned. */
class SliceReader {
  readonly #source: LineSource;
  readonly #count: number;
  readonly #bytes: number;
  readonly #into: Uint8Array | undefined;
  readonly #onDamage: OnDamage;

  constructor(source: LineSource, limits: ReadLimits, onDamage: OnDamage) {
    this.#source = source;
    this.#count = Math.max(1, limits.count);
    this.#bytes = limits.bytes;
    this.#into = limits.into;
    this.#onDamage = onDamage;
  }

  async forward(asked: LinePosition): Promise<LogSlice> {
    const { head } = this.#source;
    const seq = Math.max(1, asked.seq);
    if (seq > head.seq) return emptySlice(asked, null);
    const hinted = await this.#linesFrom({ seq, offset: asked.offset });
    if (hinted) return hinted;
    const found = await findLine(this.#source, seq);
    const slice = found.line && found.line.offset !== asked.offset ? await this.#linesFrom(found.line) : null;
    if (slice) return slice;
    this.#onDamage(found.line?.offset ?? found.before?.offset ?? 0);
    // The line may be there and unreadable. The next readable line ends the gap.
    let next = found.line ? (await findLine(this.#source, seq + 1)).line : found.after;
    while (next) {
      const after = await this.#linesFrom(next);
      if (after) return { ...after, gap: gapOf(seq - 1, next.seq) };
      const further = await findLine(this.#source, next.seq + 1);
      next = further.line ?? further.after;
    }
    return emptySlice(asked, gapOf(seq - 1, head.seq + 1));
  }

  async backward(asked: LinePosition): Promise<LogSlice> {
    const { begin, head } = this.#source;
    const seq = Math.min(asked.seq, head.seq + 1);
    if (seq <= begin.seq + 1) return emptySlice(asked, null);
    const end = seq === head.seq + 1 ? head.bytes : asked.offset;
    const isKnown = seq === head.seq + 1 || (await this.#isLine({ seq, offset: end }));
    const hinted = isKnown ? await this.#linesBefore(seq, end) : null;
    if (hinted) return hinted;
    const found = await findLine(this.#source, seq);
    const slice = found.line ? await this.#linesBefore(seq, found.line.offset) : null;
    if (slice) return slice;
    let last = found.line ? (await findLine(this.#source, seq - 1)).line : found.before;
    this.#onDamage(last?.offset ?? 0);
    while (last) {
      const end = await this.#endOf(last);
      const before = end === null ? null : await this.#linesBefore(last.seq + 1, end);
      if (before) return { ...before, gap: last.seq + 1 === seq ? null : gapOf(last.seq, seq) };
      const further = await findLine(this.#source, last.seq - 1);
      last = last.seq > begin.seq + 1 ? (further.line ?? further.before) : null;
    }
    return emptySlice(asked, gapOf(begin.seq, seq));
  }

  /** True if the line with this number begins at this offset. */
  async #isLine({ seq, offset }: LinePosition): Promise<boolean> {
    const { begin, head } = this.#source;
    if (!Number.isSafeInteger(offset) || offset < begin.bytes || offset >= head.bytes) return false;
    const from = Math.max(begin.bytes, offset - 1);
    const block = await this.#source.bytes(from, Math.min(offset + 32, head.bytes));
    return (offset === begin.bytes || block[0] === NEWLINE) && seqAt(block, offset - from) === seq;
  }

  /** Returns the offset after a line's newline, or null if the line has no end. */
  async #endOf({ offset }: LinePosition): Promise<number | null> {
    const { head } = this.#source;
    for (let size = FIRST_BLOCK_BYTES; ; size *= 4) {
      const block = await this.#source.bytes(offset, Math.min(offset + size, head.bytes));
      const newline = block.indexOf(NEWLINE);
      if (newline >= 0) return offset + newline + 1;
      if (offset + size >= head.bytes) return null;
    }
  }

  /** Estimates the bytes of the requested lines by the average of the log, plus a quarter to avoid a second read. */
  get #likelyBytes(): number {
    const { seq, bytes } = this.#source.head;
    return Math.max(FIRST_BLOCK_BYTES, Math.ceil((1.25 * this.#count * bytes) / Math.max(1, seq)));
  }

  /** Reads lines from a position on. Returns null if the first one is not a whole line with the expected number. */
  async #linesFrom(first: LinePosition): Promise<LogSlice | null> {
    const { begin, head } = this.#source;
    const { offset } = first;
    if (!Number.isSafeInteger(offset) || offset < begin.bytes || offset >= head.bytes) return null;
    const from = Math.max(begin.bytes, offset - 1);
    const start = offset - from;
    let size = Math.min(this.#bytes + 1, this.#likelyBytes);
    for (;;) {
      const to = Math.min(from + size, head.bytes);
      // an earlier block in this memory is not needed any more
      const block = await this.#source.bytes(from, to, this.#into);
      if (start === 1 && block[0] !== NEWLINE) return null;
      const { end, count } = this.#walk(block, start, first.seq);
      const isEnough = count === this.#count || (count > 0 && end - start >= this.#bytes);
      const isBroken = end + 32 < block.length && seqAt(block, end) !== first.seq + count;
      // Also true if the file has lost its end, and returns less than was requested.
      const isAll = to === head.bytes || block.length < to - from || (count > 0 && size > this.#bytes);
      if (isEnough || isAll || isBroken) return this.#checked(block.subarray(start, end), count, first);
      size = Math.max(FIRST_BLOCK_BYTES, size * 4);
      if (count > 0) size = Math.min(size, this.#bytes + 1);
    }
  }

  /** Counts consecutive whole lines from an index of a block on, within the limits. */
  #walk(block: Buffer, start: number, firstSeq: number): { end: number; count: number } {
    let end = start;
    let count = 0;
    while (count < this.#count && seqAt(block, end) === firstSeq + count) {
      const newline = block.indexOf(NEWLINE, end);
      if (newline < 0 || (count > 0 && newline + 1 - start > this.#bytes)) break;
      end = newline + 1;
      count += 1;
    }
    return { end, count };
  }

  /** Makes a slice that ends before the first line that is not text. Returns null if no line is left. */
  #checked(lines: Buffer, count: number, first: LinePosition): LogSlice | null {
    if (count === 0) return null;
    if (isText(lines)) return { lines, count, first, gap: null };
    let end = 0;
    let whole = 0;
    for (; whole < count; whole += 1) {
      const next = lines.indexOf(NEWLINE, end) + 1;
      if (!isText(lines.subarray(end, next))) break;
      end = next;
    }
    this.#onDamage(first.offset + end);
    return whole === 0 ? null : { lines: lines.subarray(0, end), count: whole, first, gap: null };
  }

  /** Reads the lines before line `seq`, up to the offset `end`. Returns null if the last of them is not whole. */
  async #linesBefore(seq: number, end: number): Promise<LogSlice | null> {
    const begin = this.#source.begin.bytes;
    let size = Math.min(this.#bytes, this.#likelyBytes);
    for (;;) {
      const from = Math.max(begin, end - size - 1);
      const block = await this.#source.bytes(from, end);
      if (from + block.length !== end || block[block.length - 1] !== NEWLINE) return null;
      let start = block.length;
      let count = 0;
      let isBroken = false;
      while (count < this.#count && start > 0) {
        const newline = start >= 2 ? block.lastIndexOf(NEWLINE, start - 2) : -1;
        if (newline < 0 && from > begin) break;
        if (count > 0 && block.length - newline - 1 > this.#bytes) break;
        isBroken = seqAt(block, newline + 1) !== seq - count - 1;
        if (isBroken) break;
        start = newline + 1;
        count += 1;
      }
      const bytes = block.length - start;
      const isAll = from === begin || (count > 0 && size >= this.#bytes);
      if (isBroken || count === this.#count || (count > 0 && bytes >= this.#bytes) || isAll) {
        return this.#checkedBefore(block.subarray(start), count, { seq, offset: end });
      }
      size = Math.max(FIRST_BLOCK_BYTES, size * 4);
      if (count > 0) size = Math.min(size, this.#bytes);
    }
  }

  /** Makes a slice that begins after the last line that is not text. Returns null if no line is left. */
  #checkedBefore(lines: Buffer, count: number, end: LinePosition): LogSlice | null {
    if (count === 0) return null;
    const first = { seq: end.seq - count, offset: end.offset - lines.length };
    if (isText(lines)) return { lines, count, first, gap: null };
    let start = lines.length;
    let whole = 0;
    for (; whole < count; whole += 1) {
      const next = start >= 2 ? lines.lastIndexOf(NEWLINE, start - 2) + 1 : 0;
      if (!isText(lines.subarray(next, start))) break;
      start = next;
    }
    this.#onDamage(first.offset + start);
    if (whole === 0) return null;
    const position = { seq: end.seq - whole, offset: first.offset + start };
    return { lines: lines.subarray(start), count: whole, first: position, gap: null };
  }
}

/** Reads a slice of a log, as `RuntimeStore.read` defines it. */
export const readSlice = (
  source: LineSource,
  position: LinePosition,
  limits: ReadLimits,
  onDamage: OnDamage,
): Promise<LogSlice> => {
  const reader = new SliceReader(source, limits, onDamage);
  return limits.direction === 'forward' ? reader.forward(position) : reader.backward(position);
};
