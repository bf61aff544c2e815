import type { Cursor, ErrorCode, WatchItem } from '@worker-runtime/core';
import type { WatchStream } from '@worker-runtime/core/plugin-kit';
import { frameOf } from './frames.ts';
import type { Subscription } from './subscription.ts';

const frameOfItem = (item: Exclude<WatchItem, { readonly type: 'ended' }>): Buffer =>
  frameOf(item.type === 'worker' ? { type: 'worker', summary: item.worker } : item);

/** The subscription of all Workers, with one frame for each change. */
export class WatchSubscription implements Subscription {
  readonly worker = undefined;
  readonly #stream: WatchStream;
  readonly #due: () => void;
  #cursor: Cursor | null = null;
  #ended: ErrorCode | null = null;

  constructor(stream: WatchStream, due: () => void) {
    this.#stream = stream;
    this.#due = due;
  }

  get ended(): ErrorCode | null {
    return this.#ended;
  }

  next(): Buffer | null {
    const [item] = this.#stream.pull(1) ?? [];
    if (item === undefined) {
      this.#stream.onDue(this.#due);
      return null;
    }
    if (item.type === 'ended') {
      this.#ended = item.code;
      return null;
    }
    if (item.type === 'synced') this.#cursor = item.cursor;
    return frameOfItem(item);
  }

  bookmark(): Buffer | null {
    return this.#cursor === null ? null : frameOf({ type: 'bookmark', cursor: this.#cursor });
  }

  close(): void {
    this.#stream.close();
  }
}
