import { join } from 'node:path';
import type { Snapshot, StoreFinding } from '@worker-runtime/core/plugin-kit';
import { type Disk, readRange, writeFully } from '../disk/disk.ts';
import { diskFailure, unavailable, withDiskFailure } from '../disk/disk-failure.ts';
import type { Backlog } from '../files/backlog.ts';
import { writeBase } from '../files/base-files.ts';
import type { LogEntry } from '../files/log-entry.ts';
import type { WorkerFiles } from '../files/worker-files.ts';
import type { Layout } from '../layout/layout.ts';
import type { WriteAheadLog } from '../wal/write-ahead-log.ts';
import type { Checkpoints } from './checkpoints.ts';

const BLOCK_BYTES = 1_048_576;
/** The checkpoints that may be needed until the file of a log has a line: one may be in progress, without it. */
const CHECKPOINTS = 2;

export interface TrimSettings {
  readonly disk: Disk;
  readonly layout: Layout;
  readonly files: WorkerFiles;
  readonly backlog: Pick<Backlog, 'lane' | 'relieve'>;
  readonly checkpoints: Pick<Checkpoints, 'make'>;
  readonly log: Pick<WriteAheadLog, 'assertOwned'>;
  /** Notes in the identity of the store that it has a base. On return that is durable. */
  readonly noteBase: () => Promise<void>;
  readonly report: (finding: StoreFinding) => void;
}

/**
 * Removes the beginnings of logs. The file of a log is replaced by one that has a hole there, which takes no space, so all other lines
 * keep their offsets. The steps, in this order:
 *
 * 1. Make a checkpoint, so that no replay needs the lines before the base.
 * 2. Write and sync the new file beside the old one. If the disk is full, this fails, and nothing has changed.
 * 3. Write and sync the base. From here on the log is trimmed.
 * 4. Rename the new file. If the process ends before, the next open repeats steps 2 and 4.
 */
export class LogTrim {
  readonly #settings: TrimSettings;

  constructor(settings: TrimSettings) {
    this.#settings = settings;
  }

  /** Writes the base of a log before its creation. Without the creation, the next open deletes it. */
  begin(entry: LogEntry, base: Snapshot): Promise<void> {
    const { backlog, disk, layout, noteBase } = this.#settings;
    return withDiskFailure(() =>
      backlog.lane.run(async () => {
        await noteBase();
        await writeBase(disk, layout, entry, base);
      }),
    );
  }

  /** @throws STORE_FULL · STORE_UNAVAILABLE either all lines or the base are there */
  async trim(entry: LogEntry, base: Snapshot): Promise<void> {
    const { checkpoints, backlog, disk, layout, log, noteBase } = this.#settings;
    for (let made = 0; made < CHECKPOINTS && entry.synced.bytes < base.head.bytes; made += 1)
      await checkpoints.make();
    if (entry.synced.bytes < base.head.bytes)
      throw unavailable('The lines before the base are not in the files yet; try again');
    await backlog.lane.run(async () => {
      if (entry.isRemoved) return;
      try {
        await log.assertOwned();
        await this.#copy(entry, base.head.bytes);
        await noteBase();
        await log.assertOwned();
        await writeBase(disk, layout, entry, base);
      } catch (error) {
        await disk.remove(this.#nextPath(entry)).catch(() => {});
        throw diskFailure(error);
      }
      entry.begin = base.head;
      await this.#replace(entry);
    });
  }

  /** Completes what a process has left that ended between the base and the new file. */
  async complete(entries: Iterable<LogEntry>): Promise<void> {
    for (const entry of entries) {
      const begin = entry.begin.bytes;
      if (!entry.isTrimmed || entry.synced.bytes <= begin || entry.isDamaged) continue;
      try {
        if (await this.#isCut(entry, begin)) continue;
        await this.#copy(entry, begin);
        await this.#replace(entry);
      } catch (error) {
        this.#reportLater(entry, error);
      }
    }
  }

  #nextPath(entry: LogEntry): string {
    return join(this.#settings.files.directory(entry), 'events.next.jsonl');
  }

  /** True if the hole reaches to the base: the byte before it is no newline. */
  async #isCut(entry: LogEntry, begin: number): Promise<boolean> {
    const { files, disk } = this.#settings;
    const [last] = await files.read(files.events(entry), (file) => readRange(disk, file, begin - 1, 1));
    return last === 0;
  }

  /** Writes the lines from an offset on to a new file, at the same offsets, and syncs it. */
  async #copy(entry: LogEntry, begin: number): Promise<void> {
    const { disk, files, backlog } = this.#settings;
    const target = await disk.open(this.#nextPath(entry), 'replace');
    try {
      for (let at = begin; at < entry.filed.bytes; ) {
        const length = Math.min(BLOCK_BYTES, entry.filed.bytes - at);
        const block = await files.read(files.events(entry), (file) => readRange(disk, file, at, length));
        if (block.length < length) throw unavailable('The events of the Worker are cut short');
        await writeFully(disk, target, block, at);
        at += length;
        if (at < entry.filed.bytes) continue;
        await disk.sync(target);
        // may write more of this log, which then follows
        await backlog.relieve();
      }
    } finally {
      await disk.close(target);
    }
  }

  /** Gives the new file its name. A failure takes only space, until the next open. */
  async #replace(entry: LogEntry): Promise<void> {
    const { disk, files } = this.#settings;
    try {
      await disk.rename(this.#nextPath(entry), files.events(entry));
      await files.close(entry);
      await disk.syncDirectory(files.directory(entry));
    } catch (error) {
      await files.close(entry).catch(() => {});
      this.#reportLater(entry, error);
    }
  }

  #reportLater(entry: LogEntry, detail: unknown): void {
    this.#settings.report({
      severity: 'warning',
      code: 'TRIM_INCOMPLETE',
      message: 'The space of removed events could not be freed; the next start tries again',
      workerId: entry.workerId,
      details: { file: 'events', phase: 'checkpoint' },
      detail,
    });
  }
}
