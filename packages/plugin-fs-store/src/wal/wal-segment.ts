import { crc32 } from 'node:zlib';
import { FORMAT_VERSION } from '../layout/layout.ts';

const MAGIC = Buffer.from('wrseg01\n');
export const SEGMENT_HEADER_BYTES = 128;
const ID_AT = 48;
const ID_BYTES = 72;
const HIGH = 0x1_0000_0000;

/**
 * The first bytes of a segment. They name the end of the previous segment, so everything after that end (a torn group, or
 * one whose sync failed) is void as soon as this header is synced.
 */
export interface SegmentHeader {
  readonly version: number;
  readonly epoch: number;
  readonly segment: number;
  /** The LSN of the first frame. */
  readonly lsn: number;
  readonly previous: { readonly segment: number; readonly end: number };
  readonly runtimeId: string;
}

export const encodeSegmentHeader = (header: Omit<SegmentHeader, 'version'>): Buffer => {
  const bytes = Buffer.alloc(SEGMENT_HEADER_BYTES);
  MAGIC.copy(bytes);
  bytes.writeUInt32LE(FORMAT_VERSION, 8);
  bytes.writeUInt32LE(header.epoch, 12);
  bytes.writeUInt32LE(header.segment, 16);
  bytes.writeUInt32LE(header.previous.segment, 20);
  bytes.writeUInt32LE(header.previous.end % HIGH, 24);
  bytes.writeUInt32LE(Math.floor(header.previous.end / HIGH), 28);
  bytes.writeUInt32LE(header.lsn % HIGH, 32);
  bytes.writeUInt32LE(Math.floor(header.lsn / HIGH), 36);
  bytes.writeUInt32LE(bytes.write(header.runtimeId, ID_AT, ID_BYTES, 'latin1'), 40);
  bytes.writeUInt32LE(crc32(bytes.subarray(0, SEGMENT_HEADER_BYTES - 4)), SEGMENT_HEADER_BYTES - 4);
  return bytes;
};

/** Decodes the header at the beginning of a segment. Returns null if it is missing or damaged. */
export const decodeSegmentHeader = (bytes: Buffer): SegmentHeader | null => {
  if (bytes.length < SEGMENT_HEADER_BYTES || !MAGIC.equals(bytes.subarray(0, MAGIC.length))) return null;
  const sum = bytes.readUInt32LE(SEGMENT_HEADER_BYTES - 4);
  if (crc32(bytes.subarray(0, SEGMENT_HEADER_BYTES - 4)) !== sum) return null;
  return {
    version: bytes.readUInt32LE(8),
    epoch: bytes.readUInt32LE(12),
    segment: bytes.readUInt32LE(16),
    previous: {
      segment: bytes.readUInt32LE(20),
      end: bytes.readUInt32LE(24) + bytes.readUInt32LE(28) * HIGH,
    },
    lsn: bytes.readUInt32LE(32) + bytes.readUInt32LE(36) * HIGH,
    runtimeId: bytes.toString('latin1', ID_AT, ID_AT + Math.min(ID_BYTES, bytes.readUInt32LE(40))),
  };
};
