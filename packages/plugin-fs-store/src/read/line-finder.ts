import type { LinePosition } from '@worker-runtime/core/plugin-kit';
import { NEWLINE, seqAt } from '../layout/line.ts';
import type { LineSource } from './line-source.ts';

const BLOCK_BYTES = 4_096;
/** The size below which a range is read line by line instead of being halved again. */
const WALK_BYTES = 32_768;

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
    // Reads 32 bytes more than are searched, so that the number of a line that begins at the end is whole.
    const block = await source.bytes(at, Math.min(at + size + 32, source.head.bytes));
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

/**
 * Finds a line by its number, by bisection over the bytes: the numbers of lines only grow. Bytes that are not a line are
 * skipped, so the search works in a damaged log too.
 */
export const findLine = async (source: LineSource, seq: number): Promise<FoundLine> => {
  let before: LinePosition | null = null;
  let after: LinePosition | null = null;
  let low = source.begin.bytes;
  let high = source.head.bytes;
  while (high - low > WALK_BYTES) {
    const middle = low + Math.floor((high - low) / 2);
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
  for (let at = low; ; ) {
    const line = await firstLine(source, at, high);
    if (!line) return { line: null, before, after };
    if (line.seq === seq) return { line, before, after };
    if (line.seq > seq) return { line: null, before, after: line };
    before = line;
    at = line.offset + 1;
  }
};
