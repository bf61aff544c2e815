import type { LogGap } from '@worker-runtime/core';
import type { LinePosition, LogSlice, ReadLimits } from '@worker-runtime/core/plugin-kit';
import { type LogEntry, NOTHING_FILED, unfiledBytes } from '../files/log-entry.ts';
import { NEWLINE } from '../layout/line.ts';
import { gapOf, readSlice } from './slice-reader.ts';

/**
 * Reads a log whose file cannot be opened: the lines that are in memory, and a gap for those that only the file has. The
 * parameters are those of `RuntimeStore.read`.
 */
export const readUnfiled = async (
  entry: LogEntry,
  position: LinePosition,
  limits: ReadLimits,
): Promise<LogSlice> => {
  const { begin, filed, unfiled, head } = entry;
  const isForward = limits.direction === 'forward';
  const seq = isForward ? Math.max(1, position.seq) : Math.min(position.seq, head.seq + 1);
  const empty = (gap: LogGap): LogSlice => ({ lines: new Uint8Array(0), count: 0, first: position, gap });
  if (!unfiled || unfiled.batches.length === 0 || (!isForward && seq <= filed.seq + 1)) {
    return empty(isForward ? gapOf(seq - 1, head.seq + 1) : gapOf(begin.seq, seq));
  }
  const memory = Buffer.from(unfiledBytes(unfiled, filed.bytes, head.bytes));
  // The positions of this source begin behind the filed part, after one newline.
  const shift = filed.bytes - 1;
  const source = {
    begin: NOTHING_FILED,
    head: { seq: head.seq, bytes: head.bytes - shift },
    bytes: async (from: number, to: number): Promise<Buffer> =>
      from > 0
        ? memory.subarray(from - 1, to - 1)
        : Buffer.concat([Buffer.from([NEWLINE]), memory.subarray(0, Math.max(0, to - 1))]),
  };
  const isBefore = isForward && seq <= filed.seq;
  const first = isBefore ? { seq: filed.seq + 1, offset: filed.bytes } : position;
  const slice = await readSlice(source, { ...first, offset: first.offset - shift }, limits, () => {});
  const found = { ...slice, first: { ...slice.first, offset: slice.first.offset + shift } };
  return isBefore ? { ...found, gap: gapOf(seq - 1, filed.seq + 1) } : found;
};
