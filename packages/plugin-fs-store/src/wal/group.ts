import type { RuntimeError } from '@worker-runtime/core';
import {
  FRAME_HEADER_BYTES,
  type FrameAddress,
  frameBytes,
  GROUP_BYTES,
  type LogChange,
  seal,
  writeChange,
  writeGroupHeader,
} from './frame.ts';

/** Called once with the outcome of a change: null and its LSN, or the error that it failed with. */
export type Settle = (failure: RuntimeError | null, lsn: number) => void;

const INITIAL_BYTES = 262_144;

/**
 * Changes that go to the disk in one write. They are encoded as they arrive, while the previous group is being synced,
 * for the expected segment and LSN. If the group is written at another address (in a new segment, or after a failed
 * group), `sealed` seals its frames again.
 */
export class Group {
  #buffer: Buffer;
  #used = GROUP_BYTES;
  #frames = 0;
  readonly #settles: Settle[] = [];
  /** The changes that a full disk must accept, by their index. */
  readonly #essential = new Map<number, LogChange>();
  #first: FrameAddress;

  constructor(first: FrameAddress, buffer: Buffer = Buffer.allocUnsafeSlow(INITIAL_BYTES)) {
    this.#first = first;
    this.#buffer = buffer;
  }

  /** The address of the frame after the last one. */
  get next(): FrameAddress {
    const { epoch, segment, lsn } = this.#first;
    return { epoch, segment, lsn: lsn + this.#frames };
  }

  get frames(): number {
    return this.#frames;
  }

  /** The bytes that the group takes in the file, header included. */
  get bytes(): number {
    return this.#used;
  }

  get buffer(): Buffer {
    return this.#buffer;
  }

  add(change: LogChange, settle: Settle, isEssential: boolean): void {
    if (isEssential) this.#essential.set(this.#frames, change);
    const metaBytes = change.meta === '' ? 0 : Buffer.byteLength(change.meta);
    this.#makeRoom(frameBytes(change, metaBytes));
    const { epoch, segment, lsn } = this.#first;
    const address = { epoch, segment, lsn: lsn + this.#frames };
    this.#used += writeChange(this.#buffer, this.#used, change, metaBytes, address);
    this.#frames += 1;
    this.#settles.push(settle);
  }

  /** Returns the bytes to write, sealed for this address. */
  sealed(first: FrameAddress, syncedLsn: number): Buffer {
    if (first.lsn !== this.#first.lsn || first.segment !== this.#first.segment) this.#reseal(first);
    const header = { bytes: this.#used - GROUP_BYTES, frames: this.frames, syncedLsn };
    writeGroupHeader(this.#buffer, header, first);
    return this.#buffer.subarray(0, this.#used);
  }

  /** Copies the bytes without the callbacks, so that they can be written again if their sync fails. */
  copy(): Group {
    const copy = new Group(this.#first, Buffer.from(this.#buffer.subarray(0, this.#used)));
    copy.#used = this.#used;
    copy.#frames = this.#frames;
    return copy;
  }

  /** Reports the outcome of every change to its caller. */
  settle(failure: RuntimeError | null): void {
    let { lsn } = this.#first;
    for (const settle of this.#settles) settle(failure, lsn++);
  }

  /** Reports a failure to the callers of all changes but the essential ones. Moves those to another group. */
  refuseInto(essential: Group, failure: RuntimeError): void {
    this.#settles.forEach((settle, index) => {
      const change = this.#essential.get(index);
      if (change) essential.add(change, settle, true);
      else settle(failure, 0);
    });
  }

  #reseal(first: FrameAddress): void {
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
