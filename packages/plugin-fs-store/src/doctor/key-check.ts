import { type Disk, readRange } from '../disk/disk.ts';
import type { LogEntry } from '../files/log-entry.ts';
import type { WorkerFiles } from '../files/worker-files.ts';
import { decodeKeys } from '../layout/key-lines.ts';
import { NEWLINE } from '../layout/line.ts';

const BLOCK_BYTES = 1_048_576;

/** True if all filed key entries of a log are valid. Reads `keys.jsonl` in blocks, because it is never shortened. */
export const areKeysValid = async (entry: LogEntry, files: WorkerFiles, disk: Disk): Promise<boolean> => {
  const { keyBytes } = entry.filed;
  if (keyBytes === 0) return true;
  return files.read(files.keys(entry), async (file) => {
    for (let at = 0; at < keyBytes; ) {
      const block = await readRange(disk, file, at, Math.min(BLOCK_BYTES, keyBytes - at));
      const end = block.lastIndexOf(NEWLINE) + 1;
      const text = block.toString('utf8', 0, end);
      const lines = text.split('\n').length - 1;
      if (lines === 0 || decodeKeys(text, entry.head).length !== lines) return false;
      at += end;
    }
    return true;
  });
};
