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
import { OpenSegment } from './open-segment.ts';
import type { WalPosition } from './wal-position.ts';
import { SEGMENT_HEADER_BYTES } from './wal-segment.ts';

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
  #segment: OpenSegment | null = null;
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
      if (this.#isClosed || this.#segment === null || (await this.#settings.owner.confirm())) return;
      if (!this.#isBroken) await this.#checkName(this.#segment);
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
    await this.#lane.run(() => this.#closeSegment());
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
      await this.#lane.run(() => this.#closeSegment());
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
    let open: OpenSegment;
    try {
      open = await this.#segmentFor(group);
    } catch (error) {
      // No byte of this group was written, so STORE_FULL is true: it is not done.
      return diskFailure(error);
    }
    const bytes = group.sealed(this.#address, this.#synced.lsn);
    const { offset: start } = this.#written;
    let durable: number | null = null;
    try {
      if (syncIntervalMs === null || reserve.isFull) await this.#reserve(open, start + bytes.length);
      if (syncIntervalMs === null) durable = open.durableUpTo(start + bytes.length);
      if (durable === null) await writeFully(disk, open.file, bytes, start);
      else await this.#measured(writeFully(disk, durable, bytes, start));
    } catch (error) {
      return this.#cutBack(open, error);
    }
    if (syncIntervalMs === null && durable === null) {
      try {
        await this.#measured(open.sync());
      } catch (error) {
        return this.#markBroken('A sync of the write-ahead log failed', error);
      }
    }
    if (!this.#settings.owner.isUnchanged() || !open.isInPlace) {
      const doubt = await this.#doubt(open);
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
   * Checks that the next owner of the store will find the group that was just written. Returns the error if that is not
   * certain. It is never `STORE_LOST`, which would mean that the group is void: the next owner may have read it.
   */
  async #doubt(open: OpenSegment): Promise<RuntimeError | null> {
    const failure = await this.#settings.owner.confirm();
    if (!failure) return this.#checkName(open);
    if (failure.code === 'STORE_LOST') return unavailable('The store was lost during the write', failure);
    return this.#markBroken('The owner of the store could not be confirmed', failure);
  }

  /** Checks that the name of the open segment still leads to it. Returns the error if it does not. */
  async #checkName(open: OpenSegment): Promise<RuntimeError | null> {
    let cause: unknown;
    try {
      if (await open.hasName()) return null;
    } catch (error) {
      cause = error;
    }
    this.#hasMissingSegment = true;
    return this.#markBroken('The segment in use was moved, replaced or deleted', cause);
  }

  /** Returns the open segment. Begins a new one if there is none, or if it is broken or full. */
  async #segmentFor(group: Group): Promise<OpenSegment> {
    const { offset } = this.#written;
    const { segmentBytes, reserve } = this.#settings;
    const isFilled = offset > SEGMENT_HEADER_BYTES && offset + group.bytes > reserve.within(segmentBytes);
    if (this.#segment === null || this.#isBroken || (isFilled && !reserve.isFull))
      return this.#beginSegment();
    return this.#segment;
  }

  /**
   * Writes zeros ahead of the frames. They share the sync of the group that needs them. On a full disk, they keep space that was
   * released for the log from other files.
   */
  async #reserve(open: OpenSegment, end: number): Promise<void> {
    const { segmentBytes, reserve } = this.#settings;
    if (end <= open.reserved || (end >= segmentBytes && !reserve.isFull)) return;
    const from = Math.max(open.reserved, this.#written.offset);
    await open.reserve(from, reserve.isFull ? reserve.bytesAhead : segmentBytes - from);
  }

  /** Cuts off a group that was not written whole, or not synced by its write. Returns STORE_FULL only if it is certain that nothing of it stays. */
  async #cutBack(open: OpenSegment, cause: unknown): Promise<RuntimeError> {
    try {
      await open.cutBack(this.#written.offset);
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
  async #beginSegment(): Promise<OpenSegment> {
    const { disk, layout, epoch, runtimeId } = this.#settings;
    if (!this.#isBroken && this.#unsynced.length > 0) await this.#syncNow();
    this.#isBroken = true;
    if (this.#hasMissingSegment) {
      await this.assertOwned();
      await disk.makeDirectory(layout.wal);
    }
    this.#lastSegment += 1;
    const { lsn, segment: before, offset: end } = this.#synced;
    const begun = await OpenSegment.create({
      disk,
      layout,
      header: { epoch, segment: this.#lastSegment, lsn, previous: { segment: before, end }, runtimeId },
      groups: this.#unsynced,
      assertOwned: () => this.assertOwned(),
    });
    await this.#closeSegment();
    this.#segment = begun;
    this.#isBroken = false;
    this.#written = begun.begin;
    // The previous position may lie after the end that the old segment has now.
    this.#settled = this.#written;
    this.#noteSynced();
    return begun;
  }

  async #closeSegment(): Promise<void> {
    const open = this.#segment;
    this.#segment = null;
    await open?.close(this.#isBroken || this.#loss ? null : this.#written.offset);
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

  /** Awaits a sync, and measures it. */
  async #measured(sync: Promise<void>): Promise<void> {
    const since = performance.now();
    await sync;
    this.#syncs += 1;
    this.#syncMs += performance.now() - since;
  }

  async #syncNow(): Promise<void> {
    if (this.#isBroken) {
      await this.#beginSegment();
      return;
    }
    if (this.#segment === null || this.#unsynced.length === 0) return;
    try {
      await this.#measured(this.#segment.sync());
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
