import { crc32 } from 'node:zlib';

const SUM_CHARS = 8;
/** The bytes of a sealed line before its text. */
export const SUM_BYTES = SUM_CHARS + 1;

/** Encodes a JSON text as a sealed line: the CRC-32 of the text as eight hex digits, a space, the text, a newline. */
export const sealLine = (json: string): string =>
  `${crc32(Buffer.from(json)).toString(16).padStart(SUM_CHARS, '0')} ${json}\n`;

/** Returns the number of the hex digits at an offset, or -1 for anything else. */
const sumAt = (bytes: Buffer, from: number): number => {
  let sum = 0;
  for (let at = from; at < from + SUM_CHARS; at++) {
    const char = bytes[at] as number;
    const digit =
      char >= 0x30 && char <= 0x39 ? char - 0x30 : char >= 0x61 && char <= 0x66 ? char - 0x57 : -1;
    if (digit < 0) return -1;
    sum = sum * 16 + digit;
  }
  return sum;
};

/** True if the sealed line in a range, which ends before its newline, matches its checksum. */
export const isSealed = (bytes: Buffer, from: number, to: number): boolean => {
  const begin = from + SUM_BYTES;
  if (to <= begin || bytes[begin - 1] !== 0x20) return false;
  // not `subarray`, which takes longer for a buffer
  return sumAt(bytes, from) === crc32(new Uint8Array(bytes.buffer, bytes.byteOffset + begin, to - begin));
};

/** Returns the JSON value of a sealed line, or undefined if the checksum does not match or the text is not JSON. */
export const valueOfLine = (bytes: Buffer, from = 0, to = bytes.length): unknown => {
  if (!isSealed(bytes, from, to)) return undefined;
  try {
    return JSON.parse(bytes.toString('utf8', from + SUM_BYTES, to));
  } catch {
    return undefined;
  }
};
