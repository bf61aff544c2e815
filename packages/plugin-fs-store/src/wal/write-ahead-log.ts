import type { RuntimeError, StoreFinding } from '@worker-runtime/core';
import { type Disk, writeFully } from '../disk/disk.ts';
import { diskFailure, isFull, unavailable } from '../disk/disk-failure.ts';
import { Lane } from '../disk/lane.ts';
import type { Layout } from '../layout/layout.ts';
import type { LogChange } from './frame.ts';
import { Group, type Settle } from './group.ts';
import type { WalPosition } from './wal-position.ts';
import { encodeSegmentHeader, SEGMENT_HEADER_BYTES } from './wal-segment.ts';

export interface WalSettings {
  readonly disk: Disk;
  readonly layout: Layout;
  readonly runtimeId: string;
  readonly epoch: number;
  /** Where the log as replayed ends; all of it is synced. */
  readonly end: WalPosition;
  /** The highest number that a segment file has, void ones too. */
  readonly lastSegment: number;
  /** Null: each group is synced before it is acknowledged. */
  readonly syncIntervalMs: number | null;
  readonly segmentBytes: number;
  readonly queueBytes: number;
  /** Awaited before a group is written; where it rejects, the group is refused with that error. */
  readonly admit: () => Promise<void> | null;
  readonly report: (finding: StoreFinding) => void;
}

/** What may wait for the next sync of the interval policy; beyond it, the sync comes early. */
const UNSYNCED_BYTES = 8_388_608;
const KEPT_BUFFER_BYTES = 4_194_304;
/** Written ahead of the log, in zeros. */
const AHEAD = Buffer.alloc(1_048_576);

/**
 * The one log of all Workers. What is added while a write and its sync are on their way goes out in the next single
 * write, under one sync: group commit, as databases have done it since the 1980s (IMS Fast Path, later PostgreSQL).
 *
 * Invariant: a change is acknowledged only when its group was written and, by the `commit` policy, synced. A sync that
 * failed is never tried again on the same bytes, since the kernel may have dropped them and say yes the second time
 * (https://lwn.net/Articles/752063/): a new segment begins, whose synced header says where the old one ends.
 */
export class WriteAheadLog {
  readonly #settings: WalSettings;
  readonly #lane = new Lane();
  #settled: WalPosition;
  #written: WalPosition;
  #synced: WalPosition;
  #writtenBytes = 0;
  #lastSegment: number;
  #file: number | null = null;
  /** Up to where the open segment has its place on the disk. */
  #reserved = 0;
  /** The open segment holds bytes of which nobody knows whether they will be there: it may not go on. */
  #isBroken = false;
  #filling: Group;
  #spare: Buffer | undefined;
  #isScheduled = false;
  /** Acknowledged by the interval policy, and kept to be written again should their sync fail. */
  #unsynced: Group[] = [];
  #unsyncedBytes = 0;
  #timer: NodeJS.Timeout | null = null;
  #isClosed = false;
  #isAbandoned = false;

  constructor(settings: WalSettings) {
    this.#settings = settings;
    this.#settled = settings.end;
    this.#written = settings.end;
    this.#synced = settings.end;
    this.#lastSegment = settings.lastSegment;
    this.#filling = new Group(this.#place);
  }

  /** Where the log ends as far as it is settled: every change before is acknowledged, or void. */
  get position(): WalPosition {
    return this.#settled;
  }

  /** Bytes that this process wrote to the log. */
  get writtenBytes(): number {
    return this.#writtenBytes;
  }

  get syncedLsn(): number {
    return this.#synced.lsn;
  }

