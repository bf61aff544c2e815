import type { StreamChunk } from '@worker-runtime/core/plugin-kit';
import { chunkFrameOf, type FramedChunk, keyOf } from './frames.ts';
import { frameMemory } from './text-frame.ts';

/** Small, since long-lived buffers cost work of the garbage collector. */
const LIMIT_BYTES = 524_288;
const LIMIT_FRAMES = 512;

/**
 * The most recently built frames. Subscribers at the same position request the same frames shortly after one another, so
 * a few are enough. The memory is bounded and independent of the number of subscribers.
 */
export class FrameCache {
  readonly #frames = new Map<string, Buffer>();
  #bytes = 0;
  /** The last chunk: streams at the same position share one chunk, so comparing it is cheaper than making a key. */
  #lastChunk: StreamChunk | null = null;
  #lastHasCursors = false;
  #lastFrame: Buffer = Buffer.alloc(0);

  /** Returns the frame of a chunk, and builds it if it is not cached. The caller holds it. */
  of(worker: string, chunk: FramedChunk, cursors: boolean): Buffer {
    if (this.#lastChunk === chunk && this.#lastHasCursors === cursors) {
      frameMemory.hold(this.#lastFrame);
      return this.#lastFrame;
    }
    const key = keyOf(worker, chunk, cursors);
    const known = key === null ? undefined : this.#frames.get(key);
    if (known) frameMemory.hold(known);
    const frame = known ?? chunkFrameOf(worker, chunk, cursors);
    if (key !== null) {
      this.#keep(key, frame);
      frameMemory.release(this.#lastFrame);
      frameMemory.hold(frame);
      this.#lastChunk = chunk;
      this.#lastHasCursors = cursors;
      this.#lastFrame = frame;
    }
    return frame;
  }

  #keep(key: string, frame: Buffer): void {
    // a frame that fills the cache alone would evict all others
    if (this.#frames.has(key) || frame.length > LIMIT_BYTES / 2) return;
    frameMemory.hold(frame);
    this.#frames.set(key, frame);
    this.#bytes += frame.length;
    for (const [oldest, old] of this.#frames) {
      if (this.#bytes <= LIMIT_BYTES && this.#frames.size <= LIMIT_FRAMES) break;
      this.#frames.delete(oldest);
      this.#bytes -= old.length;
      frameMemory.release(old);
    }
  }
}
