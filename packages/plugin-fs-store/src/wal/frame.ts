import { crc32 } from 'node:zlib';
import { NEWLINE } from '../layout/line.ts';
import { workerIdIn } from '../layout/worker-document.ts';

/** The kinds of frames. FORMAT.md has the byte layouts. */
export const FRAME_KIND = { group: 0, create: 1, append: 2, remove: 3 } as const;
type ChangeKind = (typeof FRAME_KIND)['create' | 'append' | 'remove'];

/** One change of one Worker's log. */
export interface LogChange extends ChangeHead {
  /** For a creation the text of `worker.json`; then the new lines of `keys.jsonl`. */
  readonly meta: string;
}

/** Bytes of a segment. Without a view of them, because that takes more memory than the bytes of most changes. */
export class SegmentPart {
  readonly #segment: Buffer;
  readonly #from: number;
  readonly length: number;

  constructor(segment: Buffer, from: number, to: number) {
    this.#segment = segment;
    this.#from = from;
    this.length = to - from;
  }

  get bytes(): Buffer {
    return this.#segment.subarray(this.#from, this.#from + this.length);
  }

  copyTo(target: Buffer, at: number): void {
    target.set(this.bytes, at);
  }
}

/** A change without the text besides its lines. */
export interface ChangeHead {
  readonly kind: ChangeKind;
  readonly log: string;
  /** The log before this change: the number of its last line, the bytes of its lines and of its key entries. */
  readonly seq: number;
  readonly bytes: number;
  readonly keyBytes: number;
  readonly count: number;
  readonly lines: Uint8Array;
}

/** Identifies a frame. The checksum covers it, so a stale or displaced frame never matches. */
export interface FrameAddress {
  readonly epoch: number;
  readonly segment: number;
  readonly lsn: number;
}

/** The content of the header in front of a group. */
export interface GroupHeader {
  /** The bytes of the frames after the header, and their number. */
  readonly bytes: number;
  readonly frames: number;
  /**
   * Everything before this LSN was synced when the group was written. A mismatch there is damage, not a torn end.
   */
  readonly syncedLsn: number;
}

export const FRAME_HEADER_BYTES = 24;
const CHANGE_HEADER_BYTES = 40;
/** The magic of a group. Replay searches for it where frames before it do not match. */
export const GROUP_MAGIC = Buffer.from('wrgroup\n');
export const GROUP_BYTES = FRAME_HEADER_BYTES + 40;
const HIGH = 0x1_0000_0000;

const writeNumber = (into: Buffer, value: number, at: number): void => {
  into.writeUInt32LE(value % HIGH, at);
  into.writeUInt32LE(Math.floor(value / HIGH), at + 4);
};

const readNumber = (from: Buffer, at: number): number =>
  from.readUInt32LE(at) + from.readUInt32LE(at + 4) * HIGH;

/** Returns the length of a change as a frame, given the bytes of its `meta`. */
export const frameBytes = (change: LogChange, metaBytes: number): number =>
  FRAME_HEADER_BYTES + CHANGE_HEADER_BYTES + change.log.length + metaBytes + change.lines.length;

/** Completes the frame of `bytes` bytes at `at`, whose payload is in address, with its address and checksum. */
export const seal = (buffer: Buffer, at: number, bytes: number, address: FrameAddress): void => {
  buffer.writeUInt32LE(bytes - FRAME_HEADER_BYTES, at);
  buffer.writeUInt32LE(address.epoch, at + 8);
  buffer.writeUInt32LE(address.segment, at + 12);
  writeNumber(buffer, address.lsn, at + 16);
  buffer.writeUInt32LE(crc32(buffer.subarray(at + 8, at + bytes)), at + 4);
};

/** Writes a change as a frame into a buffer with room for it. Returns the length of the frame. */
export const writeChange = (
  buffer: Buffer,
  at: number,
  change: LogChange,
  metaBytes: number,
  address: FrameAddress,
): number => {
  const bytes = frameBytes(change, metaBytes);
  let to = at + FRAME_HEADER_BYTES;
  buffer.writeUInt32LE(change.kind | (change.log.length << 8), to);
  buffer.writeUInt32LE(change.count, to + 4);
  writeNumber(buffer, change.seq, to + 8);
  writeNumber(buffer, change.bytes, to + 16);
  writeNumber(buffer, change.keyBytes, to + 24);
  writeNumber(buffer, metaBytes, to + 32);
  to += CHANGE_HEADER_BYTES;
  to += buffer.write(change.log, to, 'latin1');
  if (metaBytes > 0) to += buffer.write(change.meta, to);
  buffer.set(change.lines, to);
  seal(buffer, at, bytes, address);
  return bytes;
};

