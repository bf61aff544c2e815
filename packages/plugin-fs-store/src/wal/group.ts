import type { RuntimeError } from '@worker-runtime/core';
import {
  FRAME_HEADER_BYTES,
  type FramePlace,
  frameBytes,
  GROUP_BYTES,
  type LogChange,
  seal,
  writeChange,
  writeGroupHeader,
} from './frame.ts';

/** Told once, what became of a change: null and its LSN, or why it failed. */
export type Settle = (failure: RuntimeError | null, lsn: number) => void;

const INITIAL_BYTES = 262_144;

/**
 * Changes that go to the disk in one write, encoded as they come, while the group before is being synced. Segment and
 * LSN are what is expected then; where it comes otherwise (a new segment, a failure before), `place` seals them again.
 */
export class Group {
  #buffer: Buffer;
  #used = GROUP_BYTES;
  #frames = 0;
  readonly #settles: Settle[] = [];
  #first: FramePlace;

  constructor(first: FramePlace, buffer: Buffer = Buffer.allocUnsafeSlow(INITIAL_BYTES)) {
    this.#first = first;
    this.#buffer = buffer;
  }

  get frames(): number {
    return this.#frames;
  }

  /** Bytes in the file, header included. */
  get bytes(): number {
    return this.#used;
  }

  get buffer(): Buffer {
    return this.#buffer;
  }

  add(change: LogChange, settle: Settle): void {
    const metaBytes = change.meta === '' ? 0 : Buffer.byteLength(change.meta);
    this.#makeRoom(frameBytes(change, metaBytes));
    const { epoch, segment, lsn } = this.#first;
    const place = { epoch, segment, lsn: lsn + this.#frames };
    this.#used += writeChange(this.#buffer, this.#used, change, metaBytes, place);
    this.#frames += 1;
    this.#settles.push(settle);
  }

  /** The bytes to be written, at this place. */
  sealed(first: FramePlace, syncedLsn: number): Buffer {
    if (first.lsn !== this.#first.lsn || first.segment !== this.#first.segment) this.#reseal(first);
    const header = { bytes: this.#used - GROUP_BYTES, frames: this.frames, syncedLsn };
    writeGroupHeader(this.#buffer, header, first);
    return this.#buffer.subarray(0, this.#used);
  }

  /** The same bytes without those who wait, to be written again should their sync fail. */
  copy(): Group {
    const copy = new Group(this.#first, Buffer.from(this.#buffer.subarray(0, this.#used)));
    copy.#used = this.#used;
    copy.#frames = this.#frames;
    return copy;
  }

  settle(failure: RuntimeError | null): void {
    let { lsn } = this.#first;
    for (const settle of this.#settles) settle(failure, lsn++);
  }

  #reseal(first: FramePlace): void {
    this.#first = first;
    let lsn = first.lsn;
    for (let at = GROUP_BYTES; at < this.#used; lsn += 1) {
      const bytes = FRAME_HEADER_BYTES + this.#buffer.readUInt32LE(at);
      seal(this.#buffer, at, bytes, { ...first, lsn });
      at += bytes;
    }
  }

  #makeRoom(bytes: number): void {
    const needed = this.#used + bytes;
    if (needed <= this.#buffer.length) return;
    const larger = Buffer.allocUnsafeSlow(Math.max(needed, 2 * this.#buffer.length));
    this.#buffer.copy(larger, 0, 0, this.#used);
    this.#buffer = larger;
  }
}
