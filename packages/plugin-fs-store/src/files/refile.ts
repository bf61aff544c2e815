import type { Disk } from '../disk/disk.ts';
import type { Layout } from '../layout/layout.ts';
import { FRAME_KIND } from '../wal/frame.ts';
import { replay } from '../wal/replay.ts';
import type { WalPosition } from '../wal/wal-position.ts';
import type { Backlog } from './backlog.ts';
import { type BatchRecord, type LogEntry, ReplayedBatch, type Unfiled } from './log-entry.ts';
import { readRescued } from './rescue.ts';

/** The batches of one log that were filed since the last checkpoint. */
interface FiledBatches {
  readonly batches: BatchRecord[];
  /** The text of `worker.json`, if the log was created since the last checkpoint. */
  document: Unfiled['document'];
  /** The offset at which the next change has to begin. */
  next: number;
  /** The offset up to which the log was filed. */
  readonly end: number;
}

/**
 * Takes the files of these logs back to the last checkpoint, and makes what they got since then unfiled again, from the
 * write-ahead log and from lines that were rescued. This is needed after a failed sync of the files: the kernel may have dropped their pages, and would not
 * report that a second time.
 */
export const refile = async (
  disk: Disk,
  layout: Layout,
  backlog: Backlog,
  entries: readonly LogEntry[],
  from: WalPosition | null,
): Promise<void> => {
  const found = new Map<string, FiledBatches>();
  for (const entry of entries) {
    const { log, synced, filed } = entry;
    const lines = await readRescued(disk, layout, entry, synced);
    const next = lines ? lines.end : synced.bytes;
    const document = lines?.document ?? null;
    found.set(log, { batches: lines ? [lines] : [], document, next, end: filed.bytes });
  }
  await replay({
    disk,
    layout,
    from,
    // Damage, or a group whose write is in progress, does not matter here: the check below covers both.
    report: () => {},
    apply(change, lsn) {
      const filed = found.get(change.log);
      if (!filed || change.kind === FRAME_KIND.remove) return;
      if (change.bytes !== filed.next || change.bytes >= filed.end) return;
      if (change.kind === FRAME_KIND.create && change.document.length > 0) filed.document = change.document;
      const batch = new ReplayedBatch(change, lsn);
      filed.batches.push(batch);
      filed.next = batch.end;
    },
  });
  for (const entry of entries) {
    const filed = found.get(entry.log);
    // All batches or none: otherwise the files stay as they are, and the next checkpoint fails like this one.
    if (filed && filed.next === entry.filed.bytes) backlog.putBack(entry, filed);
  }
};
