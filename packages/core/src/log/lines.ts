import type { LinePosition, LogSlice } from '../contracts/store.ts';
import { EMPTY_POSITION, type LogPosition, sumOf } from './cursor.ts';

const NEWLINE = 0x0a;

/** One line of a slice, including its newline. */
export interface Line extends LinePosition {
  readonly bytes: Uint8Array;
}

/** Yields the lines of a slice, in order. */
export function* linesOf({ lines, first }: Pick<LogSlice, 'lines' | 'first'>): Generator<Line> {
  let { seq } = first;
  for (let start = 0; start < lines.length; ) {
    const end = lines.indexOf(NEWLINE, start) + 1;
    yield { seq, offset: first.offset + start, bytes: lines.subarray(start, end) };
    seq += 1;
    start = end;
  }
}

/** Returns the position after a line. */
export const positionAfter = ({ seq, offset, bytes }: Line): LogPosition => ({
  seq,
  offset,
  end: offset + bytes.length,
  sum: sumOf(bytes),
});

/** Returns the position after the last line of a slice. Does not read the other lines. */
export const positionAfterLast = ({
  lines,
  first,
  count,
}: Pick<LogSlice, 'lines' | 'first' | 'count'>): LogPosition => {
  if (count === 0) return EMPTY_POSITION;
  const start = lines.length < 2 ? 0 : lines.lastIndexOf(NEWLINE, lines.length - 2) + 1;
  return positionAfter({
    seq: first.seq + count - 1,
    offset: first.offset + start,
    bytes: lines.subarray(start),
  });
};

/** The most bytes of a line up to its `data`: the id of a Worker and the name of a type have bounded lengths. */
const HEAD_BYTES = 512;
const TYPE = '"type":"';

/** Returns the type of the event in a line. Looks at the beginning of the line only and does not parse it. */
export const typeIn = ({ bytes }: Pick<Line, 'bytes'>): string => {
  const length = Math.min(bytes.length, HEAD_BYTES);
  const head = Buffer.from(bytes.buffer, bytes.byteOffset, length).toString('latin1');
  const at = head.indexOf(TYPE);
  return at === -1 ? '' : head.slice(at + TYPE.length, head.indexOf('"', at + TYPE.length));
};

const decoder = new TextDecoder();

/** Returns the text of a line without its newline. */
export const textOf = (line: Line): string => decoder.decode(line.bytes.subarray(0, -1));
