import type { StreamChunk } from '@worker-runtime/core';
import { chunkFrameOf, type FramedChunk, keyOf } from './frames.ts';

/** Small, since what is kept for long makes work for the garbage collector. */
const LIMIT_BYTES = 524_288;
const LIMIT_FRAMES = 512;

/**
 * The frames that were built last. Subscribers that stand at the same place ask for the same ones one after the
 * other, so a few are enough. Memory is the sum of what is kept here, whoever asks.
 */
export class FrameCache {
  readonly #frames = new Map<string, Buffer>();
  #bytes = 0;
  /** Streams at the same place are given the same chunk. */
  #lastChunk: StreamChunk | null = null;
  #lastHasCursors = false;
  #lastFrame: Buffer = Buffer.alloc(0);

  /** The frame of a chunk, built where it is not here (any more). */
  of(worker: string, chunk: FramedChunk, cursors: boolean): Buffer {
    if (this.#lastChunk === chunk && this.#lastHasCursors === cursors) return this.#lastFrame;
    const key = keyOf(worker, chunk, cursors);
    const frame = (key === null ? undefined : this.#frames.get(key)) ?? chunkFrameOf(worker, chunk, cursors);
    if (key !== null) {
      this.#keep(key, frame);
      this.#lastChunk = chunk;
      this.#lastHasCursors = cursors;
      this.#lastFrame = frame;
    }
    return frame;
  }

  #keep(key: string, frame: Buffer): void {
    // one that alone fills the cache would throw all others out
    if (this.#frames.has(key) || frame.length > LIMIT_BYTES / 2) return;
    this.#frames.set(key, frame);
    this.#bytes += frame.length;
    for (const [oldest, { length }] of this.#frames) {
      if (this.#bytes <= LIMIT_BYTES && this.#frames.size <= LIMIT_FRAMES) break;
      this.#frames.delete(oldest);
      this.#bytes -= length;
    }
  }
}
