import { crc32 } from 'node:zlib';
import type { Cursor } from '../contracts/cursor.ts';
import { RuntimeError } from '../contracts/runtime-error.ts';

/**
 * A position after a line, or at the start of a log (`seq` 0): the line's number, where it begins and ends, and its
 * checksum, since a number may be used again after power loss under a relaxed durability.
 */
export interface LogPosition {
  readonly seq: number;
  readonly offset: number;
  readonly end: number;
  readonly sum: number;
}

export const EMPTY_POSITION: LogPosition = { seq: 0, offset: 0, end: 0, sum: 0 };

/** Checksum of one line with its newline. */
export const sumOf = (line: Uint8Array): number => crc32(line);

/** The opaque form: the log's own id (the epoch), then the position. Readable in a log, safe in a URL and a header. */
export const encodeCursor = (log: string, at: LogPosition): Cursor =>
  `${log}.${at.seq.toString(36)}.${at.offset.toString(36)}.${(at.end - at.offset).toString(36)}.${at.sum.toString(36)}`;

const CURSOR = /^([A-Za-z0-9_]{1,64})\.([0-9a-z]{1,11})\.([0-9a-z]{1,11})\.([0-9a-z]{1,7})\.([0-9a-z]{1,7})$/;

/**
 * Reads a cursor of the given log; `"start"` (and `"0"`) is its beginning.
 * @throws CURSOR_INVALID not a cursor · CURSOR_FOREIGN one of another log
 */
export const decodeCursor = (cursor: string, log: string): LogPosition => {
  if (cursor === 'start' || cursor === '0') return EMPTY_POSITION;
  const match = CURSOR.exec(cursor);
  if (!match) throw new RuntimeError('CURSOR_INVALID');
  if (match[1] !== log) throw new RuntimeError('CURSOR_FOREIGN');
  const [seq, offset, length, sum] = match.slice(2).map((digits) => Number.parseInt(digits, 36)) as [
    number,
    number,
    number,
    number,
  ];
  return { seq, offset, end: offset + length, sum };
};
