import type { KeyEntry } from '@worker-runtime/core/plugin-kit';
import { type Disk, readRange } from '../disk/disk.ts';
import type { LogEntry } from '../files/log-entry.ts';
import type { WorkerFiles } from '../files/worker-files.ts';
import { decodeKeys } from '../layout/key-lines.ts';
import { NEWLINE } from '../layout/line.ts';

const BLOCK_BYTES = 262_144;

/**
 * Returns the last `limit` key entries of a log: those in `keys.jsonl`, then those that are not filed yet. Calls
 * `onDamage` if some of them cannot be read.
 */
export const readKeys = async (
  entry: LogEntry,
  files: WorkerFiles,
  disk: Disk,
  limit: number,
  onDamage: () => void,
): Promise<readonly KeyEntry[]> => {
  const { keyBytes } = entry.filed;
  const { head } = entry;
  const recent = decodeKeys((entry.unfiled?.batches ?? []).map((batch) => batch.keys).join(''), head);
  if (keyBytes === 0 || recent.length >= limit) return recent.slice(-limit);
  let filed: KeyEntry[] = [];
  let expected = 0;
  await files.read(files.keys(entry), async (file) => {
    for (let size = BLOCK_BYTES; ; size *= 2) {
      const from = Math.max(0, keyBytes - size);
      const block = await readRange(disk, file, from, keyBytes - from);
      if (block.length < keyBytes - from) onDamage();
      const start = from === 0 ? 0 : block.indexOf(NEWLINE) + 1;
      const text = block.toString('utf8', start);
      filed = decodeKeys(text, head);
      expected = text.split('\n').length - 1;
      if (from === 0 || filed.length + recent.length >= limit) break;
    }
  });
  if (filed.length !== expected) onDamage();
  return [...filed, ...recent].slice(-limit);
};
