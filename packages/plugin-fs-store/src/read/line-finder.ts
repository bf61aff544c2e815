import type { LinePosition } from '@worker-runtime/core/plugin-kit';
import { NEWLINE, seqAt } from '../layout/line.ts';
import type { LineSource } from './line-source.ts';

const BLOCK_BYTES = 4_096;
/** The bytes of a line that tell its number. */
const HEAD_BYTES = 32;
/** The size below which a range is read line by line instead of being halved again. */
const WALK_BYTES = 32_768;
/** The looks that guess the place of a line, and their distance from it. Two of them leave less than the size above. */
const GUESSES = 8;
const GUESS_BYTES = 8_192;

/** The result of `findLine`. */
export interface FoundLine {
  /** The line; null if it is missing. */
  readonly line: LinePosition | null;
  /** The nearest lines that the search met before and after it. */
  readonly before: LinePosition | null;
  readonly after: LinePosition | null;
}

/** Finds the first line that begins at or after `from` and before `to`. */
const firstLine = async (source: LineSource, from: number, to: number): Promise<LinePosition | null> => {
  // Begins one byte earlier, because a line begins only after a newline.
  const begin = source.begin.bytes;
  let at = Math.max(begin, from - 1);
  let isAfterNewline = from === begin;
  for (let size = BLOCK_BYTES; at < to; size = Math.min(size * 2, 1_048_576)) {
    // Reads more than is searched, so that the number of a line that begins at the end is whole.
    const block = await source.bytes(at, Math.min(at + size + HEAD_BYTES, source.head.bytes));
    const limit = Math.min(size, block.length);
    if (limit === 0) return null;
    for (let index = 0; index < limit; ) {
      if (isAfterNewline) {
        const seq = at + index < to ? seqAt(block, index) : 0;
        if (seq > 0) return { seq, offset: at + index };
      }
      const newline = block.indexOf(NEWLINE, index);
      isAfterNewline = newline >= 0 && newline < limit;
      index = isAfterNewline ? newline + 1 : limit;
    }
    at += limit;
  }
  return null;
};

/** Reads a range once. Reads within it come from memory. */
const held = async (source: LineSource, from: number, to: number): Promise<LineSource> => {
  const block = await source.bytes(from, to);
  const end = from + block.length;
  return {
    ...source,
    bytes: async (at, until) =>
      at >= from && until <= end ? block.subarray(at - from, until - from) : source.bytes(at, until),
  };
};

/**
 * Finds a line by its number: the numbers of lines only grow. The first looks are near the place where the line would be if all
 * lines were of one length, in turn before and after it. In a long log they usually leave a range of a few lines. The looks after them
 * halve what they left, so that lines of any lengths need few. Bytes that are not a line are skipped, so the search works in
 * a damaged log too.
 */
export const findLine = async (source: LineSource, seq: number): Promise<FoundLine> => {
  const { begin, head } = source;
  let before: LinePosition | null = null;
  let after: LinePosition | null = null;
  let low = begin.bytes;
  let high = head.bytes;
  for (let look = 0; high - low > WALK_BYTES; look += 1) {
    let middle = low + Math.floor((high - low) / 2);
    if (look < GUESSES) {
      const first = before?.seq ?? begin.seq;
      const share = (seq - first) / ((after?.seq ?? head.seq) - first);
      const guess = low + Math.floor((high - low) * Math.min(Math.max(share, 0), 1));
      const aside = look % 2 === 0 ? -GUESS_BYTES : GUESS_BYTES;
      middle = Math.min(Math.max(guess + aside, low), high - 1);
    }
    const line = await firstLine(source, middle, high);
    if (!line) {
      high = middle;
    } else if (line.seq === seq) {
      return { line, before, after };
    } else if (line.seq < seq) {
      before = line;
      low = line.offset + 1;
    } else {
      after = line;
      high = middle;
    }
  }
  // one read for all lines of the range, and for the part of a block that `firstLine` reads beyond it
  const end = Math.min(high + BLOCK_BYTES + HEAD_BYTES, head.bytes);
  const walked = await held(source, Math.max(begin.bytes, low - 1), end);
  for (let at = low; ; ) {
    const line = await firstLine(walked, at, high);
    if (!line) return { line: null, before, after };
    if (line.seq === seq) return { line, before, after };
    if (line.seq > seq) return { line: null, before, after: line };
    before = line;
    at = line.offset + 1;
  }
};
