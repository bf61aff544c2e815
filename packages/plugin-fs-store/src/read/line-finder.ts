import type { LinePosition } from '@worker-runtime/core';
import { NEWLINE, seqAt } from '../layout/line.ts';
import type { LineSource } from './line-source.ts';

const BLOCK_BYTES = 4_096;
/** Below this, a range is read and walked instead of being halved again. */
const WALK_BYTES = 32_768;

/** Where a line is, or its neighbours where it is not there. */
export interface Found {
  readonly line: LinePosition | null;
  readonly before: LinePosition | null;
  readonly after: LinePosition | null;
}

/** The first line that begins at or after `from` (itself a line's beginning where `isStart`) and before `to`. */
const firstLine = async (source: LineSource, from: number, to: number): Promise<LinePosition | null> => {
  // One byte earlier: a line begins where the byte before is a newline.
  let at = Math.max(0, from - 1);
  let isAfterNewline = from === 0;
  for (let size = BLOCK_BYTES; at < to; size = Math.min(size * 2, 1_048_576)) {
    // Some bytes more than may begin a line, so that its number is whole.
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
 * Finds a line by its number: by bisection over the bytes, since the numbers of lines only grow. Bytes that are no
 * line are passed over, so a damaged log is searched as well as a whole one.
 */
export const findLine = async (source: LineSource, seq: number): Promise<Found> => {
  let before: LinePosition | null = null;
  let after: LinePosition | null = null;
  let low = 0;
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
