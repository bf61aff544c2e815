import { Readable } from 'node:stream';

const SLICE_BYTES = 65_536;

/** True if an answer of this size is written in several parts. */
export const isSliced = (bytes: number): boolean => bytes > SLICE_BYTES;

/** Returns a stream of the bytes. It calls `took` for each part that the connection takes. */
export const slicesOf = (bytes: Buffer, took: () => void): Readable => {
  let at = 0;
  return new Readable({
    highWaterMark: SLICE_BYTES,
    read() {
      took();
      if (at >= bytes.length) return void this.push(null);
      const slice = bytes.subarray(at, at + SLICE_BYTES);
      at += slice.length;
      this.push(slice);
    },
  });
};
