import { join } from 'node:path';
import type { Snapshot, StoreFinding } from '@worker-runtime/core';
import type { Disk } from '../disk/disk.ts';
import { errnoOf, isMisplaced } from '../disk/disk-failure.ts';
import type { Backlog } from '../files/backlog.ts';
import type { LogEntry } from '../files/log-entry.ts';
import { refile } from '../files/refile.ts';
import type { WorkerFiles } from '../files/worker-files.ts';
import { directoryNameOf, type Layout, segmentNumberOf } from '../layout/layout.ts';
import type { WalPosition } from '../wal/wal-position.ts';
import type { WriteAheadLog } from '../wal/write-ahead-log.ts';
import { type Checkpoint, catalogLine, checkpointLine, removalLine } from './catalog.ts';
import { CatalogFile } from './catalog-file.ts';

/** How long the event loop may be kept by describing logs for the catalog. */
const SLICE_MS = 5;
/** Of so many logs the progress is noted, however many there are to file. */
const SLICE_LOGS = 4_096;

export interface CheckpointSettings {
  readonly disk: Disk;
  readonly layout: Layout;
  readonly runtimeId: string;
  readonly log: WriteAheadLog;
  readonly backlog: Backlog;
  readonly files: WorkerFiles;
  readonly entries: () => Iterable<LogEntry>;
  readonly snapshotOf: (log: string) => Snapshot | undefined;
  readonly report: (finding: StoreFinding) => void;
  /** After how many bytes of log a checkpoint is made without being asked for. */
  readonly lagBytes: number;
  /** How long closing works on a checkpoint. */
  readonly closingMs: number;
  /** The last checkpoint, and how long the catalog is; null where it has to be written anew. */
  readonly last: { readonly checkpoint: Checkpoint; readonly bytes: number; readonly base: number } | null;
}

const nextTurn = (): Promise<void> => new Promise((done) => setImmediate(done));

/**
 * Moves the point from which the log must be replayed. In this order: the Workers' files are written and synced, with
 * their directories; the log is synced as far as the snapshots know it; the catalog's new lines are written and synced;
 * the segments below the checkpoint *before* go, and what lies in the trash. Broken off anywhere, the one before holds.
 */
export class Checkpoints {
  readonly #settings: CheckpointSettings;
  readonly #trash = new Set<string>();
  #dirty = new Set<LogEntry>();
  #removed = new Set<LogEntry>();
  readonly #catalog: CatalogFile;
  #last: Checkpoint | null;
  /** How much the log had written at the last checkpoint; what an open had to replay counts as too much. */
  #coveredBytes = 0;
  #isRunning: Promise<void> | null = null;
  #hasFailed = false;
  #isStarted = false;
  /** When there is no more time for a checkpoint: the store is being closed. */
  #until = Number.POSITIVE_INFINITY;

  constructor(settings: CheckpointSettings) {
    this.#settings = settings;
    const { disk, layout, runtimeId, last } = settings;
    this.#catalog = new CatalogFile(disk, layout, runtimeId, last?.bytes ?? 0, last?.base ?? 0);
    this.#last = last?.checkpoint ?? null;
  }

  /** Whether a replay would have to read more than it should. */
  get isOverdue(): boolean {
    return (
      this.isDue &&
      this.#isStarted &&
      this.#settings.log.writtenBytes - this.#coveredBytes > this.#settings.lagBytes
    );
  }

  get isDue(): boolean {
    return this.#dirty.size > 0 || this.#removed.size > 0;
  }

  /** From now on checkpoints are made as they are due: the runtime knows its logs, and has snapshots of them. */
  start(): void {
    this.#isStarted = true;
  }

  /** Notes that the log had more of a Worker than the catalog when the store was opened. */
  restore(entry: LogEntry): void {
    this.#dirty.add(entry);
    this.#coveredBytes = Number.NEGATIVE_INFINITY;
  }