/** Writes a group's header into the first GROUP_BYTES of its buffer. Its LSN is that of the first frame after it. */
export const writeGroupHeader = (buffer: Buffer, header: GroupHeader, address: FrameAddress): void => {
  const to = FRAME_HEADER_BYTES;
  GROUP_MAGIC.copy(buffer, to);
  buffer.writeUInt32LE(FRAME_KIND.group, to + 8);
  buffer.writeUInt32LE(header.frames, to + 12);
  writeNumber(buffer, header.bytes, to + 16);
  writeNumber(buffer, header.syncedLsn, to + 24);
  writeNumber(buffer, 0, to + 32);
  seal(buffer, 0, GROUP_BYTES, address);
};

/** A valid frame: its checksum, epoch and segment match. */
export interface Frame {
  readonly lsn: number;
  /** The offsets of its payload, and of the next frame. */
  readonly at: number;
  readonly end: number;
}

/** Reads the frame at an offset. Returns null if no valid frame is there. */
export const readFrame = (
  bytes: Buffer,
  at: number,
  address: Pick<FrameAddress, 'epoch' | 'segment'>,
): Frame | null => {
  if (at + FRAME_HEADER_BYTES > bytes.length) return null;
  const end = at + FRAME_HEADER_BYTES + bytes.readUInt32LE(at);
  if (end > bytes.length || end < at + FRAME_HEADER_BYTES + CHANGE_HEADER_BYTES) return null;
  if (bytes.readUInt32LE(at + 8) !== address.epoch || bytes.readUInt32LE(at + 12) !== address.segment)
    return null;
  if (crc32(bytes.subarray(at + 8, end)) !== bytes.readUInt32LE(at + 4)) return null;
  return { lsn: readNumber(bytes, at + 16), at: at + FRAME_HEADER_BYTES, end };
};

/** Decodes the payload of a frame as a group header. Returns null if it is a change. */
export const groupOf = (bytes: Buffer, { at, end }: Frame): GroupHeader | null => {
  if (end - at !== GROUP_BYTES - FRAME_HEADER_BYTES) return null;
  if (!GROUP_MAGIC.equals(bytes.subarray(at, at + GROUP_MAGIC.length))) return null;
  return {
    frames: bytes.readUInt32LE(at + 12),
    bytes: readNumber(bytes, at + 16),
    syncedLsn: readNumber(bytes, at + 24),
  };
};

/** A change as a replay finds it, whose bytes are those of the segment. */
export class ReplayedChange {
  readonly kind: ChangeKind;
  readonly log: string;
  readonly seq: number;
  readonly bytes: number;
  readonly keyBytes: number;
  readonly count: number;
  readonly segment: Buffer;
  readonly linesAt: number;
  readonly end: number;
  readonly #metaAt: number;

  /** Reads the payload of a frame, whose log has its id up to `metaAt`. */
  constructor(segment: Buffer, kind: ChangeKind, { at, end }: Frame, metaAt: number, linesAt: number) {
    this.kind = kind;
    this.log = segment.toString('latin1', at + CHANGE_HEADER_BYTES, metaAt);
    this.count = segment.readUInt32LE(at + 4);
    this.seq = readNumber(segment, at + 8);
    this.bytes = readNumber(segment, at + 16);
    this.keyBytes = readNumber(segment, at + 24);
    this.segment = segment;
    this.linesAt = linesAt;
    this.end = end;
    this.#metaAt = metaAt;
  }

  /** The id of the Worker in a creation; null if that has no document. */
  get workerId(): string | null {
    return workerIdIn(this.segment, this.#metaAt, this.#keysAt);
  }

  /** The text of `worker.json` in a creation. */
  get document(): SegmentPart {
    return new SegmentPart(this.segment, this.#metaAt, this.#keysAt);
  }

  /** The new lines of `keys.jsonl`. */
  get keys(): string {
    const from = this.#keysAt;
    return from === this.linesAt ? '' : this.segment.toString('utf8', from, this.linesAt);
  }

  get #keysAt(): number {
    if (this.kind !== FRAME_KIND.create) return this.#metaAt;
    const end = this.segment.indexOf(NEWLINE, this.#metaAt) + 1;
    return end > 0 && end <= this.linesAt ? end : this.#metaAt;
  }
}

/** Decodes the payload of a frame as a change. Returns null if this version does not know it. */
export const changeOf = (bytes: Buffer, frame: Frame): ReplayedChange | null => {
  const { at, end } = frame;
  const first = bytes.readUInt32LE(at);
  const kind = (first & 0xff) as ChangeKind;
  if (kind !== FRAME_KIND.create && kind !== FRAME_KIND.append && kind !== FRAME_KIND.remove) return null;
  const metaAt = at + CHANGE_HEADER_BYTES + (first >>> 8);
  const linesAt = metaAt + readNumber(bytes, at + 32);
  if (linesAt > end) return null;
  return new ReplayedChange(bytes, kind, frame, metaAt, linesAt);
};
