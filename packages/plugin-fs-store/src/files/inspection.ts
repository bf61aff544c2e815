import type { StoreFinding } from '@worker-runtime/core/plugin-kit';
import type { Disk } from '../disk/disk.ts';
import { isOfFile, isReplaced } from '../disk/disk-failure.ts';
import { NEWLINE } from '../layout/line.ts';
import { reportDamage, reportUnreadable } from './damage.ts';
import type { LogEntry } from './log-entry.ts';
import type { WorkerFiles } from './worker-files.ts';

/**
 * Compares the length and the last byte of a Worker's `events.jsonl` with what the store expects. A mismatch marks the log
 * as damaged and is reported. A file that cannot be read is reported, and inspected again later. The cost does not depend on the file's length.
 */
export const inspect = async (
  entry: LogEntry,
  files: WorkerFiles,
  disk: Disk,
  report: (finding: StoreFinding) => void,
): Promise<void> => {
  const bytes = entry.hasFiles ? entry.filed.bytes : 0;
  const damaged = (message: string, offset: number, detail?: unknown): void =>
    reportDamage(entry, report, { message, offset, phase: 'open', detail });
  entry.isChecked = true;
  let size: number | null;
  try {
    size = await disk.size(files.events(entry));
    if (size !== null && size >= bytes && bytes > 0) {
      const last = Buffer.alloc(1);
      await files.read(files.events(entry), (file) => disk.read(file, last, bytes - 1));
      if (last[0] !== NEWLINE) return damaged('The events of a Worker do not end with a whole line', bytes);
    }
    entry.isUnreadable = false;
  } catch (error) {
    if (isOfFile(error) && !isReplaced(error)) {
      entry.isChecked = false;
      return reportUnreadable(entry, report, 'open', error);
    }
    return damaged('The events of a Worker cannot be read', 0, error);
  }
  if ((size ?? 0) < bytes) return damaged('The events of a Worker are cut short', size ?? 0);
  // With unfiled batches, the file may be ahead by an earlier, unsynced write of them. It is cut before it is written.
  if (entry.unfiled === null && (size ?? 0) > bytes) {
    damaged('A Worker has more events than the write-ahead log knows: a part of that log is missing', bytes);
  }
};
