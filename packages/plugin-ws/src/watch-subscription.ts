import type { Cursor, ErrorCode, WatchItem } from '@worker-runtime/core';
import type { WatchStream } from '@worker-runtime/core/plugin-kit';
import { frameOf } from './frames.ts';
import type { Subscription } from './subscription.ts';
import { textFrameOf } from './text-frame.ts';

/** The most bytes of a frame with several Workers, unless one Worker is longer. */
export const BATCH_BYTES = 49_152;

const HEAD = '{"type":"workers","summaries":[';
const END = ']}';

const frameOfItem = (item: Exclude<WatchItem, { readonly type: 'ended' }>): Buffer =>
  frameOf(item.type === 'worker' ? { type: 'worker', summary: item.worker } : item);

/**
 * The subscription of all Workers. It sends one frame for each change or, for a client that asked for that, one frame for
 * consecutive Workers.
 */
export class WatchSubscription implements Subscription {
  readonly worker = undefined;
  readonly #stream: WatchStream;
  readonly #batches: boolean;
  readonly #due: () => void;
  /** The item that ended the last batch. It is sent next. */
  #held: WatchItem | null = null;
  #cursor: Cursor | null = null;
  #ended: ErrorCode | null = null;

  constructor(stream: WatchStream, batches: boolean, due: () => void) {
    this.#stream = stream;
    this.#batches = batches;
    this.#due = due;
  }

  get ended(): ErrorCode | null {
    return this.#ended;
  }

  next(): Buffer | null {
    const item = this.#pull();
    if (item === null) {
      this.#stream.onDue(this.#due);
      return null;
    }
    if (item.type === 'ended') {
      this.#ended = item.code;
      return null;
    }
    if (item.type === 'synced') this.#cursor = item.cursor;
    return item.type === 'worker' && this.#batches ? this.#batchFrom(item) : frameOfItem(item);
  }

  bookmark(): Buffer | null {
    return this.#cursor === null ? null : frameOf({ type: 'bookmark', cursor: this.#cursor });
  }

  close(): void {
    this.#stream.close();
  }

  #pull(): WatchItem | null {
    const held = this.#held;
    this.#held = null;
    return held ?? this.#stream.pull(1)?.[0] ?? null;
  }

  /** Returns a frame with this Worker and those that follow it at once. */
  #batchFrom(first: Extract<WatchItem, { readonly type: 'worker' }>): Buffer {
    const summaries = [JSON.stringify(first.worker)];
    let bytes = HEAD.length + Buffer.byteLength(summaries[0] as string) + END.length;
    for (let item = this.#pull(); item !== null; item = this.#pull()) {
      const summary = item.type === 'worker' ? JSON.stringify(item.worker) : null;
      bytes += summary === null ? 0 : Buffer.byteLength(summary) + 1;
      if (summary === null || bytes > BATCH_BYTES) {
        this.#held = item;
        break;
      }
      summaries.push(summary);
    }
    return textFrameOf(`${HEAD}${summaries.join()}${END}`);
  }
}
