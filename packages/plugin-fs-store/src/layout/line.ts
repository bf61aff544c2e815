import { isUtf8 } from 'node:buffer';

export const NEWLINE = 0x0a;
const PREFIX = Buffer.from('{"seq":');
const COMMA = 0x2c;
const ZERO = 0x30;

/**
 * Returns the number of the line that begins at an offset, or 0 if no line of a log begins there. The store reads nothing
 * else of a line.
 */
export const seqAt = (bytes: Uint8Array, at: number): number => {
  for (let index = 0; index < PREFIX.length; index += 1) {
    if (bytes[at + index] !== PREFIX[index]) return 0;
  }
  let seq = 0;
  for (let index = at + PREFIX.length; index < at + PREFIX.length + 16; index += 1) {
    const digit = bytes[index];
    if (digit === COMMA) return seq;
    if (digit === undefined || digit < ZERO || digit > ZERO + 9) return 0;
    seq = seq * 10 + digit - ZERO;
  }
  return 0;
};

/** True if bytes may be JSON lines. Detects zeroed pages and binary data at little cost. */
export const isText = (bytes: Uint8Array): boolean => !bytes.includes(0) && isUtf8(bytes);
