import { basename, join } from 'node:path';
import type { Snapshot, StoreFinding } from '@worker-runtime/core/plugin-kit';
import type { Disk } from '../disk/disk.ts';
import { errnoOf, isLoss, isOfFile, isReplaced } from '../disk/disk-failure.ts';
import type { Reserve } from '../disk/reserve.ts';
import type { Backlog } from '../files/backlog.ts';
import { basePath } from '../files/base-files.ts';
import { reportDamage } from '../files/damage.ts';
import type { LogEntry } from '../files/log-entry.ts';
import { refile } from '../files/refile.ts';
import { rescue, rescuedPaths } from '../files/rescue.ts';
import type { WorkerFiles } from '../files/worker-files.ts';
import { type Layout, segmentNumberOf } from '../layout/layout.ts';
import type { WalPosition } from '../wal/wal-position.ts';
import type { WriteAheadLog } from '../wal/write-ahead-log.ts';
import { type Checkpoint, catalogLine, checkpointLine, removalLine } from './catalog.ts';
import { CatalogFile } from './catalog-file.ts';
import type { LogTable } from './log-table.ts';

/** The longest time for which describing logs for the catalog may block the event loop. */
const SLICE_MS = 5;
/** The lines that are taken over in one go, which takes about as long. */
const SLICE_LINES = 8_192;
/**
 * The logs whose files a checkpoint syncs in one request to the disk. Between requests it writes files for waiting commits. If
 * many bytes wait already, the requests are smaller.
 */
const REQUEST_LOGS = 64;
const SMALL_REQUEST_LOGS = 8;
/** A checkpoint notes its progress in the catalog each time it has filed this many logs. */
const SLICE_LOGS = 4_096;

export interface CheckpointSettings {
  readonly disk: Disk;
  readonly layout: Layout;
  readonly runtimeId: string;
  readonly log: WriteAheadLog;
  readonly backlog: Backlog;
  readonly files: WorkerFiles;
  readonly reserve: Pick<Reserve, 'isFull' | 'within'>;
  readonly logs: LogTable;
  readonly snapshotOf: (log: string) => Snapshot | undefined;
  readonly report: (finding: StoreFinding) => void;
  /** The bytes written to the write-ahead log before a checkpoint is due. */
  readonly lagBytes: number;
  /** The longest time that the checkpoint at closing may take. */
  readonly closingMs: number;
  /** The last checkpoint and the length of the catalog; null if the catalog must be rewritten. */
  readonly last: { readonly checkpoint: Checkpoint; readonly bytes: number; readonly base: number } | null;
}

const nextMacrotask = (): Promise<void> => new Promise((done) => setImmediate(done));

/**
 * Moves the position from which the write-ahead log must be replayed. The steps of a checkpoint, in this order:
 *
 * 1. Write and sync the Workers' files and their directories.
 * 2. Sync the write-ahead log as far as the snapshots cover it.
 * 3. Append the new lines to the catalog and sync it.
 * 4. Remove the segments below the *previous* checkpoint, and the content of the trash.
 *
 * If a checkpoint is interrupted at any point, the previous one holds.
 */
export class Checkpoints {
  readonly #settings: CheckpointSettings;
  readonly #trash = new Set<string>();
  #dirty = new Set<LogEntry>();
  #removed = new Set<LogEntry>();
  /** The lines in `rescued/` of logs that have them in memory: by name, the offset at which they end. */
  readonly #rescued = new Map<LogEntry, Map<string, number>>();
  readonly #catalog: CatalogFile;
  #last: Checkpoint | null;
  /** `writtenBytes` of the log at the last checkpoint; negative infinity if opening the store had to replay changes. */
  #coveredBytes = 0;
  #running: Promise<void> | null = null;
  #hasFailed = false;
  /** `writtenBytes` of the log when space was last freed, and when a segment was last begun for that. */
  #freedAtBytes = -1;
  #begunAtBytes = -1;
  #isStarted = false;
  /** The time at which the checkpoint at closing must stop. */
  #deadline = Number.POSITIVE_INFINITY;

  constructor(settings: CheckpointSettings) {
    this.#settings = settings;
    const { disk, layout, runtimeId, last } = settings;
    this.#catalog = new CatalogFile(disk, layout, runtimeId, last?.bytes ?? 0, last?.base ?? 0);
    this.#last = last?.checkpoint ?? null;
  }

  /** True if a replay would have to read more than `lagBytes`. */
  get isOverdue(): boolean {
    const { log, reserve, lagBytes } = this.#settings;
    const lag = log.writtenBytes - this.#coveredBytes;
    return this.isDue && this.#isStarted && lag > reserve.within(lagBytes);
  }

  /** True if a log changed since the last checkpoint. */
  get isDue(): boolean {
    return this.#dirty.size > 0 || this.#removed.size > 0 || this.#rescued.size > 0;
  }

