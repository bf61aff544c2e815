import type { LineFrame } from '../contracts/stream.ts';
import { type LogPosition, sumOf } from './cursor.ts';
import type { Reading } from './log-reader.ts';

const NEWLINE = 0x0a;
const DOT = 0x2e;
const RADIX = 36;
/** The digits of `Number.prototype.toString(36)`. */
const DIGITS = Uint8Array.from('0123456789abcdefghijklmnopqrstuvwxyz', (digit) => digit.charCodeAt(0));
/** The most digits of the length of a line and of its checksum, which have 32 bits. */
const MOST_DIGITS = 7;

const digitsOf = (value: number): number => value.toString(RADIX).length;

/** Writes a dot and a number in base 36. Returns the end. */
const writeNumber = (into: Uint8Array, at: number, value: number): number => {
  let digits = 1;
  for (let least = RADIX; least <= value; least *= RADIX) digits += 1;
  into[at] = DOT;
  let rest = value;
  for (let place = at + digits; place > at; place--) {
    const next = Math.floor(rest / RADIX);
    into[place] = DIGITS[rest - next * RADIX] as number;
    rest = next;
  }
  return at + digits + 1;
};

const writeAll = (into: Uint8Array, at: number, bytes: Uint8Array): number => {
  // for so few bytes, a call of `set` takes longer than the loop
  for (let index = 0; index < bytes.length; index++) into[at + index] = bytes[index] as number;
  return at + bytes.length;
};

/**
 * Writes the lines of a reading, each with the cursor after it, as `encodeCursor` encodes it. Makes no text and no object for a line
 * but the view of its bytes, because a catch-up frames millions of lines.
 */
export const frameLines = (
  log: string,
  {
    lines,
    count,
    first,
    at: last,
  }: Pick<Reading, 'lines' | 'count' | 'first'> & { readonly at: LogPosition },
  { beforeCursor, beforeLine, afterLine }: LineFrame,
  allocate: (bytes: number) => Buffer,
): Buffer => {
  const head = Buffer.from(beforeCursor + log, 'latin1');
  const middle = Buffer.from(beforeLine, 'latin1');
  const end = Buffer.from(afterLine, 'latin1');
  // numbers and offsets grow along the log, so that those of the last line are the longest
  const cursorBytes = 4 + digitsOf(last.seq) + digitsOf(last.offset) + 2 * MOST_DIGITS;
  const room = head.length + cursorBytes + middle.length + end.length;
  const block = allocate(lines.length + count * room);
  let at = 0;
  let { seq } = first;
  for (let start = 0; start < lines.length; seq++) {
    const next = lines.indexOf(NEWLINE, start) + 1;
    const line = lines.subarray(start, next);
    at = writeAll(block, at, head);
    at = writeNumber(block, at, seq);
    at = writeNumber(block, at, first.offset + start);
    at = writeNumber(block, at, line.length);
    at = writeNumber(block, at, sumOf(line));
    at = writeAll(block, at, middle);
    block.set(line, at);
    at = writeAll(block, at + line.length, end);
    start = next;
  }
  return block.subarray(0, at);
};
