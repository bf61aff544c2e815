import type { StoreFinding } from '@worker-runtime/core/plugin-kit';
import { type Disk, readLarge, readRange } from '../disk/disk.ts';
import { errnoOf } from '../disk/disk-failure.ts';
import { type Layout, segmentNumberOf } from '../layout/layout.ts';
import {
  changeOf,
  FRAME_HEADER_BYTES,
  GROUP_MAGIC,
  groupOf,
  type ReplayedChange,
  readFrame,
} from './frame.ts';
import type { WalPosition } from './wal-position.ts';
import { decodeSegmentHeader, SEGMENT_HEADER_BYTES, type SegmentHeader } from './wal-segment.ts';

export interface ReplaySettings {
  readonly disk: Disk;
  readonly layout: Layout;
  /** The end of the checkpoint; null to replay everything. */
  readonly from: WalPosition | null;
  readonly apply: (change: ReplayedChange, lsn: number) => void;
  readonly report: (finding: StoreFinding) => void;
}

export interface Replayed {
  readonly end: WalPosition;
  readonly lastSegment: number;
  /** The highest epoch of any segment. */
  readonly epoch: number;
  readonly version: number;
  readonly runtimeId: string | null;
  /** True if acknowledged changes are known to be lost. */
  readonly isDamaged: boolean;
}

interface ChainedSegment {
  readonly header: SegmentHeader;
  /** The end of this segment according to the next one's header; null for the last segment. */
  readonly end: number | null;
}

const ZEROS = Buffer.alloc(65_536);

/** True if only the zeros that are written ahead of the frames follow. */
const isZeroed = (bytes: Buffer, from: number): boolean => {
  for (let at = from; at < bytes.length; at += ZEROS.length) {
    const piece = bytes.subarray(at, at + ZEROS.length);
    if (!piece.equals(ZEROS.subarray(0, piece.length))) return false;
  }
  return true;
};

/** One run of `replay`. */
class Replay {
  readonly #settings: ReplaySettings;
  #isDamaged = false;
  #lsn: number;
  #end: WalPosition;

  constructor(settings: ReplaySettings) {
    this.#settings = settings;
    this.#end = settings.from ?? { segment: 0, offset: 0, lsn: 1 };
    this.#lsn = this.#end.lsn;
  }

