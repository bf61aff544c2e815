import type { StoreFinding } from '@worker-runtime/core/plugin-kit';
import type { Disk } from '../disk/disk.ts';
import { diskFailure, isLoss, isOfFile, unavailable } from '../disk/disk-failure.ts';
import { Lane } from '../disk/lane.ts';
import type { Reserve } from '../disk/reserve.ts';
import type { LogChange } from '../wal/frame.ts';
import type { WalGate, WriteAheadLog } from '../wal/write-ahead-log.ts';
import { inspect } from './inspection.ts';
import type { BatchRecord, LogEntry, Unfiled } from './log-entry.ts';
import type { FilePlan, WorkerFiles } from './worker-files.ts';

export interface BacklogSettings {
  readonly disk: Disk;
  readonly log: Pick<WriteAheadLog, 'syncedLsn' | 'sync' | 'assertOwned'>;
  readonly files: WorkerFiles;
  /** The most unfiled bytes in memory before commits wait. At a quarter of it, the files are written. */
  readonly limitBytes: number;
  readonly reserve: Pick<Reserve, 'within' | 'measure'>;
  readonly report: (finding: StoreFinding) => void;
}

/** The logs whose files a flush writes in one request to the disk. */
const FLUSH_LOGS = 64;
/** The logs whose files a checkpoint writes for waiting commits between its requests. */
const RELIEF_LOGS = 64;

const FIRST_RETRY_MS = 250;
const LAST_RETRY_MS = 30_000;

/** The next attempt to write files that could not be written. */
interface Retry {
  readonly at: number;
  readonly delayMs: number;
}

/** Commits that wait for the unfiled bytes to fall to the limit. */
class Relief {
  readonly done: Promise<void>;
  resolve: () => void = () => {};
  reject: (error: unknown) => void = () => {};

  constructor() {
    this.done = new Promise((resolve, reject) => {
      this.resolve = resolve;
      this.reject = reject;
    });
  }
}

/** The unfiled bytes of a log. */
const bytesOf = (batches: readonly BatchRecord[]): number =>
  batches.reduce((sum, { start, end }) => sum + end - start, 0);

/**
 * Everything that is in the write-ahead log and not in the Workers' own files yet. It is kept in memory, where reads find
 * it, and is written to the files in large pieces off the hot path. A file that cannot be written fails no commit: its
 * bytes stay here, and it is tried again with backoff. Above the limit, commits are refused until the disk accepts them
 * again. At half of the limit, a Worker whose files cannot be written is refused alone.
 */
export class Backlog implements WalGate {
  /** All work on the Workers' files runs in this lane. */
  readonly lane = new Lane();
  readonly #settings: BacklogSettings;
  #entries: Set<LogEntry> = new Set();
  /** The logs whose files could not be written. */
  readonly #retries = new Map<LogEntry, Retry>();
  #bytes = 0;
  /** The bytes that were filed or released so far. */
  #filedBytes = 0;
  #relief: Relief | null = null;
  /** The goal of the flush that waits for the lane; null if none does. */
  #scheduledGoal: number | null = null;
  #isClosing = false;
  #failure: unknown = null;

  constructor(settings: BacklogSettings) {
    this.#settings = settings;
  }

