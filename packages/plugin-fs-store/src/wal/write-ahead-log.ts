import { RuntimeError } from '@worker-runtime/core';
import type { StoreFinding } from '@worker-runtime/core/plugin-kit';
import { type Disk, writeFully } from '../disk/disk.ts';
import { diskFailure, isFull, unavailable, withDiskFailure } from '../disk/disk-failure.ts';
import { Lane } from '../disk/lane.ts';
import type { Ownership } from '../disk/ownership.ts';
import type { Reserve } from '../disk/reserve.ts';
import type { Layout } from '../layout/layout.ts';
import type { LogChange } from './frame.ts';
import { Group, type Settle } from './group.ts';
import { type ChangeKind, GroupQueue } from './group-queue.ts';
import type { WalPosition } from './wal-position.ts';
import { encodeSegmentHeader, SEGMENT_HEADER_BYTES } from './wal-segment.ts';

export interface WalSettings {
  readonly disk: Disk;
  readonly layout: Layout;
  readonly runtimeId: string;
  readonly owner: Ownership;
  /** The epoch of the frames: that of the owner, or more. */
  readonly epoch: number;
  /** The end of the log after the replay. Everything before it is synced. */
  readonly end: WalPosition;
  /** The highest number of any segment file, void ones included. */
  readonly lastSegment: number;
  /** The longest time between a write and its sync; null if each group is synced before it is acknowledged. */
  readonly syncIntervalMs: number | null;
  readonly segmentBytes: number;
  readonly queueBytes: number;
  /** The space that essential changes may use on a full disk. */
  readonly reserve: Pick<Reserve, 'isFull' | 'bytesAhead' | 'within' | 'markFull' | 'release' | 'regain'>;
  readonly report: (finding: StoreFinding) => void;
}

export interface WalCounts {
  readonly groups: number;
  readonly groupMs: number;
  readonly syncs: number;
  readonly syncMs: number;
}

/** Limits how far the write-ahead log may run ahead of what is built from it. */
export interface WalGate {
  /** Returns null, or a promise to await before the next group is written. If it rejects, the group is refused. */
  relief(): Promise<void> | null;
}

/** The most bytes that wait for the next sync of the interval policy. Above it, the sync comes early. */
const UNSYNCED_BYTES = 8_388_608;
/** The longest lines of a change that may use the reserve. */
const ESSENTIAL_BYTES = 65_536;
/** The zeros that are written ahead of the frames. */
const ZEROS = Buffer.alloc(1_048_576);

/**
 * The write-ahead log that all Workers share. Changes that are added while a write and its sync are in progress go out
 * together in the next write, under one sync. Databases have used this group commit since the 1980s (IMS Fast Path, later
 * PostgreSQL).
 *
 * Invariant: a change is acknowledged only after its group was written and, by the `commit` policy, synced, and after a
 * check that the next owner of the store will find it. A failed sync
 * is never repeated on the same bytes: the kernel may have dropped them and then report success
 * (https://lwn.net/Articles/752063/). Instead a new segment begins, whose synced header names the end of the old one.
 */
export class WriteAheadLog {
  readonly #settings: WalSettings;
  readonly #lane = new Lane();
  #settled: WalPosition;
  #written: WalPosition;
  #synced: WalPosition;
  #writtenBytes = 0;
  #groups = 0;
  #groupMs = 0;
  #syncs = 0;
  #syncMs = 0;
  #lastSegment: number;
  #file: number | null = null;
  /** The path and the identity of the open segment when it got its name. Both show if the name still leads to it. */
  #path: string | null = null;
  #identity: string | null = null;
  /** The end of the zeros that are written ahead in the open segment. */
  #reserved = 0;
  /** The open segment holds bytes that may or may not survive. It must not be written any further. */
  #isBroken = false;
  readonly #queue: GroupQueue;
  #isScheduled = false;
  /** Groups acknowledged by the interval policy. They are kept to be written again if their sync fails. */
  #unsynced: Group[] = [];
  #unsyncedBytes = 0;
  #timer: NodeJS.Timeout | null = null;
  #isClosed = false;
  #loss: RuntimeError | null = null;
  #hasMissingSegment = false;
  #gate: WalGate | null = null;

