import { crc32 } from 'node:zlib';

/** What a frame of the log says; FORMAT.md has the bytes. */
export const FRAME_KIND = { group: 0, create: 1, append: 2, remove: 3 } as const;
type EntryKind = (typeof FRAME_KIND)['create' | 'append' | 'remove'];

/** One change of one Worker's log: where that log stood before, and what is added. */
export interface LogChange {
  readonly kind: EntryKind;
  readonly log: string;
  /** The log before this: its last line's number, bytes of lines, bytes of key entries. */
  readonly seq: number;
  readonly bytes: number;
  readonly keyBytes: number;
  readonly count: number;
  /** A creation's header line, then the lines of `keys.jsonl`. */
  readonly meta: string;
  readonly lines: Uint8Array;
}

/** Where a frame stands; part of what its checksum covers, so that a stale or displaced frame never fits. */
export interface FramePlace {
  readonly epoch: number;
  readonly segment: number;
  readonly lsn: number;
}

/** What the header in front of a group says. */
export interface GroupHeader {
  /** Bytes of the frames behind the header, and how many. */
  readonly bytes: number;
  readonly frames: number;
  /** Everything before this LSN was synced when the group was written: a misfit there is damage, not a torn end. */
  readonly syncedLsn: number;
}

export const FRAME_HEADER_BYTES = 24;
const CHANGE_HEADER_BYTES = 40;
/** A group's magic: found by looking for it, where the frames before it are lost. */
export const GROUP_MAGIC = Buffer.from('wrgroup\n');
export const GROUP_BYTES = FRAME_HEADER_BYTES + 40;
const HIGH = 0x1_0000_0000;
const NO_BYTES = new Uint8Array(0);

const writeNumber = (into: Buffer, value: number, at: number): void => {
  into.writeUInt32LE(value % HIGH, at);
  into.writeUInt32LE(Math.floor(value / HIGH), at + 4);
};

const readNumber = (from: Buffer, at: number): number =>
  from.readUInt32LE(at) + from.readUInt32LE(at + 4) * HIGH;

/** Bytes that a change takes as a frame, given the bytes of its `meta`. */
export const frameBytes = (change: LogChange, metaBytes: number): number =>
  FRAME_HEADER_BYTES + CHANGE_HEADER_BYTES + change.log.length + metaBytes + change.lines.length;

/** Puts place and checksum on the frame of `bytes` bytes at `at`, whose payload is there already. */
export const seal = (buffer: Buffer, at: number, bytes: number, place: FramePlace): void => {
  buffer.writeUInt32LE(bytes - FRAME_HEADER_BYTES, at);
  buffer.writeUInt32LE(place.epoch, at + 8);
  buffer.writeUInt32LE(place.segment, at + 12);
  writeNumber(buffer, place.lsn, at + 16);
  buffer.writeUInt32LE(crc32(buffer.subarray(at + 8, at + bytes)), at + 4);
};

/** Writes a change as a frame; the buffer has room for `frameBytes`. Returns the frame's bytes. */
export const writeChange = (
  buffer: Buffer,
  at: number,
  change: LogChange,
  metaBytes: number,
  place: FramePlace,
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
  seal(buffer, at, bytes, place);
  return bytes;
};

/** Writes a group's header into the first GROUP_BYTES of its buffer. Its LSN is that of the first frame behind it. */
export const writeGroupHeader = (buffer: Buffer, header: GroupHeader, place: FramePlace): void => {
  const to = FRAME_HEADER_BYTES;
  GROUP_MAGIC.copy(buffer, to);
  buffer.writeUInt32LE(FRAME_KIND.group, to + 8);
  buffer.writeUInt32LE(header.frames, to + 12);
  writeNumber(buffer, header.bytes, to + 16);
  writeNumber(buffer, header.syncedLsn, to + 24);
  writeNumber(buffer, 0, to + 32);
  seal(buffer, 0, GROUP_BYTES, place);
};

/** A frame that fits: its checksum, epoch and segment are right. */
export interface Frame {
  readonly lsn: number;
  /** Where the next one begins. */
  readonly end: number;
  readonly payload: Buffer;
}

/** The frame at an offset, null where none fits. */
export const readFrame = (
  bytes: Buffer,
  at: number,
  place: Pick<FramePlace, 'epoch' | 'segment'>,
): Frame | null => {
  if (at + FRAME_HEADER_BYTES > bytes.length) return null;
  const end = at + FRAME_HEADER_BYTES + bytes.readUInt32LE(at);
  if (end > bytes.length || end < at + FRAME_HEADER_BYTES + CHANGE_HEADER_BYTES) return null;
  if (bytes.readUInt32LE(at + 8) !== place.epoch || bytes.readUInt32LE(at + 12) !== place.segment)
    return null;
  if (crc32(bytes.subarray(at + 8, end)) !== bytes.readUInt32LE(at + 4)) return null;
  return { lsn: readNumber(bytes, at + 16), end, payload: bytes.subarray(at + FRAME_HEADER_BYTES, end) };
};

/** The group header that a frame's payload is, null for a change. */
export const groupOf = (payload: Buffer): GroupHeader | null => {
  if (payload.length !== GROUP_BYTES - FRAME_HEADER_BYTES || !GROUP_MAGIC.equals(payload.subarray(0, 8))) {
    return null;
  }
  return {
    frames: payload.readUInt32LE(12),
    bytes: readNumber(payload, 16),
    syncedLsn: readNumber(payload, 24),
  };
};

/** The change that a frame's payload says, null where it is none of this version. Its lines share the payload's bytes. */
export const changeOf = (payload: Buffer): LogChange | null => {
  const first = payload.readUInt32LE(0);
  const kind = (first & 0xff) as EntryKind;
  if (kind !== FRAME_KIND.create && kind !== FRAME_KIND.append && kind !== FRAME_KIND.remove) return null;
  const metaAt = CHANGE_HEADER_BYTES + (first >>> 8);
  const linesAt = metaAt + readNumber(payload, 32);
  if (linesAt > payload.length) return null;
  return {
    kind,
    log: payload.toString('latin1', CHANGE_HEADER_BYTES, metaAt),
    count: payload.readUInt32LE(4),
    seq: readNumber(payload, 8),
    bytes: readNumber(payload, 16),
    keyBytes: readNumber(payload, 24),
    meta: payload.toString('utf8', metaAt, linesAt),
    lines: linesAt === payload.length ? NO_BYTES : payload.subarray(linesAt),
  };
};
