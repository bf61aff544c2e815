import { type Disk, writeFully } from '../disk/disk.ts';
import type { Layout } from '../layout/layout.ts';
import type { Group } from './group.ts';
import type { WalPosition } from './wal-position.ts';
import { encodeSegmentHeader, SEGMENT_HEADER_BYTES, type SegmentHeader } from './wal-segment.ts';

/** The zeros that are written ahead of the frames. */
const ZEROS = Buffer.alloc(1_048_576);

export interface NewSegment {
  readonly disk: Disk;
  readonly layout: Layout;
  readonly header: Omit<SegmentHeader, 'version'>;
  /** Groups that were acknowledged and not synced in the segment before. They are written again. */
  readonly groups: readonly Group[];
  /** Called before the segment gets its name, because another owner may have a segment with this name. It throws to refuse that. */
  readonly assertOwned: () => Promise<void>;
}

/** The file of the segment that the write-ahead log writes. It gets its name once its beginning is whole and synced. */
export class OpenSegment {
  readonly file: number;
  /** The position after the groups with which the segment began. */
  readonly begin: WalPosition;
  readonly #disk: Disk;
  readonly #name: string;
  /** The path and the identity of the file when it got its name. Both show if the name still leads to it. */
  readonly #path: string | null;
  readonly #identity: string | null;
  /** The same file, opened so that a write is also a sync; null if the disk cannot do that. */
  readonly #durable: number | null;
  #reserved = 0;
  /** The end of the zeros that are synced. */
  #syncedZeros = 0;

  private constructor(
    { disk, layout, header }: NewSegment,
    file: number,
    durable: number | null,
    begin: WalPosition,
    identity: string | null,
  ) {
    this.file = file;
    this.#durable = durable;
    this.begin = begin;
    this.#disk = disk;
    this.#name = layout.segment(header.segment);
    this.#path = disk.pathOf(file);
    this.#identity = identity;
  }

  /** Makes a segment with its header and the first groups. After a failure it has no name. Fails with the errors of the disk. */
  static async create(options: NewSegment): Promise<OpenSegment> {
    const { disk, layout, header, groups, assertOwned } = options;
    const { epoch, segment, lsn: first } = header;
    const path = layout.segment(segment);
    const file = await disk.open(`${path}.new`, 'replace');
    let durable: number | null = null;
    try {
      if (disk.hasDurableWrites) durable = await disk.open(`${path}.new`, 'durable');
      await writeFully(disk, file, encodeSegmentHeader(header), 0);
      let offset = SEGMENT_HEADER_BYTES;
      let lsn = first;
      for (const group of groups) {
        const bytes = group.sealed({ epoch, segment, lsn }, first);
        await writeFully(disk, file, bytes, offset);
        offset += bytes.length;
        lsn += group.frames;
      }
      await disk.sync(file);
      await assertOwned();
      await disk.rename(`${path}.new`, path);
      await disk.syncDirectory(layout.wal);
      return new OpenSegment(options, file, durable, { segment, offset, lsn }, await disk.identity(path));
    } catch (error) {
      await disk.close(file).catch(() => {});
      if (durable !== null) await disk.close(durable).catch(() => {});
      await disk.remove(`${path}.new`).catch(() => {});
      throw error;
    }
  }

  /** The end of the zeros that are written ahead. */
  get reserved(): number {
    return this.#reserved;
  }

  /**
   * True if the file is certainly where it was when it got its name. Checks its path, because a stat of a file that is being written makes the
   * next write more expensive: the kernel then stores a new time.
   */
  get isInPlace(): boolean {
    return this.#path !== null && this.#disk.pathOf(this.file) === this.#path;
  }

  /** True if the name of the segment leads to this file. Fails with the errors of the disk. */
  async hasName(): Promise<boolean> {
    return (await this.#disk.identity(this.#name)) === this.#identity;
  }

  /**
   * Writes at most `room` zeros from an offset on. A sync that finds the length of the file unchanged has no metadata to write, and takes
   * about half the time. Without space for the zeros, there may still be space for a group.
   */
  async reserve(from: number, room: number): Promise<void> {
    const zeros = ZEROS.subarray(0, Math.max(0, Math.min(ZEROS.length, room)));
    try {
      await writeFully(this.#disk, this.file, zeros, from);
      this.#reserved = from + zeros.length;
    } catch {
      await this.#disk.truncate(this.file, from).catch(() => {});
    }
  }

  /**
   * Returns the file for a write that ends at `end` and is to be synced, if the write can be the sync too; null if not. It can where zeros
   * are synced: it has no metadata to write then. One call of the disk instead of two saves a lone commit a tenth of a millisecond.
   */
  durableUpTo(end: number): number | null {
    return end <= this.#syncedZeros ? this.#durable : null;
  }

  /** Syncs the file with its zeros. Fails with the errors of the disk. */
  async sync(): Promise<void> {
    const zeros = this.#reserved;
    await this.#disk.sync(this.file);
    this.#syncedZeros = zeros;
  }

  /** Cuts off what follows an offset, and syncs that. Fails with the errors of the disk. */
  async cutBack(end: number): Promise<void> {
    this.#reserved = 0;
    this.#syncedZeros = 0;
    await this.#disk.truncate(this.file, end);
    await this.#disk.sync(this.file);
  }

  /** Closes the file, and cuts off unused zeros after `end`. Without `end`, its content is unknown and stays. */
  async close(end: number | null): Promise<void> {
    if (end !== null && this.#reserved > end) await this.#disk.truncate(this.file, end).catch(() => {});
    await this.#disk.close(this.file).catch(() => {});
    if (this.#durable !== null) await this.#disk.close(this.#durable).catch(() => {});
  }
}
