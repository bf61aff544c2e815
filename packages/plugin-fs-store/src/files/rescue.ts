import { join } from 'node:path';
import type { StoreFinding } from '@worker-runtime/core/plugin-kit';
import { type Disk, writeFully } from '../disk/disk.ts';
import { directoryNameOf, type Layout } from '../layout/layout.ts';
import { reportDamage } from './damage.ts';
import type { LogEntry, Unfiled } from './log-entry.ts';

export interface RescueSettings {
  readonly disk: Disk;
  readonly layout: Layout;
  readonly report: (finding: StoreFinding) => void;
}

/**
 * Puts the first `count` unfiled batches of a log aside, synced, because its own files cannot be written (a directory may
 * be in the place of a file, for example). One such Worker must not keep the write-ahead log from being retired. No
 * acknowledged line is lost.
 */
export const rescue = async (
  { disk, layout, report }: RescueSettings,
  entry: LogEntry,
  unfiled: Unfiled,
  count: number,
): Promise<void> => {
  const { bytes } = entry.filed;
  const name = `${directoryNameOf(entry.workerId, entry.log)}.${bytes}`;
  const batches = unfiled.batches.slice(0, count);
  const lines = Buffer.concat(batches.map((batch) => batch.lines));
  const keyLines = Buffer.from(batches.map((batch) => batch.keys).join(''));
  await disk.makeDirectory(layout.rescued);
  const parts = [
    ['jsonl', lines],
    ['keys', keyLines],
    ['worker', Buffer.from(unfiled.document ?? '')],
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
  entry.noteFiled(count, lines.length, keyLines.length);
  unfiled.document = null;
  entry.damage = 'rescued';
  reportDamage(entry, report, {
    message: 'The files of a Worker cannot be written; its last lines were put into the directory rescued',
    offset: bytes,
    phase: 'flush',
    detail: { rescued: name },
  });
};
