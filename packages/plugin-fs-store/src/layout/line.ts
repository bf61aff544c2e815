import { isUtf8 } from 'node:buffer';

export const NEWLINE = 0x0a;
const PREFIX = Buffer.from('{"seq":');
const COMMA = 0x2c;
const ZERO = 0x30;

/** The number of the line that begins at an offset; 0 where no line of a log begins. All that is ever read of a line. */
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

/** Whether bytes can be JSON lines at all: zeroed pages and binary rubbish are told from text at little cost. */
export const isText = (bytes: Uint8Array): boolean => !bytes.includes(0) && isUtf8(bytes);
