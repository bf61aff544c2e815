/* Reads the usual form of JSON that this store wrote from the bytes, without a text of all of it. */

const QUOTE = 0x22;
const BACKSLASH = 0x5c;

/** True if bytes stand at an offset. */
export const isAt = (bytes: Buffer, at: number, expected: Buffer): boolean => {
  for (let index = 0; index < expected.length; index++)
    if (bytes[at + index] !== expected[index]) return false;
  return true;
};

/** Returns the end of a text in quotes that has plain ASCII characters only, or -1 for one with an escape or other characters. */
export const endOfText = (bytes: Buffer, from: number, to: number): number => {
  for (let at = from; at < to; at++) {
    const byte = bytes[at] as number;
    if (byte === QUOTE) return at;
    if (byte === BACKSLASH || byte < 0x20 || byte > 0x7e) return -1;
  }
  return -1;
};
