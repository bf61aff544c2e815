import type { StoreFinding } from '@worker-runtime/core';
import { diskFailure, isMisplaced } from '../disk/disk-failure.ts';
import { Lane } from '../disk/lane.ts';
import type { LogChange } from '../wal/frame.ts';
import { type Behind, type LogEntry, NOTHING_FILED } from './log-entry.ts';
import type { WorkerFiles } from './worker-files.ts';

export interface BacklogSettings {
  /** From where on commits wait for the files. They are written at a quarter of it, checkpoint or not. */
  readonly limitBytes: number;
  readonly files: WorkerFiles;
  /** Frames before this LSN are synced; the files never run ahead of the log. */
  readonly syncedLsn: () => number;
  /** On return the log is synced as far as it was written. */
  readonly syncLog: () => Promise<void>;
  /** Puts the bytes of a log aside whose own files cannot be written, for good. */
  readonly rescue: (entry: LogEntry, behind: Behind, count: number) => Promise<void>;
  /** Looks at files that are not known to fit, before they are cut. */
  readonly inspect: (entry: LogEntry) => Promise<void>;
  readonly report: (finding: StoreFinding) => void;
}

/**
 * What the shared log has and the Workers' own files have not. It is kept in memory, where reads find it, and goes to
 * the files in large pieces off the hot path. A file that cannot be written fails no commit: its bytes stay here, and
 * at the bound commits are refused until the disk takes them again.
 */
export class Backlog {
  readonly lane = new Lane();
  readonly #settings: BacklogSettings;
  readonly #entries = new Set<LogEntry>();
  #bytes = 0;
  #isScheduled = false;
  #isEnding = false;
  #failure: unknown = null;

  constructor(settings: BacklogSettings) {
    this.#settings = settings;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get #softBytes(): number {
    return this.#settings.limitBytes / 4;
  }

  /** Notes a change that the log has. */
  add(entry: LogEntry, change: LogChange, lsn: number, keys: string, document: string | null = null): void {
    let behind = entry.behind;
    if (!behind) {
      behind = { chunks: [], starts: [], seqs: [], lsns: [], keys: [], document, isUncut: !entry.isChecked };
      entry.behind = behind;
    }
    behind.chunks.push(change.lines);
    behind.starts.push(change.bytes);
    behind.seqs.push(change.seq + change.count);
    behind.lsns.push(lsn);
    behind.keys.push(keys);
    this.#bytes += change.lines.length;
    this.#entries.add(entry);
    if (this.#bytes > this.#softBytes) this.#schedule();
  }

  /** Puts what was filed since the last checkpoint back, from the log: a sync of the files failed. */
  putBack(entry: LogEntry, earlier: Omit<Behind, 'document' | 'isUncut'>): void {
    const empty = { chunks: [], starts: [], seqs: [], lsns: [], keys: [], document: null, isUncut: false };
    const behind: Behind = entry.behind ?? empty;
    behind.chunks.unshift(...earlier.chunks);
    behind.starts.unshift(...earlier.starts);
    behind.seqs.unshift(...earlier.seqs);
    behind.lsns.unshift(...earlier.lsns);
    behind.keys.unshift(...earlier.keys);
    for (const chunk of earlier.chunks) this.#bytes += chunk.length;
    entry.behind = behind;
    entry.filed = entry.synced;
    this.#entries.add(entry);
  }

  /** Forgets what a removed log had here. */
  forget(entry: LogEntry): void {
    for (const chunk of entry.behind?.chunks ?? []) this.#bytes -= chunk.length;
    entry.behind = null;
    entry.filed = NOTHING_FILED;
    this.#entries.delete(entry);
  }

  /** Null, or what a commit has to wait for. @throws STORE_FULL · STORE_UNAVAILABLE the files do not take more */
  relief(): Promise<void> | null {
    const { limitBytes } = this.#settings;
    if (this.#bytes <= limitBytes) return null;
    return this.lane.run(async () => {
      // files take what is synced, and no more
      await this.#settings.syncLog();
      if (this.#bytes > limitBytes) await this.#flush(this.#softBytes, true);
      if (this.#bytes > limitBytes) throw diskFailure(this.#failure);
    });
  }

  /** The store is being closed: what nobody waits for stays in the log, where the next open finds it. */
  end(): void {
    this.#isEnding = true;
  }

  /** Writes what is behind to the files, unsynced. Failures are reported and tried again the next time. */
  async flush(): Promise<void> {
    if (this.#entries.size > 0) await this.lane.run(() => this.#flush(0));
  }

  /** Writes what one log has behind, as far as the log is synced. To be called inside the lane. */
  async flushOne(entry: LogEntry): Promise<void> {
    const { behind } = entry;
    if (!behind) return;
    const synced = this.#settings.syncedLsn();
    const { lsns } = behind;
    let count = lsns.length;
    while (count > 0 && (lsns[count - 1] as number) >= synced) count -= 1;
    if (count === 0) return;
    const before = entry.filed.bytes;
    try {
      if (behind.isUncut && !entry.isChecked && entry.filed.bytes > 0) await this.#settings.inspect(entry);
      await this.#settings.files.write(entry, behind, count);
    } catch (error) {
      if (!isMisplaced(error)) throw error;
      await this.#settings.rescue(entry, behind, count);
    }
    this.#bytes -= entry.filed.bytes - before;
    if (behind.chunks.length === 0) {
      // An append may have come in between: `behind` is one object, so then it is not empty.
      entry.behind = null;
      entry.isChecked = true;
      this.#entries.delete(entry);
    }
  }

  async #flush(goal: number, isWaitedFor = false): Promise<void> {
    let failure: unknown = null;
    for (const entry of this.#entries) {
      if (this.#isEnding && !isWaitedFor) break;
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
        message: 'The files of Workers cannot be written; the log keeps what they lack',
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