  constructor(settings: WalSettings) {
    this.#settings = settings;
    this.#settled = settings.end;
    this.#written = settings.end;
    this.#synced = settings.end;
    this.#lastSegment = settings.lastSegment;
    this.#queue = new GroupQueue(this.#address);
  }

  /** Lets `gate` hold back groups before they are written. */
  holdFor(gate: WalGate): void {
    this.#gate = gate;
  }

  /** The end of the settled part of the log: every change before it is acknowledged, or void. */
  get position(): WalPosition {
    return this.#settled;
  }

  /** The bytes that this process has written to the log. */
  get writtenBytes(): number {
    return this.#writtenBytes;
  }

  /** The groups that were written and the syncs, with the time that they took in all. */
  get counts(): WalCounts {
    return { groups: this.#groups, groupMs: this.#groupMs, syncs: this.#syncs, syncMs: this.#syncMs };
  }

  /** Frames before this LSN are synced. */
  get syncedLsn(): number {
    return this.#synced.lsn;
  }

  /**
   * Adds a change to a group. Calls `settle` once, and never throws. An essential change ends work or frees space:
   * on a full disk it is written to the space of the reserve. One that begins work may be written after others.
   */
  add(
    change: LogChange,
    settle: Settle,
    { isEssential = false, isBeginning = false }: Partial<ChangeKind> = {},
  ): void {
    const bytes = this.#queue.bytes + change.lines.length;
    if (this.#isClosed) {
      settle(this.#loss ?? unavailable('The store is not open'), 0);
      return;
    }
    if (bytes > this.#settings.queueBytes && this.#queue.length > 0) {
      settle(unavailable('The queue of writes to the disk is full'), 0);
      return;
    }
    const mayUseReserve = isEssential && change.lines.length <= ESSENTIAL_BYTES;
    this.#queue.add(change, settle, { isEssential: mayUseReserve, isBeginning });
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    // Changes that are added in the same iteration of the event loop share one write and one sync.
    setImmediate(() => void this.#writeGathered());
  }

  /**
   * Waits until no earlier attempt is in doubt: each is acknowledged, or can never become visible.
   * @throws STORE_UNAVAILABLE · STORE_FULL the outcome is still unknown · STORE_LOST only the next owner knows it
   */
  async settled(): Promise<void> {
    const refusal = await this.#refusal();
    await this.#lane.run(async () => {
      // changes that are added in the meantime are in later groups
      for (let groups = this.#queue.length; groups > 0; groups -= 1) await this.#writeNext(refusal);
      if (this.#loss) throw this.#loss;
      if (this.#isBroken) await withDiskFailure(() => this.#beginSegment());
    });
  }

  /** @throws STORE_LOST · STORE_UNAVAILABLE this process may not write to the directory (now) */
  async assertOwned(): Promise<void> {
    const failure = await this.#settings.owner.confirm();
    if (failure) throw failure;
  }

  /**
   * Checks the name of the open segment, and begins a new segment if it is gone. Returns true if acknowledged changes may be
   * missing in the log, until a checkpoint has succeeded.
   */
  async examineSegment(): Promise<boolean> {
    await this.#lane.run(async () => {
      if (this.#isClosed || this.#file === null || (await this.#settings.owner.confirm())) return;
      if (!this.#isBroken) await this.#checkName();
      if (this.#hasMissingSegment && this.#isBroken) await this.#beginSegment().catch(() => {});
    });
    return this.#hasMissingSegment;
  }

  /** Notes that a checkpoint has made the segments below a number unnecessary. */
  noteCheckpoint(segment: number): void {
    if (segment >= this.#written.segment && !this.#isBroken) this.#hasMissingSegment = false;
  }

  /** Syncs everything that was written before this call. @throws STORE_UNAVAILABLE · STORE_FULL */
  async sync(): Promise<void> {
    if (this.#unsynced.length === 0) return;
    await this.#lane.run(() => withDiskFailure(() => this.#syncNow()));
  }

  /**
   * Begins a new segment, so that a checkpoint after this may retire the one before.
   * @throws STORE_UNAVAILABLE · STORE_FULL
   */
  async beginNextSegment(): Promise<void> {
    await this.#lane.run(async () => {
      if (this.#loss || this.#written.offset <= SEGMENT_HEADER_BYTES) return;
      await withDiskFailure(() => this.#beginSegment());
    });
  }

  /** Stops accepting changes, and waits until every added change is settled. */
  async drain(): Promise<void> {
    this.#isClosed = true;
    await this.#writeAll();
  }

  /** Refuses every change that is not written yet: the files belong to another process now. */
  fence(loss: RuntimeError): void {
    this.#isClosed = true;
    this.#loss = loss;
    if (this.#timer) clearTimeout(this.#timer);
  }

  /** Closes the file of a fenced log, and writes nothing. */
  async release(): Promise<void> {
    await this.#writeAll();
    await this.#lane.run(() => this.#closeFile());
  }

  /**
   * Writes and syncs every added change, and closes the file even if the last sync fails.
   * @throws STORE_UNAVAILABLE · STORE_FULL the last sync failed
   */
  async close(): Promise<void> {
    await this.drain();
    if (this.#timer) clearTimeout(this.#timer);
    try {
      await this.sync();
    } finally {
      await this.#lane.run(() => this.#closeFile());
    }
  }

  get #address() {
    const { segment, lsn } = this.#written;
    return { epoch: this.#settings.epoch, segment, lsn };
  }

  /** Writes every change that was added, and waits for a write in progress. */
  async #writeAll(): Promise<void> {
    do await this.#writeGathered();
    while (this.#queue.length > 0);
  }

  /**
   * Writes the next group. The gate is awaited outside the lane, because the files may themselves wait for
   * a sync of this log, which needs the lane.
   */
  async #writeGathered(): Promise<void> {
    const refusal = await this.#refusal();
    await this.#lane.run(() => this.#writeNext(refusal));
  }

  async #writeNext(refusal: RuntimeError | null): Promise<void> {
    this.#isScheduled = false;
    const group = this.#queue.take(this.#address);
    if (!group) return;
    const failure = refusal ?? (await this.#write(group));
    if (failure?.code === 'STORE_FULL' && refusal === null) this.#settings.reserve.markFull();
    if (failure?.code === 'STORE_FULL') await this.#writeEssential(group, failure);
    else group.settle(failure);
    // Only after the callbacks: a checkpoint at this position must find every earlier change applied in memory.
    this.#settled = this.#written;
    this.#queue.recycle(group);
    if (this.#queue.length > 0 && !this.#isScheduled) {
      this.#isScheduled = true;
      void this.#writeGathered();
    }
  }

  /** Refuses the changes of a group that fill a full disk. Writes the others, with the space of the reserve. */
  async #writeEssential(group: Group, refusal: RuntimeError): Promise<void> {
    const { reserve } = this.#settings;
    const essential = new Group(this.#address);
    group.refuseInto(essential, refusal);
    if (essential.frames === 0) return;
    reserve.markFull();
    let failure = await this.#write(essential);
    while (failure?.code === 'STORE_FULL' && (await reserve.release()))
      failure = await this.#write(essential);
    essential.settle(failure);
  }

  async #refusal(): Promise<RuntimeError | null> {
    if (this.#loss) return this.#loss;
    const { reserve } = this.#settings;
    if (reserve.isFull) await reserve.regain();
    if (reserve.isFull) return new RuntimeError('STORE_FULL', 'The disk of the store is full');
    try {
      const relief = this.#gate?.relief() ?? null;
      if (relief) await relief;
      return null;
    } catch (error) {
      return diskFailure(error);
    }
  }

  /** Writes one group. Returns the error if it fails; its code says whether the group is not done or in doubt. */
  async #write(group: Group): Promise<RuntimeError | null> {
    const { disk, syncIntervalMs, reserve } = this.#settings;
    const since = performance.now();
    let file: number;
    try {
      file = await this.#fileFor(group);
    } catch (error) {
      // No byte of this group was written, so STORE_FULL is true: it is not done.
      return diskFailure(error);
    }
    const bytes = group.sealed(this.#address, this.#synced.lsn);
    try {
      if (syncIntervalMs === null || reserve.isFull)
        await this.#reserve(file, this.#written.offset + bytes.length);
      await writeFully(disk, file, bytes, this.#written.offset);
    } catch (error) {
      return this.#cutBack(file, error);
    }
    if (syncIntervalMs === null) {
      try {
        await this.#sync(file);
      } catch (error) {
        return this.#markBroken('A sync of the write-ahead log failed', error);
      }
    }
    if (!this.#isUnchanged()) {
      const doubt = await this.#doubt();
      if (doubt) return doubt;
    }
    const { segment, offset, lsn } = this.#written;
    this.#written = { segment, offset: offset + bytes.length, lsn: lsn + group.frames };
    this.#writtenBytes += bytes.length;
    this.#groups += 1;
    this.#groupMs += performance.now() - since;
    if (syncIntervalMs === null) this.#synced = this.#written;
    else await this.#syncLater(group, syncIntervalMs);
    return null;
  }

  /**
   * True if neither the names in the directory nor the name of the open segment have changed. Checks the path of the file,
   * because a stat of a file that is being written makes the next write more expensive: the kernel then stores a new time.
   */
  #isUnchanged(): boolean {
    const { owner, disk } = this.#settings;
    if (!owner.isUnchanged() || this.#file === null) return false;
    return this.#path !== null && disk.pathOf(this.#file) === this.#path;
  }

  /**
   * Checks that the next owner of the store will find the group that was just written. Returns the error if that is not
   * certain. It is never `STORE_LOST`, which would mean that the group is void: the next owner may have read it.
   */
  async #doubt(): Promise<RuntimeError | null> {
    const failure = await this.#settings.owner.confirm();
    if (!failure) return this.#checkName();
    if (failure.code === 'STORE_LOST') return unavailable('The store was lost during the write', failure);
    return this.#markBroken('The owner of the store could not be confirmed', failure);
  }

  /** Checks that the name of the open segment still leads to it. Returns the error if it does not. */
  async #checkName(): Promise<RuntimeError | null> {
    const { disk, layout } = this.#settings;
    let cause: unknown;
    try {
      const found = await disk.identity(layout.segment(this.#written.segment));
      if (found === this.#identity) return null;
    } catch (error) {
      cause = error;
    }
    this.#hasMissingSegment = true;
    return this.#markBroken('The segment in use was moved, replaced or deleted', cause);
  }

  /** Returns the open segment's file. Begins a new segment if there is none, or if it is broken or full. */
  async #fileFor(group: Group): Promise<number> {
    const { offset } = this.#written;
    const { segmentBytes, reserve } = this.#settings;
    const isFilled = offset > SEGMENT_HEADER_BYTES && offset + group.bytes > reserve.within(segmentBytes);
    if (this.#file === null || this.#isBroken || (isFilled && !reserve.isFull)) return this.#beginSegment();
    return this.#file;
  }

  /**
   * Writes zeros ahead of the frames. A sync that finds the file's length unchanged has no metadata to write, and takes
   * about half the time. The zeros share the sync of the group that needs them. If there is no space for them, there may
   * still be space for the group. On a full disk, they keep space that was released for the log from other files.
   */
  async #reserve(file: number, end: number): Promise<void> {
    const { disk, segmentBytes, reserve } = this.#settings;
    if (end <= this.#reserved || (end >= segmentBytes && !reserve.isFull)) return;
    const from = Math.max(this.#reserved, this.#written.offset);
    const room = reserve.isFull ? reserve.bytesAhead : segmentBytes - from;
    const zeros = ZEROS.subarray(0, Math.max(0, Math.min(ZEROS.length, room)));
    try {
      await writeFully(disk, file, zeros, from);
      this.#reserved = from + zeros.length;
    } catch {
      await disk.truncate(file, from).catch(() => {});
    }
  }

  /** Cuts off a group that was not written whole. Returns STORE_FULL only if it is certain that nothing of it stays. */
  async #cutBack(file: number, cause: unknown): Promise<RuntimeError> {
    try {
      this.#reserved = 0;
      await this.#settings.disk.truncate(file, this.#written.offset);
      await this.#settings.disk.sync(file);
      this.#noteSynced();
    } catch (error) {
      return this.#markBroken('The write-ahead log could not be cut back after a failed write', error);
    }
    return isFull(cause)
      ? diskFailure(cause)
      : this.#markBroken('A write to the write-ahead log failed', cause);
  }

  #markBroken(message: string, cause: unknown): RuntimeError {
    this.#isBroken = true;
    const details = { file: 'segment', offset: this.#written.offset, phase: 'append' };
    this.#settings.report({ severity: 'error', code: 'LOG_FAILED', message, details, detail: cause });
    return unavailable(message, cause);
  }

  /**
   * Begins the next segment at the last synced position, and writes again the groups that were acknowledged but not
   * synced. The segment gets its name once it is whole. From then on it defines the end of the previous segment, which
   * therefore must not be written any further, even if this call fails.
   */
  async #beginSegment(): Promise<number> {
    const { disk, layout, epoch, runtimeId } = this.#settings;
    if (!this.#isBroken && this.#unsynced.length > 0) await this.#syncNow();
    this.#isBroken = true;
    if (this.#hasMissingSegment) {
      await this.assertOwned();
      await disk.makeDirectory(layout.wal);
    }
    this.#lastSegment += 1;
    const segment = this.#lastSegment;
    const { lsn, segment: before, offset: end } = this.#synced;
    const path = layout.segment(segment);
    const file = await disk.open(`${path}.new`, 'replace');
    let offset = SEGMENT_HEADER_BYTES;
    let last = lsn;
    let known: { readonly path: string | null; readonly identity: string | null };
    try {
      const header = { epoch, segment, lsn, previous: { segment: before, end }, runtimeId };
      await writeFully(disk, file, encodeSegmentHeader(header), 0);
      for (const group of this.#unsynced) {
        const bytes = group.sealed({ epoch, segment, lsn: last }, lsn);
        await writeFully(disk, file, bytes, offset);
        offset += bytes.length;
        last += group.frames;
      }
      await disk.sync(file);
      // Another owner may have a segment with this name, which must not be replaced.
      await this.assertOwned();
      await disk.rename(`${path}.new`, path);
      await disk.syncDirectory(layout.wal);
      known = { path: disk.pathOf(file), identity: await disk.identity(path) };
    } catch (error) {
      await disk.close(file).catch(() => {});
      await disk.remove(`${path}.new`).catch(() => {});
      throw error;
    }
    await this.#closeFile();
    this.#file = file;
    this.#path = known.path;
    this.#identity = known.identity;
    this.#reserved = 0;
    this.#isBroken = false;
    this.#written = { segment, offset, lsn: last };
    // The previous position may lie after the end that the old segment has now.
    this.#settled = this.#written;
    this.#noteSynced();
    return file;
  }

  async #closeFile(): Promise<void> {
    const file = this.#file;
    this.#file = null;
    if (file === null) return;
    const { disk } = this.#settings;
    // Cuts off unused zeros. Bytes of unknown content stay as they are.
    const hasZeros = this.#reserved > this.#written.offset && !this.#isBroken && !this.#loss;
    if (hasZeros) await disk.truncate(file, this.#written.offset).catch(() => {});
    await disk.close(file).catch(() => {});
  }

  async #syncLater(group: Group, afterMs: number): Promise<void> {
    this.#unsynced.push(group.copy());
    this.#unsyncedBytes += group.bytes;
    if (this.#unsyncedBytes > UNSYNCED_BYTES) await this.#syncNow().catch(() => {});
    else if (this.#timer === null) {
      this.#timer = setTimeout(() => {
        this.#timer = null;
        this.sync().catch(() => {});
      }, afterMs);
    }
  }

  async #sync(file: number): Promise<void> {
    const since = performance.now();
    await this.#settings.disk.sync(file);
    this.#syncs += 1;
    this.#syncMs += performance.now() - since;
  }

  async #syncNow(): Promise<void> {
    if (this.#isBroken) {
      await this.#beginSegment();
      return;
    }
    if (this.#file === null || this.#unsynced.length === 0) return;
    try {
      await this.#sync(this.#file);
    } catch (error) {
      this.#markBroken('A sync of the write-ahead log failed', error);
      await this.#beginSegment();
      return;
    }
    this.#noteSynced();
  }

  #noteSynced(): void {
    this.#synced = this.#written;
    this.#unsynced = [];
    this.#unsyncedBytes = 0;
  }
}