  /** Takes a change into the next group. `settle` is called once; nothing is thrown. */
  add(change: LogChange, settle: Settle): void {
    const isTooMuch = this.#filling.bytes + change.lines.length > this.#settings.queueBytes;
    if (this.#isClosed) settle(unavailable('The store is not open'), 0);
    else if (isTooMuch && this.#filling.frames > 0) settle(unavailable('Too much waits for the disk'), 0);
    else this.#take(change, settle);
  }

  #take(change: LogChange, settle: Settle): void {
    this.#filling.add(change, settle);
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    // Not at once: what else this turn of the event loop brings shares the write and the sync.
    setImmediate(() => void this.#writeGathered());
  }

  /**
   * On return no earlier attempt is in doubt: it was acknowledged, or can never come true.
   * @throws STORE_UNAVAILABLE · STORE_FULL the doubt stays
   */
  async settled(): Promise<void> {
    const refusal = await this.#refusal();
    await this.#lane.run(async () => {
      await this.#work(refusal);
      if (this.#isBroken) await this.#failing(() => this.#beginSegment());
    });
  }

  /** On return everything that was written before is synced. @throws STORE_UNAVAILABLE · STORE_FULL */
  async sync(): Promise<void> {
    if (this.#unsynced.length === 0) return;
    await this.#lane.run(() => this.#failing(() => this.#syncNow()));
  }

  /** Takes no more, and on return everything that was added is settled. */
  async drained(): Promise<void> {
    this.#isClosed = true;
    await this.#writeGathered();
  }

  /** Takes no more and writes no more: the files belong to another process now. */
  abandon(): void {
    this.#isClosed = true;
    this.#isAbandoned = true;
    if (this.#timer) clearTimeout(this.#timer);
  }

  /** Writes and syncs what was added. Failures went to those who added; the file is closed either way. */
  async close(): Promise<void> {
    await this.drained();
    if (this.#timer) clearTimeout(this.#timer);
    try {
      await this.sync();
    } finally {
      await this.#lane.run(() => this.#closeFile());
    }
  }

  get #place() {
    const { segment, lsn } = this.#written;
    return { epoch: this.#settings.epoch, segment, lsn };
  }

  /**
   * Writes what has gathered. Whether the files behind the log take more is waited for outside of the lane: what they
   * wait for may be a sync of the log.
   */
  async #writeGathered(): Promise<void> {
    const refusal = await this.#refusal();
    await this.#lane.run(() => this.#work(refusal));
  }

  async #work(refusal: RuntimeError | null): Promise<void> {
    this.#isScheduled = false;
    if (this.#filling.frames === 0) return;
    const group = this.#filling;
    this.#filling = new Group(
      { ...this.#place, lsn: this.#written.lsn + (refusal ? 0 : group.frames) },
      this.#spare,
    );
    this.#spare = undefined;
    group.settle(refusal ?? (await this.#write(group)));
    // Not before: a checkpoint there must find every change before it with those who were told.
    this.#settled = this.#written;
    if (group.buffer.length <= KEPT_BUFFER_BYTES) this.#spare = group.buffer;
    if (this.#filling.frames > 0 && !this.#isScheduled) {
      this.#isScheduled = true;
      void this.#writeGathered();
    }
  }

  async #refusal(): Promise<RuntimeError | null> {
    if (this.#isAbandoned) return unavailable('Another process took the store over');
    try {
      const admission = this.#settings.admit();
      if (admission) await admission;
      return null;
    } catch (error) {
      return diskFailure(error);
    }
  }

  /** Writes one group. Returns why it failed; by its code it is then not done, or in doubt until `settled`. */
  async #write(group: Group): Promise<RuntimeError | null> {
    const { disk, syncIntervalMs, segmentBytes } = this.#settings;
    try {
      const isFilled =
        this.#written.offset > SEGMENT_HEADER_BYTES && this.#written.offset + group.bytes > segmentBytes;
      if (this.#file === null || this.#isBroken || isFilled) await this.#beginSegment();
    } catch (error) {
      // Not a byte of this group was written: where the disk is full, it is not done.
      return diskFailure(error);
    }
    const file = this.#file as unknown as number;
    const bytes = group.sealed(this.#place, this.#synced.lsn);
    try {
      if (syncIntervalMs === null) await this.#reserve(file, this.#written.offset + bytes.length);
      await writeFully(disk, file, bytes, this.#written.offset);
    } catch (error) {
      return this.#cutBack(file, error);
    }
    if (syncIntervalMs === null) {
      try {
        await disk.sync(file);
      } catch (error) {
        return this.#break('A sync of the log failed', error);
      }
    }
    const { segment, offset, lsn } = this.#written;
    this.#written = { segment, offset: offset + bytes.length, lsn: lsn + group.frames };
    this.#writtenBytes += bytes.length;
    if (syncIntervalMs === null) this.#synced = this.#written;
    else await this.#syncLater(group, syncIntervalMs);
    return null;
  }

  /**
   * Writes zeros ahead, so that a sync finds the file as long as before: it then has no metadata to write, and takes
   * about half the time. They share the sync of the group that needs them. Where there is no room for them, there may
   * be for the group.
   */
  async #reserve(file: number, end: number): Promise<void> {
    const { disk, segmentBytes } = this.#settings;
    if (end <= this.#reserved || end >= segmentBytes) return;
    const from = Math.max(this.#reserved, this.#written.offset);
    const zeros = AHEAD.subarray(0, Math.max(0, Math.min(AHEAD.length, segmentBytes - from)));
    try {
      await writeFully(disk, file, zeros, from);
      this.#reserved = from + zeros.length;
    } catch {
      await disk.truncate(file, from).catch(() => {});
    }
  }

  /** Cuts a group off that was not written whole. STORE_FULL only where it is certain that nothing of it stays. */
  async #cutBack(file: number, cause: unknown): Promise<RuntimeError> {
    try {
      this.#reserved = 0;
      await this.#settings.disk.truncate(file, this.#written.offset);
      await this.#settings.disk.sync(file);
      this.#noteSynced();
    } catch (error) {
      return this.#break('The log could not be cut back after a failed write', error);
    }
    return isFull(cause) ? diskFailure(cause) : this.#break('A write to the log failed', cause);
  }

  #break(message: string, cause: unknown): RuntimeError {
    this.#isBroken = true;
    const details = { file: 'segment', offset: this.#written.offset, phase: 'append' };
    this.#settings.report({ severity: 'error', code: 'LOG_FAILED', message, details, detail: cause });
    return unavailable(message, cause);
  }

  async #failing(job: () => Promise<void>): Promise<void> {
    try {
      await job();
    } catch (error) {
      throw diskFailure(error);
    }
  }

  /**
   * Begins the next segment after what is synced, and writes again what was acknowledged but is not. It gets its name
   * when it is whole: from then on it says where the one before ends, so that one is not written any more, come what may.
   */
  async #beginSegment(): Promise<void> {
    const { disk, layout, epoch, runtimeId } = this.#settings;
    if (!this.#isBroken && this.#unsynced.length > 0) await this.#syncNow();
    this.#isBroken = true;
    this.#lastSegment += 1;
    const segment = this.#lastSegment;
    const { lsn, segment: before, offset: end } = this.#synced;
    const path = layout.segment(segment);
    const file = await disk.open(`${path}.new`, 'replace');
    let offset = SEGMENT_HEADER_BYTES;
    let last = lsn;
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
      await disk.rename(`${path}.new`, path);
      await disk.syncDirectory(layout.wal);
    } catch (error) {
      await disk.close(file).catch(() => {});
      await disk.remove(`${path}.new`).catch(() => {});
      throw error;
    }
    await this.#closeFile();
    this.#file = file;
    this.#reserved = 0;
    this.#isBroken = false;
    this.#written = { segment, offset, lsn: last };
    // A position in the old one may lie behind the end that it has now.
    this.#settled = this.#written;
    this.#noteSynced();
  }

  async #closeFile(): Promise<void> {
    const file = this.#file;
    this.#file = null;
    if (file === null) return;
    const { disk } = this.#settings;
    // what was written ahead and not used; where nobody knows what stands there, it stays
    const isAhead = this.#reserved > this.#written.offset && !this.#isBroken && !this.#isAbandoned;
    if (isAhead) await disk.truncate(file, this.#written.offset).catch(() => {});
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

  async #syncNow(): Promise<void> {
    if (this.#isBroken) return this.#beginSegment();
    if (this.#file === null || this.#unsynced.length === 0) return;
    try {
      await this.#settings.disk.sync(this.#file);
    } catch (error) {
      this.#break('A sync of the log failed', error);
      return this.#beginSegment();
    }
    this.#noteSynced();
  }

  #noteSynced(): void {
    this.#synced = this.#written;
    this.#unsynced = [];
    this.#unsyncedBytes = 0;
  }
}
