import type { KeyEntry, LogHead } from '@worker-runtime/core';
import { type Disk, readRange } from '../disk/disk.ts';
import type { LogEntry } from '../files/log-entry.ts';
import type { WorkerFiles } from '../files/worker-files.ts';
import { NEWLINE } from '../layout/line.ts';

/** As many as the contract asks for. */
const KEPT_KEYS = 1_000;
const BLOCK_BYTES = 262_144;

export const encodeKeys = (keys: readonly KeyEntry[]): string => {
  let lines = '';
  for (const { hash, digest, seq, offset } of keys)
    lines += `${JSON.stringify({ hash, digest, seq, offset })}\n`;
  return lines;
};

/**
 * An entry of a log that ends at `head`; null for what cannot be one. The lines have no checksum: a flipped digit may
 * still be JSON, and a key must never lead past the log.
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

const isWithin = (value: unknown, from: number, to: number): value is number =>
  Number.isSafeInteger(value) && (value as number) >= from && (value as number) <= to;

/** The entries of these lines. A damaged one is forgotten, as the oldest ones are. */
const decodeKeys = (lines: string, head: LogHead): KeyEntry[] => {
  const keys: KeyEntry[] = [];
  for (const line of lines.split('\n')) {
    const key = line === '' ? null : decodeKey(line, head);
    if (key) keys.push(key);
  }
  return keys;
};

/** The last entries of a log's `keys.jsonl` and of what is behind it. `onDamage` where some could not be read. */
export const readKeys = async (
  entry: LogEntry,
  files: WorkerFiles,
  disk: Disk,
  onDamage: () => void,
): Promise<readonly KeyEntry[]> => {
  const behind = entry.behind?.keys.join('') ?? '';
  const { keyBytes } = entry.filed;
  const { head } = entry;
  const recent = decodeKeys(behind, head);
  if (keyBytes === 0 || recent.length >= KEPT_KEYS) return recent.slice(-KEPT_KEYS);
  let filed: KeyEntry[] = [];
  let expected = 0;
  await files.pool.use(files.keys(entry), 'write', async (file) => {
    for (let size = BLOCK_BYTES; ; size *= 2) {
      const from = Math.max(0, keyBytes - size);
      const block = await readRange(disk, file, from, keyBytes - from);
      if (block.length < keyBytes - from) onDamage();
      const start = from === 0 ? 0 : block.indexOf(NEWLINE) + 1;
      const text = block.toString('utf8', start);
      filed = decodeKeys(text, head);
      expected = text.split('\n').length - 1;
      if (from === 0 || filed.length + recent.length >= KEPT_KEYS) break;
    }
  });
  if (filed.length !== expected) onDamage();
  return [...filed, ...recent].slice(-KEPT_KEYS);
};
