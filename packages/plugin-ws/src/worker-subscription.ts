import type { ErrorCode } from '@worker-runtime/core';
import type { StreamChunk, WorkerStream } from '@worker-runtime/core/plugin-kit';
import type { FrameCache } from './frame-cache.ts';
import { frameOf } from './frames.ts';
import type { Subscription } from './subscription.ts';

/** The most bytes of stored lines in a frame. With its head the frame stays below 48 KiB, unless one line is longer. */
const LINES_BYTES = 48_896;

export interface WorkerSubscriptionOptions {
  readonly worker: string;
  readonly stream: WorkerStream;
  readonly frames: FrameCache;
  /** True if each event is sent with its position. */
  readonly cursors: boolean;
  /** Called when something may be due. */
  readonly due: () => void;
}

/** The subscription of one Worker. Subscribers at the same position share its frames. */
export class WorkerSubscription implements Subscription {
  readonly worker: string;
  readonly #stream: WorkerStream;
  readonly #frames: FrameCache;
  readonly #cursors: boolean;
  readonly #due: () => void;
  #ended: ErrorCode | null = null;

  constructor({ worker, stream, frames, cursors, due }: WorkerSubscriptionOptions) {
    this.worker = worker;
    this.#stream = stream;
    this.#frames = frames;
    this.#cursors = cursors;
    this.#due = due;
  }

  get ended(): ErrorCode | null {
    return this.#ended;
  }

  next(): Buffer | null | Promise<Buffer | null> {
    const chunk = this.#stream.pull(LINES_BYTES);
    return chunk instanceof Promise ? chunk.then((read) => this.#frame(read)) : this.#frame(chunk);
  }

  bookmark(): Buffer {
    return frameOf({ type: 'bookmark', worker: this.worker, cursor: this.#stream.cursor });
  }

  close(): void {
    this.#stream.close();
  }

  #frame(chunk: StreamChunk | null): Buffer | null {
    if (chunk === null) {
      this.#stream.onDue(this.#due);
      return null;
    }
    if (chunk.type === 'ended') {
      this.#ended = chunk.code;
      return null;
    }
    const frame = this.#frames.of(this.worker, chunk, this.#cursors);
    // the frame has a copy of the lines
    this.#stream.release();
    return frame;
  }
}
