import { crc32 } from 'node:zlib';

const SUM_CHARS = 8;

/** A JSON text as a line that knows its own checksum: eight hex digits of its CRC-32, a space, the text, a newline. */
export const sealLine = (json: string): string =>
  `${crc32(Buffer.from(json)).toString(16).padStart(SUM_CHARS, '0')} ${json}\n`;

/** The JSON of the sealed line that lies there, without its newline; undefined where it does not fit its checksum. */
export const unsealed = (bytes: Buffer, from = 0, to = bytes.length): Buffer | undefined => {
  const begin = from + SUM_CHARS + 1;
  if (to <= begin || bytes[begin - 1] !== 0x20) return undefined;
  const json = bytes.subarray(begin, to);
  const sum = Number(`0x${bytes.toString('latin1', from, from + SUM_CHARS)}`);
  return sum === crc32(json) ? json : undefined;
};

/** What the sealed line says that lies there; undefined where it does not fit its checksum, or is no JSON. */
export const openLine = (bytes: Buffer, from?: number, to?: number): unknown => {
  try {
    return JSON.parse(unsealed(bytes, from, to)?.toString() ?? '');
  } catch {
    return undefined;
  }
};