  /** Allows checkpoints from now on: the runtime knows its logs, and can give snapshots of them. */
  start(): void {
    this.#isStarted = true;
  }

  /** Marks logs as changed because recovery found more of them than the catalog has. The set belongs to this object then. */
  addRecovered(entries: Set<LogEntry>): void {
    if (entries.size === 0) return;
    for (const entry of this.#dirty) entries.add(entry);
    this.#dirty = entries;
    this.#coveredBytes = Number.NEGATIVE_INFINITY;
  }

  /** Takes over lines in `rescued/` that end at an offset. They are deleted once the files of their log have them. */
  addRescued(entry: LogEntry, name: string, end: number): void {
    this.#rescued.set(entry, (this.#rescued.get(entry) ?? new Map<string, number>()).set(name, end));
  }

  /** Marks a log as changed since the last checkpoint. */
  touch(entry: LogEntry): void {
    this.#isStarted = true;
    this.#dirty.add(entry);
    // A failed checkpoint is retried by the next tick, not by every append.
    if (!this.#running && !this.#hasFailed && this.isOverdue) void this.make();
  }

  /** Moves the files of a removed log to the trash. They and its blobs are deleted after the next checkpoint. */
  remove(entry: LogEntry): void {
    this.#dirty.delete(entry);
    this.#removed.add(entry);
    void this.#settings.backlog.lane.run(() => this.#moveToTrash(entry)).catch(() => {});
  }

  /** Adds a path that is to be deleted after the next checkpoint, when no power loss brings its log back. */
  addTrash(path: string): void {
    this.#trash.add(path);
  }

  /**
   * Makes a checkpoint, or waits for the one that is in progress. A failure is reported, and the write-ahead log keeps
   * everything until a checkpoint succeeds.
   */
  async make(isClosing = false): Promise<void> {
    if (isClosing) {
      // A checkpoint in progress gets the same deadline.
      this.#deadline = performance.now() + this.#settings.closingMs;
      await this.#running;
    } else {
      if (this.#running) return this.#running;
      if (!this.#isStarted || (!this.isDue && this.#last)) return;
    }
    await this.#run(isClosing);
  }

  /**
   * Frees space on a full disk: deletes the files of removed Workers, and the segments before the present end of the
   * write-ahead log. Does nothing if nothing changed since the last time that it succeeded.
   */
  async freeSpace(): Promise<void> {
    const { log, backlog } = this.#settings;
    if (!this.#isStarted || this.#running) return;
    if (!this.isDue && log.writtenBytes === this.#freedAtBytes) return;
    try {
      // The removals are synced, and no replay brings a removed log back.
      await log.sync();
      await backlog.lane.run(async () => this.#emptyTrash([...this.#trash]));
      if (log.writtenBytes !== this.#begunAtBytes) await log.beginNextSegment();
      this.#begunAtBytes = log.writtenBytes;
    } catch {
      // A checkpoint may still free something.
    }
    const { writtenBytes } = log;
    // The second checkpoint retires what the first one still kept.
    await this.#run(false);
    if (this.#hasFailed) return;
    await this.#run(false);
    if (!this.#hasFailed) this.#freedAtBytes = writtenBytes;
  }

  async #run(isClosing: boolean): Promise<void> {
    if (this.#running) return this.#running;
    this.#running = this.#settings.backlog.lane.run(() => this.#guarded(isClosing));
    await this.#running;
    this.#running = null;
  }

  async #guarded(isClosing: boolean): Promise<void> {
    let dirty = new Set<LogEntry>();
    let removed: ReadonlySet<LogEntry> = new Set();
    try {
      await this.#settings.log.sync();
      // Without an await in between: every change before this position is in one of these logs, or in an earlier
      // checkpoint.
      const { position, writtenBytes } = this.#settings.log;
      dirty = this.#dirty;
      for (const entry of this.#rescued.keys()) dirty.add(entry);
      removed = this.#removed;
      this.#dirty = new Set();
      this.#removed = new Set();
      if (!(await this.#make(position, dirty, removed, isClosing))) return this.#markDue(dirty, removed);
      this.#hasFailed = false;
      this.#coveredBytes = writtenBytes;
    } catch (error) {
      this.#markDue(dirty, removed);
      if (!this.#hasFailed) this.#reportFailure(error);
      this.#hasFailed = true;
    }
  }

  /** Marks the logs that a checkpoint did not reach as changed again. */
  #markDue(dirty: ReadonlySet<LogEntry>, removed: ReadonlySet<LogEntry>): void {
    for (const entry of dirty) if (!entry.isRemoved) this.#dirty.add(entry);
    for (const entry of removed) this.#removed.add(entry);
  }

  #reportFailure(detail: unknown): void {
    if (isLoss(detail)) return;
    this.#settings.report({
      severity: 'warning',
      code: 'CHECKPOINT_FAILED',
      message: 'A checkpoint failed; the write-ahead log keeps everything until one succeeds',
      details: { file: 'catalog', phase: 'checkpoint' },
      detail,
    });
  }

  /** Returns false if closing had no time for all logs. `dirty` then contains the remaining ones. */
  async #make(
    position: WalPosition,
    dirty: Set<LogEntry>,
    removed: ReadonlySet<LogEntry>,
    isClosing: boolean,
  ): Promise<boolean> {
    const { log, disk, layout, reserve } = this.#settings;
    await log.assertOwned();
    if (!(await this.#file(dirty))) return false;
    for (const entry of removed) await this.#moveToTrash(entry);
    const trash = [...this.#trash];
    if (dirty.size > 0 || removed.size > 0) {
      await disk.syncDirectory(layout.workers);
      await disk.syncDirectory(layout.trash);
    }
    const isNew = this.#last === null || (this.#catalog.isOutgrown && !reserve.isFull);
    const lines: Buffer[] = [];
    let count = isNew ? await this.#describeAll(lines) : await this.#describe(dirty, lines);
    if (!isNew) {
      for (const entry of removed) lines.push(Buffer.from(removalLine(entry.log)));
      count += removed.size;
    }
    // Snapshots may cover lines that were added in the meantime.
    await log.sync();
    const number = (this.#last?.checkpoint ?? 0) + 1;
    const isClean = isClosing && log.position.lsn === position.lsn;
    const checkpoint: Checkpoint = { checkpoint: number, ...position, lines: count, isClean };
    lines.push(Buffer.from(checkpointLine(checkpoint)));
    // Another owner writes the catalog at the same position, and needs other segments.
    await log.assertOwned();
    await (isNew ? this.#catalog.replace(lines) : this.#catalog.append(lines));
    const before = this.#last;
    this.#last = checkpoint;
    log.noteCheckpoint(position.segment);
    await this.#retire(before?.segment ?? 0, trash);
    await this.#discardRescued();
    return true;
  }

  /** Writes and syncs the files of logs, and notes the progress. Returns false if closing has no time for all of them. */
  async #file(dirty: Set<LogEntry>): Promise<boolean> {
    const { backlog, disk, layout } = this.#settings;
    const filed: LogEntry[] = [];
    const failed: LogEntry[] = [];
    const inTrouble = new Map<LogEntry, unknown>();
    let failure: unknown = null;
    const due = [...dirty];
    for (let at = 0; at < due.length; ) {
      const most = backlog.hasRoom ? REQUEST_LOGS : SMALL_REQUEST_LOGS;
      const end = at + (performance.now() >= this.#deadline ? 1 : most);
      const next = due.slice(at, end).filter((entry) => !entry.isRemoved);
      at = end;
      const failures = await backlog.file(next, { syncs: true, due: due.length });
      for (const entry of next) {
        if (!failures.has(entry)) {
          filed.push(entry);
          continue;
        }
        const error = failures.get(entry);
        failed.push(entry);
        if (isOfFile(error)) inTrouble.set(entry, error);
        else failure ??= error;
      }
      if (at >= due.length) break;
      const isLate = performance.now() >= this.#deadline;
      await backlog.relieve();
      if (isLate || filed.length >= SLICE_LOGS) await this.#note(filed.splice(0), dirty);
      if (isLate) return false;
    }
    if (failed.length === 0) return true;
    // A failed sync puts the files in doubt, so they are restored to the last checkpoint.
    const doubtful = failed.filter((entry) => entry.filed !== entry.synced);
    if (doubtful.length > 0) await refile(disk, layout, backlog, doubtful, this.#last);
    for (const [entry, error] of inTrouble) {
      // If the write-ahead log could not give the lines back, only the file has them, which may be synced the next time.
      if (entry.filed === entry.synced || isReplaced(error)) await this.#rescue(entry, error);
      else failure ??= error;
    }
    if (failure !== null) throw failure;
    return true;
  }

  /**
   * Notes the logs filed so far in the catalog, and removes them from `dirty`. The position of the checkpoint stays, so
   * no segment is retired. A replay skips changes that the files have already.
   */
  async #note(filed: readonly LogEntry[], dirty: Set<LogEntry>): Promise<void> {
    if (this.#last === null || filed.length === 0) return;
    const { log, disk, layout } = this.#settings;
    await disk.syncDirectory(layout.workers);
    const lines: Buffer[] = [];
    const count = await this.#describe(filed, lines);
    await log.sync();
    await log.assertOwned();
    const noted = { ...this.#last, checkpoint: this.#last.checkpoint + 1, lines: count, isClean: false };
    await this.#catalog.append([...lines, Buffer.from(checkpointLine(noted))]);
    this.#last = noted;
    for (const entry of filed) dirty.delete(entry);
  }

  /**
   * Puts the lines aside that the files of a log cannot take at the moment, so that the write-ahead log can be retired.
   */
  async #rescue(entry: LogEntry, detail: unknown): Promise<void> {
    const { backlog, disk, layout, report } = this.#settings;
    if (entry.isRemoved) return;
    if (entry.filed !== entry.synced) {
      // The write-ahead log could not give the lines back, so nothing but the missing file has them.
      entry.synced = entry.filed;
      const message = 'The files of a Worker are missing';
      if (!entry.isDamaged) reportDamage(entry, report, { message, offset: 0, phase: 'checkpoint', detail });
    }
    const count = backlog.syncedBatches(entry);
    const last = entry.unfiled?.batches[count - 1];
    const end = last?.end ?? 0;
    const isKept = [...(this.#rescued.get(entry)?.values() ?? [])].includes(end);
    if (last && !isKept) this.addRescued(entry, await rescue(disk, layout, entry, count), end);
  }

  /** Deletes rescued lines that the synced files of their log have. */
  async #discardRescued(): Promise<void> {
    const { disk, layout } = this.#settings;
    for (const [entry, names] of this.#rescued) {
      for (const [name, end] of names) {
        if (end > entry.synced.bytes) continue;
        for (const path of rescuedPaths(layout, name)) await disk.remove(path);
        names.delete(name);
      }
      if (names.size === 0) this.#rescued.delete(entry);
    }
  }

  /** Moves a removed log's files to the trash. Doing so twice is no error. */
  async #moveToTrash(entry: LogEntry): Promise<void> {
    const { files, layout, backlog } = this.#settings;
    backlog.release(entry);
    await files.release(entry);
    await this.#moveIfThere(files.directory(entry));
    this.#trash.add(layout.blobsOf(entry.log));
    if (entry.isTrimmed) this.#trash.add(basePath(layout, entry));
    for (const name of this.#rescued.get(entry)?.keys() ?? []) {
      for (const path of rescuedPaths(layout, name)) await this.#moveIfThere(path);
    }
    this.#rescued.delete(entry);
  }

  async #moveIfThere(path: string): Promise<void> {
    const { disk, layout } = this.#settings;
    const target = join(layout.trash, basename(path));
    try {
      await disk.rename(path, target);
      this.#trash.add(target);
    } catch (error) {
      // It was moved earlier, or was never there.
      if (errnoOf(error) !== 'ENOENT') throw error;
    }
  }

  /** Collects the catalog lines of all logs. One that was not used keeps its line. Returns their number. */
  async #describeAll(lines: Buffer[]): Promise<number> {
    const { logs } = this.#settings;
    let count = 0;
    for (const line of logs.described.sealedLines()) {
      lines.push(line);
      count += 1;
      if (count % SLICE_LINES === 0) await nextMacrotask();
    }
    // also those that were first used in the meantime
    return count + (await this.#describe(logs.used(), lines));
  }

  /** Encodes the catalog lines of logs. Returns their number. */
  async #describe(entries: Iterable<LogEntry>, lines: Buffer[]): Promise<number> {
    let count = 0;
    let begun = performance.now();
    for (const entry of entries) {
      // A log without files begins after this checkpoint, so the next open replays it from the write-ahead log. Only if its
      // lines were rescued, that log does not have them any more.
      const hasFiles = entry.synced.bytes > entry.begin.bytes;
      if (entry.isRemoved || (!hasFiles && !this.#rescued.has(entry))) continue;
      lines.push(Buffer.from(catalogLine(entry, this.#settings.snapshotOf(entry.log))));
      count += 1;
      if (performance.now() - begun > SLICE_MS) {
        await nextMacrotask();
        begun = performance.now();
      }
    }
    return count;
  }

  /** Deletes the segments below a number, and paths in the trash. */
  async #retire(below: number, trash: readonly string[]): Promise<void> {
    const { disk, layout } = this.#settings;
    for (const name of await disk.list(layout.wal)) {
      const number = segmentNumberOf(name);
      if (number !== null && number < below) await disk.remove(layout.segment(number));
      // The rest of a segment that never got its name, left by a crash.
      const unnamed = name.endsWith('.new') ? segmentNumberOf(name.slice(0, -4)) : null;
      if (unnamed !== null && unnamed <= below) await disk.remove(join(layout.wal, name));
    }
    await this.#emptyTrash(trash);
  }

  async #emptyTrash(paths: readonly string[]): Promise<void> {
    for (const path of paths) {
      try {
        await this.#settings.disk.remove(path);
        this.#trash.delete(path);
      } catch (error) {
        // What cannot be deleted now is tried again after the next checkpoint.
        if (!isOfFile(error)) throw error;
      }
    }
  }
}