  async run(): Promise<Replayed> {
    const { disk, layout, from } = this.#settings;
    const numbers: number[] = [];
    for (const name of await disk.list(layout.wal)) {
      const number = segmentNumberOf(name);
      if (number !== null) numbers.push(number);
    }
    numbers.sort((a, b) => a - b);
    const headers = await this.#headers(numbers);
    const chain = this.#chain(headers);
    if (chain.length === 0 && from && from.segment > 0 && from.offset > SEGMENT_HEADER_BYTES) {
      this.#reportDamage('The segment that the catalog names is missing', from.offset);
    }
    for (const segment of chain) await this.#segment(segment);
    const last = chain.at(-1)?.header;
    if (last) await this.#sync(last.segment);
    const known = [...headers.values()];
    return {
      end: this.#end,
      lastSegment: Math.max(0, this.#end.segment, ...numbers),
      epoch: Math.max(0, ...known.map((header) => header.epoch)),
      version: Math.max(0, ...known.map((header) => header.version)),
      runtimeId: last?.runtimeId ?? null,
      isDamaged: this.#isDamaged,
    };
  }

  async #headers(numbers: readonly number[]): Promise<Map<number, SegmentHeader>> {
    const headers = new Map<number, SegmentHeader>();
    const first = this.#settings.from?.segment ?? 0;
    for (const number of numbers) {
      if (number < first) continue;
      const header = decodeSegmentHeader(await this.#read(number, (path) => this.#begin(path)));
      if (header && header.segment === number) headers.set(number, header);
      // A segment whose first write was interrupted holds nothing, because groups follow only after its header is synced.
      else if (((await this.#size(number)) ?? 0) > SEGMENT_HEADER_BYTES) {
        this.#reportDamage('A segment has lost its header', 0, number);
      }
    }
    return headers;
  }

  /**
   * Returns the chain of segments, oldest first, by following the headers backwards from the newest one. A segment that
   * no later header names is void.
   */
  #chain(headers: ReadonlyMap<number, SegmentHeader>): readonly ChainedSegment[] {
    const { from } = this.#settings;
    const chain: ChainedSegment[] = [];
    const numbers = [...headers.keys()].sort((a, b) => b - a);
    let number = numbers[0];
    let end: number | null = null;
    while (number !== undefined) {
      const header: SegmentHeader | undefined = headers.get(number);
      if (header) {
        chain.unshift({ header, end });
        if (from && number <= from.segment) break;
        ({ segment: number, end } = header.previous);
        if (number === 0 || (from && number < from.segment)) break;
      } else {
        const isNeeded = from ? number !== from.segment || from.offset < (end ?? 0) : false;
        if (isNeeded) this.#reportDamage('A segment is missing or has lost its header', 0, number);
        const missing: number = number;
        number = from ? numbers.find((other) => other < missing) : undefined;
        end = null;
      }
    }
    return chain;
  }

  async #segment({ header, end }: ChainedSegment): Promise<void> {
    const { from, apply, disk } = this.#settings;
    const isFirst = from?.segment === header.segment;
    let at = isFirst ? Math.max(from.offset, SEGMENT_HEADER_BYTES) : SEGMENT_HEADER_BYTES;
    if (!isFirst) this.#lsn = Math.max(this.#lsn, header.lsn);
    const whole = await this.#read(header.segment, (path) => readLarge(disk, path, at));
    const bytes = end === null ? whole : whole.subarray(0, end);
    while (at < bytes.length) {
      const frame = readFrame(bytes, at, header);
      const group = frame && groupOf(bytes, frame);
      const change = frame && !group ? changeOf(bytes, frame) : null;
      if (frame && frame.lsn === this.#lsn && (group || change)) {
        if (change) {
          apply(change, frame.lsn);
          this.#lsn += 1;
        }
        at = frame.end;
        continue;
      }
      const next = this.#nextGroup(bytes, at, header);
      if (next === null) break;
      this.#reportDamage('A part of the write-ahead log does not match its checksum', at, header.segment);
      this.#lsn = next.lsn;
      at = next.at;
    }
    if (end !== null && at < end)
      this.#reportDamage('A segment is shorter than the next one says', at, header.segment);
    else if (at < bytes.length && !isZeroed(bytes, at)) this.#reportTornEnd(at, bytes.length, header.segment);
    this.#end = { segment: header.segment, offset: end === null ? at : end, lsn: this.#lsn };
  }

  /**
   * Finds the next group that proves that the mismatch at `from` had been synced. Returns null if there is none: then the
   * log ends at `from`.
   */
  #nextGroup(bytes: Buffer, from: number, header: SegmentHeader): { at: number; lsn: number } | null {
    for (let found = bytes.indexOf(GROUP_MAGIC, from); found >= 0; ) {
      const at = found - FRAME_HEADER_BYTES;
      const frame = at > from ? readFrame(bytes, at, header) : null;
      const group = frame && groupOf(bytes, frame);
      if (frame && group && frame.lsn >= this.#lsn) {
        if (group.syncedLsn > this.#lsn) return { at, lsn: frame.lsn };
      }
      found = bytes.indexOf(GROUP_MAGIC, found + 1);
    }
    return null;
  }

  /**
   * Syncs the last segment. Replayed changes may be in the page cache only, and must not vanish in a power loss
   * after they have been shown to readers.
   */
  async #sync(segment: number): Promise<void> {
    const { disk, layout } = this.#settings;
    const file = await disk.open(layout.segment(segment), 'write');
    try {
      await disk.sync(file);
    } finally {
      await disk.close(file);
    }
  }

  async #size(number: number): Promise<number | null> {
    // If it is not a regular file, reading it has reported that.
    return this.#settings.disk.size(this.#settings.layout.segment(number)).catch(() => null);
  }

  async #begin(path: string): Promise<Buffer> {
    const { disk } = this.#settings;
    const file = await disk.open(path, 'read');
    try {
      return await readRange(disk, file, 0, SEGMENT_HEADER_BYTES);
    } finally {
      await disk.close(file);
    }
  }

  /** Reads bytes of a segment. Returns none if it cannot be read, and reports that unless it is missing. */
  async #read(number: number, read: (path: string) => Promise<Buffer>): Promise<Buffer> {
    try {
      return await read(this.#settings.layout.segment(number));
    } catch (error) {
      if (errnoOf(error) !== 'ENOENT') this.#reportDamage('A segment cannot be read', 0, number, error);
      return Buffer.alloc(0);
    }
  }

  #reportTornEnd(offset: number, length: number, segment: number): void {
    this.#settings.report({
      severity: 'info',
      code: 'LOG_END_TORN',
      message: 'The write-ahead log ends in a group that was never acknowledged',
      details: { file: 'segment', offset, phase: 'replay' },
      detail: { segment, bytes: length - offset },
    });
  }

  #reportDamage(message: string, offset: number, segment?: number, cause?: unknown): void {
    this.#isDamaged = true;
    this.#settings.report({
      severity: 'error',
      code: 'LOG_DAMAGED',
      message,
      details: { file: 'segment', offset, phase: 'replay' },
      detail: { segment, cause },
    });
  }
}

/**
 * Reads the write-ahead log from a checkpoint on and applies each change in order, up to the first mismatch. If a later
 * group proves that the mismatch had been synced, it is damage: it is reported and skipped. Otherwise the log ends there,
 * and what follows was never acknowledged.
 */
export const replay = (settings: ReplaySettings): Promise<Replayed> => new Replay(settings).run();
