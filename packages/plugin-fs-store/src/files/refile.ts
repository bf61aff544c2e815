import type { Disk } from '../disk/disk.ts';
import type { Layout } from '../layout/layout.ts';
import { FRAME_KIND } from '../wal/frame.ts';
import { replay } from '../wal/replay.ts';
import type { WalPosition } from '../wal/wal-position.ts';
import type { Backlog } from './backlog.ts';
import type { LogEntry } from './log-entry.ts';

interface Earlier {
  readonly chunks: Uint8Array[];
  readonly starts: number[];
  readonly seqs: number[];
  readonly lsns: number[];
  readonly keys: string[];
  /** Where the next change has to begin. */
  next: number;
}

/**
 * Takes the files of these logs back to the last checkpoint, and what they got since puts behind them again, from the
 * shared log. For a sync of theirs failed: the kernel may have dropped their pages, and would not say so twice.
 */
export const refile = async (
  disk: Disk,
  layout: Layout,
  backlog: Backlog,
  entries: readonly LogEntry[],
  from: WalPosition | null,
): Promise<void> => {
  const found = new Map<string, Earlier>();
  const filed = new Map<string, number>();
  for (const { log, synced, filed: now } of entries) {
    found.set(log, { chunks: [], starts: [], seqs: [], lsns: [], keys: [], next: synced.bytes });
    filed.set(log, now.bytes);
  }
  await replay({
    disk,
    layout,
    from,
    // What is there of damage, or of a group on its way, concerns nobody here.
    report: () => {},
    apply(change, lsn) {
      const earlier = found.get(change.log);
      if (!earlier || change.kind === FRAME_KIND.remove) return;
      if (change.bytes !== earlier.next || change.bytes >= (filed.get(change.log) ?? 0)) return;
      const keysAt = change.kind === FRAME_KIND.create ? change.meta.indexOf('\n') + 1 : 0;
      earlier.chunks.push(change.lines);
      earlier.starts.push(change.bytes);
      earlier.seqs.push(change.seq + change.count);
      earlier.lsns.push(lsn);
      earlier.keys.push(change.meta.slice(keysAt));
      earlier.next = change.bytes + change.lines.length;
    },
  });
  for (const entry of entries) {
    const earlier = found.get(entry.log);
    // All of it, or the files stay as they are and the next checkpoint fails as this one did.
    if (earlier && earlier.next === entry.filed.bytes) backlog.putBack(entry, earlier);
  }
};
