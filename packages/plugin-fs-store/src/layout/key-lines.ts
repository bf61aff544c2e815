import type { KeyEntry, LogHead } from '@worker-runtime/core/plugin-kit';

/** Encodes key entries as lines of `keys.jsonl`. */
export const encodeKeys = (keys: readonly KeyEntry[]): string => {
  let lines = '';
  for (const { hash, digest, seq, offset } of keys)
    lines += `${JSON.stringify({ hash, digest, seq, offset })}\n`;
  return lines;
};

const isWithin = (value: unknown, from: number, to: number): value is number =>
  Number.isSafeInteger(value) && (value as number) >= from && (value as number) <= to;

/**
 * Decodes one key entry of a log that ends at `head`. Returns null if the line is damaged. The lines have no checksum:
 * a flipped digit may still be valid JSON, and a key must never point past the end of the log.
 */
const decodeKey = (line: string, head: LogHead): KeyEntry | null => {
  try {
    const { hash, digest, seq, offset } = JSON.parse(line) as Partial<Record<keyof KeyEntry, unknown>>;
    if (typeof hash !== 'string' || typeof digest !== 'string') return null;
    if (!isWithin(seq, 1, head.seq) || !isWithin(offset, 0, head.bytes - 1)) return null;
    return { hash, digest, seq, offset };
  } catch {
    return null;
  }
};

/** Decodes lines of `keys.jsonl`, and skips damaged ones. */
export const decodeKeys = (lines: string, head: LogHead): KeyEntry[] => {
  const keys: KeyEntry[] = [];
  for (const line of lines.split('\n')) {
    const key = line === '' ? null : decodeKey(line, head);
    if (key) keys.push(key);
  }
  return keys;
};
