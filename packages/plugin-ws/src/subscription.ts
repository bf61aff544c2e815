import type { ErrorCode } from '@worker-runtime/core';

/** A subscription of a socket. It holds a position that moves only when `next` is called, and no queue. */
export interface Subscription {
  /** The id of the Worker; undefined for the watch. */
  readonly worker: string | undefined;
  /**
   * Returns the next frame. Returns null if nothing is due; the callback `due` of the constructor is then called once
   * something may be. Returns a promise if the store is read; call it again only after the promise has settled.
   */
  next(): Buffer | null | Promise<Buffer | null>;
  /** The reason why it ended; null until `next` has returned all frames. */
  readonly ended: ErrorCode | null;
  /** Returns a frame with the current position; null if there is none yet. */
  bookmark(): Buffer | null;
  close(): void;
}