  /** Notes that a log is no longer as the catalog says. */
  touch(entry: LogEntry): void {
    this.#isStarted = true;
    this.#dirty.add(entry);
    // One that failed is tried again with the next tick, not with every append.
    if (!this.#isRunning && !this.#hasFailed && this.isOverdue) void this.make();
  }

  /** Notes a removed log. Its files go to the trash, and from there after the next checkpoint. */
  remove(entry: LogEntry): void {
    this.#dirty.delete(entry);
    this.#removed.add(entry);
    void this.#settings.backlog.lane.run(() => this.#bury(entry)).catch(() => {});
  }

  /** What lies in the trash from before goes after the next checkpoint too. */
  discard(path: string): void {
    this.#trash.add(path);
  }

  /** Makes a checkpoint, or joins the one that is being made. Failures are reported; the log then keeps everything. */
  async make(isClosing = false): Promise<void> {
    if (isClosing) {
      // one that is on has no more time than closing itself
      this.#until = performance.now() + this.#settings.closingMs;
      await this.#isRunning;
    } else {
      if (this.#isRunning) return this.#isRunning;
      if (!this.#isStarted || (!this.isDue && this.#last)) return;
    }
    this.#isRunning = this.#settings.backlog.lane.run(() => this.#guarded(isClosing));
    await this.#isRunning;
    this.#isRunning = null;
  }

  async #guarded(isClosing: boolean): Promise<void> {
    let dirty = new Set<LogEntry>();
    let removed: ReadonlySet<LogEntry> = new Set();
    try {
      await this.#settings.log.sync();
      // In one step: every change before this position is among these logs, or was at a checkpoint before.
      const { position, writtenBytes } = this.#settings.log;
      dirty = this.#dirty;
      removed = this.#removed;
      this.#dirty = new Set();
      this.#removed = new Set();
      if (!(await this.#make(position, dirty, removed, isClosing))) return this.#takeBack(dirty, removed);
      this.#hasFailed = false;
      this.#coveredBytes = writtenBytes;
    } catch (error) {
      this.#takeBack(dirty, removed);
      if (!this.#hasFailed) this.#reportFailure(error);
      this.#hasFailed = true;
    }
  }

  /** What a checkpoint did not reach is as due as before. */
  #takeBack(dirty: ReadonlySet<LogEntry>, removed: ReadonlySet<LogEntry>): void {
    for (const entry of dirty) if (!entry.isRemoved) this.#dirty.add(entry);
    for (const entry of removed) this.#removed.add(entry);
  }

  #reportFailure(detail: unknown): void {
    this.#settings.report({
      severity: 'warning',
      code: 'CHECKPOINT_FAILED',
      message: 'A checkpoint failed; the log keeps everything until one succeeds',
      details: { file: 'catalog', phase: 'checkpoint' },
      detail,
    });
  }

  /** False where closing had no time for all of it. `dirty` then has what is left. */
  async #make(
    position: WalPosition,
    dirty: Set<LogEntry>,
    removed: ReadonlySet<LogEntry>,
    isClosing: boolean,
  ): Promise<boolean> {
    const { log, disk, layout } = this.#settings;
    if (!(await this.#file(dirty))) return false;
    for (const entry of removed) await this.#bury(entry);
    const trash = [...this.#trash];
    if (dirty.size > 0 || removed.size > 0) {
      await disk.syncDirectory(layout.workers);
      await disk.syncDirectory(layout.trash);
    }
    const isNew = this.#last === null || this.#catalog.isOutgrown;
    const lines: Buffer[] = [];
    let count = await this.#describe(isNew ? this.#settings.entries() : dirty, lines);
    if (!isNew) {
      for (const entry of removed) lines.push(Buffer.from(removalLine(entry.log)));
      count += removed.size;
    }
    // Snapshots may know lines that came meanwhile.
    await log.sync();
    const number = (this.#last?.checkpoint ?? 0) + 1;
    const isClean = isClosing && log.position.lsn === position.lsn;
    const checkpoint: Checkpoint = { checkpoint: number, ...position, lines: count, isClean };
    lines.push(Buffer.from(checkpointLine(checkpoint)));
    await (isNew ? this.#catalog.replace(lines) : this.#catalog.append(lines));
    const before = this.#last;
    this.#last = checkpoint;
    for (const entry of dirty) entry.synced = entry.filed;
    await this.#retire(before?.segment ?? 0, trash);
    return true;
  }

  /** Writes and syncs the files of logs, noting the progress; false where closing has no time for all. */
  async #file(dirty: Set<LogEntry>): Promise<boolean> {
    const { backlog, files, disk, layout } = this.#settings;
    const filed: LogEntry[] = [];
    const doubtful: LogEntry[] = [];
    const lost: LogEntry[] = [];
    let failure: unknown = null;
    let left = dirty.size;
    for (const entry of dirty) {
      left -= 1;
      if (!entry.isRemoved) {
        try {
          await backlog.flushOne(entry);
          if (entry.filed.seq > 0 && !entry.isRescued) await files.sync(entry);
          filed.push(entry);
        } catch (error) {
          failure ??= error;
          doubtful.push(entry);
          if (isMisplaced(error)) lost.push(entry);
        }
      }
      const isLate = left > 0 && performance.now() > this.#until;
      if (isLate || (left > 0 && filed.length >= SLICE_LOGS)) await this.#note(filed.splice(0), dirty);
      if (isLate) return false;
    }
    if (failure === null) return true;
    // What a failed sync leaves in doubt is taken back to what is certain.
    await refile(disk, layout, backlog, doubtful, this.#last);
    for (const entry of lost) this.#giveUp(entry, failure);
    throw failure;
  }

  /**
   * Notes in the catalog what was filed so far, and takes it from what is to be filed. The point from which the log is
   * replayed stays, so nothing is retired: a replay passes over what the files have already.
   */
  async #note(filed: readonly LogEntry[], dirty: Set<LogEntry>): Promise<void> {
    if (this.#last === null || filed.length === 0) return;
    const { log, disk, layout } = this.#settings;
    await disk.syncDirectory(layout.workers);
    const lines: Buffer[] = [];
    const count = await this.#describe(filed, lines);
    await log.sync();
    const noted = { ...this.#last, checkpoint: this.#last.checkpoint + 1, lines: count, isClean: false };
    await this.#catalog.append([...lines, Buffer.from(checkpointLine(noted))]);
    this.#last = noted;
    for (const entry of filed) {
      entry.synced = entry.filed;
      dirty.delete(entry);
    }
  }

  /** The files of a log are gone: the next checkpoint puts what the shared log still has of it aside. */
  #giveUp(entry: LogEntry, detail: unknown): void {
    entry.isRescued = !entry.behind || entry.behind.chunks.length === 0;
    if (entry.isDamaged) return;
    entry.isDamaged = true;
    this.#settings.report({
      severity: 'error',
      code: 'WORKER_DAMAGED',
      message: 'The files of a Worker are gone',
      workerId: entry.workerId,
      details: { file: 'events', offset: 0, phase: 'checkpoint' },
      detail,
    });
  }

  /** Moves a removed log's files to the trash; again is no error. */
  async #bury(entry: LogEntry): Promise<void> {
    const { disk, files, layout, backlog } = this.#settings;
    backlog.forget(entry);
    await files.drop(entry);
    const target = join(layout.trash, directoryNameOf(entry.workerId, entry.log));
    try {
      await disk.rename(files.directory(entry), target);
      this.#trash.add(target);
    } catch (error) {
      // It was moved before, or never had files.
      if (errnoOf(error) !== 'ENOENT') throw error;
    }
  }

  async #describe(entries: Iterable<LogEntry>, lines: Buffer[]): Promise<number> {
    let count = 0;
    let begun = performance.now();
    for (const entry of entries) {
      // A log that begins after this checkpoint is in the log that the next open replays.
      if (entry.isRemoved || entry.filed.seq === 0) continue;
      lines.push(Buffer.from(catalogLine(entry, this.#settings.snapshotOf(entry.log))));
      count += 1;
      if (performance.now() - begun > SLICE_MS) {
        await nextTurn();
        begun = performance.now();
      }
    }
    return count;
  }

  async #retire(below: number, trash: readonly string[]): Promise<void> {
    const { disk, layout } = this.#settings;
    for (const name of await disk.list(layout.wal)) {
      const number = segmentNumberOf(name);
      if (number !== null && number < below) await disk.remove(layout.segment(number));
      // What a crash left of a segment that never got its name.
      const unnamed = name.endsWith('.new') ? segmentNumberOf(name.slice(0, -4)) : null;
      if (unnamed !== null && unnamed <= below) await disk.remove(join(layout.wal, name));
    }
    for (const path of trash) {
      await disk.remove(path);
      this.#trash.delete(path);
    }
  }
}