  get #limitBytes(): number {
    const { reserve, limitBytes } = this.#settings;
    return reserve.within(limitBytes);
  }

  get #softBytes(): number {
    return this.#limitBytes / 4;
  }

  /** True if at most half of the limit is unfiled. */
  get hasRoom(): boolean {
    return this.#bytes <= 2 * this.#softBytes;
  }

  /** Adds an acknowledged change to its log, and to what has to be filed. */
  add(entry: LogEntry, change: LogChange, lsn: number, keys: string, document: string | null): void {
    entry.add(change, lsn, keys, document);
    this.#bytes += change.lines.length;
    this.#entries.add(entry);
    if (this.#bytes > this.#softBytes) void this.#schedule(this.#softBytes / 4);
  }

  /** Takes over the logs whose unfiled batches were found by recovery, before any other. */
  adopt(entries: ReadonlySet<LogEntry>): void {
    this.#entries = new Set(entries);
    for (const { unfiled } of entries) this.#bytes += bytesOf(unfiled?.batches ?? []);
  }

  /** Puts back the batches that were filed since the last checkpoint, because a sync of the files failed. */
  putBack(entry: LogEntry, { batches, document }: Pick<Unfiled, 'batches' | 'document'>): void {
    const { unfiled } = entry;
    entry.unfiled = {
      batches: [...batches, ...(unfiled?.batches ?? [])],
      document: document ?? unfiled?.document ?? null,
      needsCut: unfiled?.needsCut ?? false,
    };
    entry.filed = entry.synced;
    this.#bytes += bytesOf(batches);
    this.#entries.add(entry);
  }

  /** Releases what a removed log has in memory. */
  release(entry: LogEntry): void {
    const bytes = bytesOf(entry.unfiled?.batches ?? []);
    entry.releaseUnfiled();
    this.#entries.delete(entry);
    this.#retries.delete(entry);
    this.#subtract(bytes);
  }

  /**
   * Returns null, or a promise to await before the next commit: above the limit, files are written first. The promise
   * resolves as soon as the unfiled bytes are back at the limit.
   * @throws STORE_FULL · STORE_UNAVAILABLE the files cannot be written
   */
  relief(): Promise<void> | null {
    if (this.#bytes <= this.#limitBytes) return null;
    this.#relief ??= new Relief();
    void this.#schedule(this.#softBytes);
    return this.#relief.done;
  }

  /**
   * Writes some files if more than half of the limit is unfiled. A checkpoint calls this between its syncs, so that
   * commits continue. Must be called in the lane.
   */
  async relieve(): Promise<void> {
    if (this.hasRoom) return;
    const now = performance.now();
    const next: LogEntry[] = [];
    for (const entry of this.#entries) {
      if (next.length === RELIEF_LOGS) break;
      if (this.#mayTry(entry, now)) next.push(entry);
    }
    // The next flush tries again what failed, and reports it.
    await this.file(next, { syncs: false, due: this.#entries.size });
  }

  /**
   * Checks that a log may grow. Logs whose files cannot be written may fill half of the limit together.
   * @throws STORE_UNAVAILABLE they have
   */
  checkGrowth(entry: LogEntry): void {
    if (!this.#retries.has(entry)) return;
    let bytes = 0;
    for (const waiting of this.#retries.keys()) bytes += waiting.bytes - waiting.filed.bytes;
    if (bytes > 2 * this.#softBytes) throw unavailable('The files of the Worker cannot be written');
  }

  /** Ends background flushes, because the store is closing. Unfiled bytes stay in the write-ahead log. */
  beginClosing(): void {
    this.#isClosing = true;
  }

  /** Writes unfiled bytes to the files, without a sync. Failures are reported, and retried by the next flush. */
  async flush(): Promise<void> {
    if (this.#entries.size > 0) await this.#schedule(0);
  }

  /**
   * Writes the synced unfiled batches of logs to their files, and with `syncs` syncs the files. `due` is the number of logs
   * that are due in all. Returns the failure of each log that failed. A failure that may concern one file is reported, and the file is
   * tried again with backoff. Must be called in the lane.
   */
  async file(
    entries: readonly LogEntry[],
    { syncs, due }: { readonly syncs: boolean; readonly due: number },
  ): Promise<ReadonlyMap<LogEntry, unknown>> {
    const { disk, files, report } = this.#settings;
    const failures = new Map<LogEntry, unknown>();
    const planned: { readonly entry: LogEntry; readonly plan: FilePlan; readonly before: number }[] = [];
    for (const entry of entries) {
      const count = this.syncedBatches(entry);
      const before = entry.filed.bytes;
      try {
        // Looks at files that may not match before they are cut.
        if (count > 0 && entry.unfiled?.needsCut && !entry.isChecked && before > 0)
          await inspect(entry, files, disk, report);
        const plan = files.plan(entry, count, { checks: count > 0 && this.#retries.has(entry), syncs });
        if (plan.steps.length > 0) planned.push({ entry, plan, before });
      } catch (error) {
        failures.set(entry, error);
      }
    }
    const results = await disk.perform(
      planned.map(({ plan }) => plan.steps),
      due,
    );
    // Files are written by their names, and a file that was opened for a read may have another name by now.
    await Promise.all(planned.map(({ entry }) => files.close(entry)));
    const written: LogEntry[] = [];
    for (const [at, { entry, plan, before }] of planned.entries()) {
      const failure = results[at];
      if (failure) {
        failures.set(entry, failure);
        continue;
      }
      plan.done();
      written.push(entry);
      this.#subtract(entry.filed.bytes - before);
      this.#entries.delete(entry);
      if (!entry.unfiled) continue;
      if (entry.unfiled.batches.length === 0) {
        // A batch that was added in the meantime is in this array too, so nothing is left out.
        entry.unfiled = null;
        entry.isChecked = true;
      } else this.#entries.add(entry);
    }
    this.#noteBehind(failures);
    this.#noteWritten(written);
    return failures;
  }

  /** True unless the files of a log could not be written a short time ago. */
  #mayTry(entry: LogEntry, now: number): boolean {
    return (this.#retries.get(entry)?.at ?? 0) <= now;
  }

  /** The number of unfiled batches of a log that the write-ahead log has synced. */
  syncedBatches({ unfiled }: LogEntry): number {
    const batches = unfiled?.batches ?? [];
    const synced = this.#settings.log.syncedLsn;
    let count = batches.length;
    while (count > 0 && (batches[count - 1] as BatchRecord).lsn >= synced) count -= 1;
    return count;
  }

  #noteBehind(failures: ReadonlyMap<LogEntry, unknown>): void {
    const behind: LogEntry[] = [];
    for (const [entry, error] of failures) {
      if (!isOfFile(error)) continue;
      const last = this.#retries.get(entry)?.delayMs;
      const delayMs = last === undefined ? FIRST_RETRY_MS : Math.min(2 * last, LAST_RETRY_MS);
      this.#retries.set(entry, { at: performance.now() + delayMs, delayMs });
      if (last === undefined) behind.push(entry);
    }
    const [first] = behind;
    if (!first) return;
    this.#report(
      behind,
      {
        severity: 'warning',
        code: 'FILES_BEHIND',
        message: 'cannot be written; new lines are kept, and the files are tried again',
      },
      failures.get(first),
    );
  }

  #noteWritten(written: readonly LogEntry[]): void {
    const again = written.filter((entry) => this.#retries.delete(entry));
    if (again.length === 0) return;
    // What kept the files of one Worker from being written may have kept those of others.
    for (const [entry, { delayMs }] of this.#retries) this.#retries.set(entry, { at: 0, delayMs });
    this.#report(again, {
      severity: 'info',
      code: 'FILES_WRITTEN',
      message: 'can be written again, and have all lines',
    });
  }

  /** Reports the same of the files of some Workers, once: after the failure of a disk, they may be those of all. */
  #report(
    entries: readonly LogEntry[],
    { severity, code, message }: Pick<StoreFinding, 'severity' | 'code' | 'message'>,
    detail?: unknown,
  ): void {
    const [first] = entries as readonly [LogEntry];
    const isOne = entries.length === 1;
    this.#settings.report({
      severity,
      code,
      message: `The files of ${isOne ? 'a Worker' : `${entries.length} Workers`} ${message}`,
      ...(isOne && { workerId: first.workerId }),
      details: { file: 'events', phase: 'flush', ...(isOne && { offset: first.filed.bytes }) },
      ...(detail !== undefined && { detail }),
    });
  }

  /** Runs a flush in the lane. One that already waits there is used, with the lower goal of the two. */
  async #schedule(goal: number): Promise<void> {
    const isWaiting = this.#scheduledGoal !== null;
    this.#scheduledGoal = Math.min(goal, this.#scheduledGoal ?? goal);
    if (isWaiting) return;
    await this.lane.run(async () => {
      const lowest = this.#scheduledGoal ?? goal;
      this.#scheduledGoal = null;
      await this.#flush(lowest);
    });
  }

  /** Flushes logs until at most `goal` bytes are unfiled, and settles the commits that wait for it. */
  async #flush(goal: number): Promise<void> {
    const before = this.#filedBytes;
    const relief = this.#relief;
    let failure: unknown = null;
    try {
      // The files may belong to another process.
      await this.#settings.log.assertOwned();
      // A volume that cannot be measured is bounded as before.
      await this.#settings.reserve.measure().catch(() => {});
      // Commits wait for files, and files get only synced bytes.
      if (relief) await this.#settings.log.sync();
      failure = await this.#flushAll(goal);
    } catch (error) {
      failure = error;
    }
    if (failure !== null && this.#failure === null && !isLoss(failure)) {
      this.#settings.report({
        severity: 'warning',
        code: 'FILES_BEHIND',
        message: 'The files of some Workers cannot be written; the write-ahead log keeps their new lines',
        details: { file: 'events', phase: 'flush' },
        detail: failure,
      });
    }
    this.#failure = failure;
    // Commits that came later have a flush of their own, which may succeed.
    if (!relief || relief !== this.#relief) return;
    // The measured volume may allow more than before.
    if (this.#bytes <= this.#limitBytes) this.#settleRelief(null);
    else if (failure === null && this.#filedBytes > before) void this.#schedule(this.#softBytes);
    else
      this.#settleRelief(diskFailure(failure ?? unavailable('The files of the Workers cannot be written')));
  }

  /**
   * Flushes the logs that have unfiled bytes at this moment. Logs that get new bytes in the meantime wait for the next
   * flush, because otherwise this one would not end while Workers are busy. Returns the last failure.
   */
  async #flushAll(goal: number): Promise<unknown> {
    let failure: unknown = null;
    const due = [...this.#entries];
    for (let at = 0; at < due.length; at += FLUSH_LOGS) {
      if (this.#isClosing && !this.#relief) break;
      if (this.#bytes <= goal && goal > 0) break;
      const now = performance.now();
      const next = due.slice(at, at + FLUSH_LOGS).filter((entry) => this.#mayTry(entry, now));
      for (const [entry, error] of await this.file(next, { syncs: false, due: due.length })) {
        // The failure of one Worker's files says nothing about the others, and was reported.
        if (!this.#retries.has(entry)) failure = error;
      }
    }
    return failure;
  }

  #subtract(bytes: number): void {
    this.#bytes -= bytes;
    this.#filedBytes += bytes;
    if (this.#relief && this.#bytes <= this.#limitBytes) this.#settleRelief(null);
  }

  #settleRelief(failure: unknown): void {
    const relief = this.#relief;
    this.#relief = null;
    if (failure === null) relief?.resolve();
    else relief?.reject(failure);
  }
}
