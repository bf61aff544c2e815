import { crc32 } from 'node:zlib';

const SUM_CHARS = 8;

/** A JSON text as a line that knows its own checksum: eight hex digits of its CRC-32, a space, the text, a newline. */
export const sealLine = (json: string): string =>
  `${crc32(Buffer.from(json)).toString(16).padStart(SUM_CHARS, '0')} ${json}\n`;

/** What the sealed line says that lies there, without its newline; undefined where it does not fit its checksum. */
export const openLine = (bytes: Buffer, from = 0, to = bytes.length): unknown => {
  const body = from + SUM_CHARS + 1;
  if (to <= body || bytes[body - 1] !== 0x20) return undefined;
  const sum = Number(`0x${bytes.toString('latin1', from, from + SUM_CHARS)}`);
  if (sum !== crc32(bytes.subarray(body, to))) return undefined;
  try {
    return JSON.parse(bytes.toString('utf8', body, to));
  } catch {
    return undefined;
  }
};
