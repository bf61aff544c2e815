import type { StoreFinding } from '@worker-runtime/core';
import type { Disk } from '../disk/disk.ts';
import { NEWLINE } from '../layout/line.ts';
import type { LogEntry } from './log-entry.ts';
import type { WorkerFiles } from './worker-files.ts';

/**
 * Compares a Worker's `events.jsonl` with what the store knows of it: its length, and that a line ends there. One that
 * does not fit makes the log damaged, which is reported once. Costs the same for every length.
 */
export const inspect = async (
  entry: LogEntry,
  files: WorkerFiles,
  disk: Disk,
  report: (finding: StoreFinding) => void,
): Promise<void> => {
  const { bytes } = entry.filed;
  const damaged = (message: string, offset: number, detail?: unknown): void => {
    entry.isDamaged = true;
    const details = { file: 'events', offset, phase: 'open' };
    report({ severity: 'error', code: 'WORKER_DAMAGED', message, workerId: entry.workerId, details, detail });
  };
  entry.isChecked = true;
  let size: number | null;
  try {
    size = await disk.size(files.events(entry));
    if (size !== null && size >= bytes && bytes > 0) {
      const last = Buffer.alloc(1);
      await files.pool.use(files.events(entry), 'write', (file) => disk.read(file, last, bytes - 1));
      if (last[0] !== NEWLINE) return damaged('The events of a Worker do not end in a line', bytes);
    }
  } catch (error) {
    return damaged('The events of a Worker cannot be read', 0, error);
  }
  if ((size ?? 0) < bytes) return damaged('The events of a Worker are cut short', size ?? 0);
  // What is behind was there before it was filed: then the file may be ahead, and is cut to fit.
  if (entry.behind === null && (size ?? 0) > bytes) {
    damaged('A Worker has more events than the log knows: a part of the log is missing', bytes);
  }
};
