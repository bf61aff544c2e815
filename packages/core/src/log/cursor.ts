import { crc32 } from 'node:zlib';
import type { Cursor } from '../contracts/cursor.ts';
import { RuntimeError } from '../contracts/runtime-error.ts';
import { DIGEST_PATTERN } from '../id.ts';

/*
 * Every kind of cursor, encoded and decoded. A cursor is opaque to callers, safe in a URL and in a header, and
 * readable in an operator's log. The kinds cannot be mistaken for one another.
 */

/** The cursor that names the beginning of every log and list. */
export const START: Cursor = 'start';

/** True if a cursor names the beginning: `"start"`, `"0"`, or no cursor at all. */
const isBeginning = (cursor: Cursor | undefined): cursor is undefined | 'start' | '0' =>
  cursor === undefined || cursor === START || cursor === '0';

/**
 * The position after a line, or the start of a log (`seq` 0): the line's number, the offsets at which it begins and
 * ends, and its checksum. The checksum is needed because a number may be used again after a power loss under a relaxed
 * durability.
 */
export interface LogPosition {
  readonly seq: number;
  readonly offset: number;
  readonly end: number;
  readonly sum: number;
}

export const EMPTY_POSITION: LogPosition = { seq: 0, offset: 0, end: 0, sum: 0 };

/** The checksum of one line, including its newline. */
export const sumOf = (line: Uint8Array): number => crc32(line);

/** Encodes a position in a log: the log's id, then the position. */
export const encodeCursor = (log: string, at: LogPosition): Cursor =>
  `${log}.${at.seq.toString(36)}.${at.offset.toString(36)}.${(at.end - at.offset).toString(36)}.${at.sum.toString(36)}`;

const LOG_CURSOR =
  /^([A-Za-z0-9_]{1,64})\.([0-9a-z]{1,11})\.([0-9a-z]{1,11})\.([0-9a-z]{1,7})\.([0-9a-z]{1,7})$/;

/**
 * Returns the number in a position that is given by number, such as 123 in `@123`: the position after that event. Returns null
 * for any other cursor.
 */
export const numberIn = (cursor: Cursor): number | null =>
  /^@(0|[1-9][0-9]{0,14})$/.test(cursor) ? Number(cursor.slice(1)) : null;

/**
 * Decodes a position in the given log.
 * @throws CURSOR_INVALID it is not a log cursor · CURSOR_FOREIGN it belongs to another log
 */
export const decodeCursor = (cursor: Cursor, log: string): LogPosition => {
  if (isBeginning(cursor)) return EMPTY_POSITION;
  const match = LOG_CURSOR.exec(cursor);
  if (!match)
    throw new RuntimeError(
      'CURSOR_INVALID',
      'The cursor cannot be read: it is neither one of an answer nor @ and the number of an event, such as @123',
    );
  if (match[1] !== log) throw new RuntimeError('CURSOR_FOREIGN');
  const [seq, offset, length, sum] = match.slice(2).map((digits) => Number.parseInt(digits, 36)) as [
    number,
    number,
    number,
    number,
  ];
  return { seq, offset, end: offset + length, sum };
};

/** Encodes a position in the order in which Workers changed. `epoch` identifies one start of the runtime. */
export const encodeWatchCursor = (epoch: string, revision: number): Cursor =>
  `${epoch}.w${revision.toString(36)}`;

/**
 * Decodes the revision after which a watch continues. Returns null for a cursor of an earlier start.
 * @throws CURSOR_INVALID
 */
export const decodeWatchCursor = (cursor: Cursor | undefined, epoch: string): number | null => {
  if (isBeginning(cursor)) return 0;
  const match = /^([A-Za-z0-9_]{1,64})\.w([0-9a-z]{1,11})$/.exec(cursor);
  if (!match) throw new RuntimeError('CURSOR_INVALID');
  return match[1] === epoch ? Number.parseInt(match[2] as string, 36) : null;
};

/**
 * Decodes a position in the list of Workers: the id of the log of the Worker before it, which is also the cursor's
 * text. Returns null for the beginning.
 * @throws CURSOR_INVALID
 */
export const decodeWorkersCursor = (cursor: Cursor | undefined): string | null => {
  if (isBeginning(cursor)) return null;
  if (!/^log_[a-z0-9]{26}$/.test(cursor)) throw new RuntimeError('CURSOR_INVALID');
  return cursor;
};

/**
 * Decodes a position in the list of open requests: the id of the request before it, which is also the cursor's text.
 * Returns null for the beginning.
 * @throws CURSOR_INVALID
 */
export const decodeRequestsCursor = (cursor: Cursor | undefined): string | null => {
  if (isBeginning(cursor)) return null;
  if (!/^request_[a-z0-9]{26}$/.test(cursor)) throw new RuntimeError('CURSOR_INVALID');
  return cursor;
};

/** Encodes a position in the list of diagnostics: the id of the diagnostic before it. */
export const encodeDiagnosticsCursor = (id: number): Cursor => `d.${id}`;

/**
 * Decodes the id of the diagnostic before a position. Returns null for the beginning.
 * @throws CURSOR_INVALID
 */
export const decodeDiagnosticsCursor = (cursor: Cursor | undefined): number | null => {
  if (isBeginning(cursor)) return null;
  if (!/^d\.[1-9][0-9]{0,14}$/.test(cursor)) throw new RuntimeError('CURSOR_INVALID');
  return Number(cursor.slice(2));
};

/**
 * Decodes a position in the list of bundles: the digest of the bundle before it, which is also the cursor's text.
 * Returns null for the beginning.
 * @throws CURSOR_INVALID
 */
export const decodeBundlesCursor = (cursor: Cursor | undefined): string | null => {
  if (isBeginning(cursor)) return null;
  if (!DIGEST_PATTERN.test(cursor)) throw new RuntimeError('CURSOR_INVALID');
  return cursor;
};
