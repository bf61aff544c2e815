import { join } from 'node:path';
import type { StoreFinding } from '@worker-runtime/core';
import { type Disk, writeFully } from '../disk/disk.ts';
import { directoryNameOf, type Layout } from '../layout/layout.ts';
import type { Behind, LogEntry } from './log-entry.ts';

export interface RescueSettings {
  readonly disk: Disk;
  readonly layout: Layout;
  readonly report: (finding: StoreFinding) => void;
}

/**
 * Puts acknowledged lines aside, synced, whose Worker's own files cannot be written (a directory is where the file
 * should be, say): one such Worker must not keep the log of all from being retired. Nothing of it is lost.
 */
export const rescue = async (
  { disk, layout, report }: RescueSettings,
  entry: LogEntry,
  behind: Behind,
  count: number,
): Promise<void> => {
  const { bytes, keyBytes } = entry.filed;
  const name = `${directoryNameOf(entry.workerId, entry.log)}.${bytes}`;
  const { chunks, starts, seqs, lsns, keys } = behind;
  const lines = Buffer.concat(chunks.slice(0, count));
  const keyLines = Buffer.from(keys.slice(0, count).join(''));
  await disk.makeDirectory(layout.rescued);
  const parts = [
    ['jsonl', lines],
    ['keys', keyLines],
    ['worker', Buffer.from(behind.document ?? '')],
  ] as const;
  for (const [kind, part] of parts) {
    if (part.length === 0) continue;
    const file = await disk.open(join(layout.rescued, `${name}.${kind}`), 'replace');
    try {
      await writeFully(disk, file, part, 0);
      await disk.sync(file);
    } finally {
      await disk.close(file);
    }
  }
  await disk.syncDirectory(layout.rescued);
  await disk.syncDirectory(layout.root);
  entry.filed = {
    seq: seqs[count - 1] as number,
    bytes: bytes + lines.length,
    keyBytes: keyBytes + keyLines.length,
  };
  behind.document = null;
  for (const list of [chunks, starts, seqs, lsns, keys]) list.splice(0, count);
  entry.isDamaged = true;
  entry.isRescued = true;
  report({
    severity: 'error',
    code: 'WORKER_DAMAGED',
    message: 'The files of a Worker cannot be written; its last lines were put aside',
    workerId: entry.workerId,
    details: { file: 'events', offset: bytes, phase: 'flush' },
    detail: { rescued: name },
  });
};
