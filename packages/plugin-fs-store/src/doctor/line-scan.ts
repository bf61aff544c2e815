import type { LogHead } from '@worker-runtime/core/plugin-kit';
import { type Disk, readRange } from '../disk/disk.ts';
import { isText, NEWLINE, seqAt } from '../layout/line.ts';

const BLOCK_BYTES = 4_194_304;

/** The result of `scanLines`. */
export interface LineScan {
  readonly size: number;
  /** The end of the valid lines at the beginning of the file. */
  readonly seq: number;
  readonly bytes: number;
  /** The fault of the next line; null at the end of the file. */
  readonly problem: string | null;
}

/** Returns what is wrong with a line, or null if it is valid. */
const problemOf = (line: Buffer, seq: number): string | null => {
  const found = seqAt(line, 0);
  if (found !== seq)
    return found === 0 ? 'bytes that are not a line of a log' : `line ${found} instead of line ${seq}`;
  if (!isText(line)) return 'a line that is not text';
  try {
    JSON.parse(line.toString());
    return null;
  } catch {
    return 'a line that is not JSON';
  }
};

/** Reads a file of lines from `begin` on, up to the first invalid line or to `limit` bytes. */
export const scanLines = async (
  disk: Disk,
  path: string,
  begin: LogHead,
  limit = Number.POSITIVE_INFINITY,
): Promise<LineScan> => {
  const size = Math.min((await disk.size(path)) ?? 0, limit);
  let { seq, bytes } = begin;
  if (size <= bytes) return { size, seq, bytes, problem: null };
  const file = await disk.open(path, 'read');
  try {
    for (let block = BLOCK_BYTES; bytes < size; ) {
      const buffer = await readRange(disk, file, bytes, Math.min(block, size - bytes));
      let at = 0;
      for (let end = buffer.indexOf(NEWLINE); end >= 0; end = buffer.indexOf(NEWLINE, at)) {
        const problem = problemOf(buffer.subarray(at, end + 1), seq + 1);
        if (problem !== null) return { size, seq, bytes: bytes + at, problem };
        seq += 1;
        at = end + 1;
      }
      bytes += at;
      if (at === 0 && bytes + buffer.length >= size)
        return { size, seq, bytes, problem: 'an incomplete line' };
      // If a line is longer than the block, the next block is larger.
      block = at === 0 ? block * 2 : BLOCK_BYTES;
    }
    return { size, seq, bytes, problem: null };
  } finally {
    await disk.close(file);
  }
};
