import type { StoreFinding } from '@worker-runtime/core';
import type { Disk } from '../disk/disk.ts';
import { diskFailure, isMisplaced } from '../disk/disk-failure.ts';
import { Lane } from '../disk/lane.ts';
import type { Layout } from '../layout/layout.ts';
import type { LogChange } from '../wal/frame.ts';
import type { WalGate, WriteAheadLog } from '../wal/write-ahead-log.ts';
import { inspect } from './inspection.ts';
import type { BatchRecord, LogEntry } from './log-entry.ts';
import { rescue } from './rescue.ts';
import type { WorkerFiles } from './worker-files.ts';

export interface BacklogSettings {
  readonly disk: Disk;
  readonly layout: Layout;
  readonly log: Pick<WriteAheadLog, 'syncedLsn' | 'sync' | 'assertOwned'>;
  readonly files: WorkerFiles;
  /** The most unfiled bytes in memory before commits wait. At a quarter of it, the files are written. */
  readonly limitBytes: number;
  readonly report: (finding: StoreFinding) => void;
}

/** The unfiled bytes of a log. */
const bytesOf = (batches: readonly BatchRecord[]): number =>
  batches.reduce((sum, { lines }) => sum + lines.length, 0);

/**
 * Everything that is in the write-ahead log and not in the Workers' own files yet. It is kept in memory, where reads find
 * it, and is written to the files in large pieces off the hot path. A file that cannot be written fails no commit: its
 * bytes stay here. Above the limit, commits are refused until the disk accepts them again.
 */
export class Backlog implements WalGate {
  /** All work on the Workers' files runs in this lane. */
  readonly lane = new Lane();
  readonly #settings: BacklogSettings;
  readonly #entries = new Set<LogEntry>();
  #bytes = 0;
  #isScheduled = false;
  #isClosing = false;
  #failure: unknown = null;

  constructor(settings: BacklogSettings) {
    this.#settings = settings;
  }

  get #softBytes(): number {
    return this.#settings.limitBytes / 4;
  }

  /** Adds an acknowledged change to its log, and to what has to be filed. */
  add(entry: LogEntry, change: LogChange, lsn: number, keys: string, document: string | null): void {
    entry.add(change, lsn, keys, document);
    this.#bytes += change.lines.length;
    this.#entries.add(entry);
    if (this.#bytes > this.#softBytes) this.#schedule();
  }

  /** Takes over a log whose unfiled batches were found by recovery. */
  adopt(entry: LogEntry): void {
    if (!entry.unfiled) return;
    this.#bytes += bytesOf(entry.unfiled.batches);
    this.#entries.add(entry);
  }

  /** Puts back the batches that were filed since the last checkpoint, because a sync of the files failed. */
  putBack(entry: LogEntry, batches: readonly BatchRecord[]): void {
    const { unfiled } = entry;
    entry.unfiled = {
      batches: [...batches, ...(unfiled?.batches ?? [])],
      document: unfiled?.document ?? null,
      needsCut: unfiled?.needsCut ?? false,
    };
    entry.filed = entry.synced;
    this.#bytes += bytesOf(batches);
    this.#entries.add(entry);
  }

  /** Releases what a removed log has in memory. */
  release(entry: LogEntry): void {
    this.#bytes -= bytesOf(entry.unfiled?.batches ?? []);
    entry.releaseUnfiled();
    this.#entries.delete(entry);
  }

  /**
   * Returns null, or a promise to await before the next commit: above the limit, the files are written first.
   * @throws STORE_FULL · STORE_UNAVAILABLE the files cannot be written
   */
  relief(): Promise<void> | null {
    const { limitBytes, log } = this.#settings;
    if (this.#bytes <= limitBytes) return null;
    return this.lane.run(async () => {
      // Files get only synced bytes.
      await log.sync();
      if (this.#bytes > limitBytes) await this.#flush(this.#softBytes, true);
      if (this.#bytes > limitBytes) throw diskFailure(this.#failure);
    });
  }

  /** Ends background flushes, because the store is closing. Unfiled bytes stay in the write-ahead log. */
  beginClosing(): void {
    this.#isClosing = true;
  }

  /** Writes unfiled bytes to the files, without a sync. Failures are reported, and retried by the next flush. */
  async flush(): Promise<void> {
    if (this.#entries.size > 0) await this.lane.run(() => this.#flush(0));
  }

  /** Writes the synced unfiled batches of one log to its files. Must be called in the lane. */
  async flushOne(entry: LogEntry): Promise<void> {
    const { unfiled } = entry;
    if (!unfiled) return;
    const { disk, layout, files, report, log } = this.#settings;
    const { batches } = unfiled;
    const synced = log.syncedLsn;
    let count = batches.length;
    while (count > 0 && (batches[count - 1] as BatchRecord).lsn >= synced) count -= 1;
    if (count === 0) return;
    const before = entry.filed.bytes;
    try {
      // Looks at files that may not match before they are cut.
      if (unfiled.needsCut && !entry.isChecked && before > 0) await inspect(entry, files, disk, report);
      await files.write(entry, unfiled, count);
    } catch (error) {
      if (!isMisplaced(error)) throw error;
      await rescue({ disk, layout, report }, entry, unfiled, count);
    }
    this.#bytes -= entry.filed.bytes - before;
    if (batches.length === 0) {
      // A batch that was added in the meantime is in this array too, so nothing is left out.
      entry.unfiled = null;
      entry.isChecked = true;
      this.#entries.delete(entry);
    }
  }

  /** Flushes logs until at most `goal` bytes are unfiled. `isAwaited` is true if a commit waits for it. */
  async #flush(goal: number, isAwaited = false): Promise<void> {
    let failure: unknown = null;
    try {
      await this.#settings.log.assertOwned();
    } catch (error) {
      // The loss of the store is reported elsewhere, and any other failure by the next commit.
      this.#failure ??= error;
      return;
    }
    for (const entry of this.#entries) {
      if (this.#isClosing && !isAwaited) break;
      if (this.#bytes <= goal && goal > 0) break;
      try {
        await this.flushOne(entry);
      } catch (error) {
        failure = error;
      }
    }
    if (failure !== null && this.#failure === null) {
      this.#settings.report({
        severity: 'warning',
        code: 'FILES_BEHIND',
        message: 'The files of some Workers cannot be written; the write-ahead log keeps their new lines',
        details: { file: 'events', phase: 'flush' },
        detail: failure,
      });
    }
    this.#failure = failure;
  }

  #schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    void this.lane.run(async () => {
      this.#isScheduled = false;
      await this.#flush(this.#softBytes / 4);
    });
  }
}
