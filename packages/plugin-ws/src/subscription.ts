import type { ErrorCode } from '@worker-runtime/core';

/** What a socket observes: a position that moves when it is asked, never a queue. */
export interface Subscription {
  /** Of the Worker; undefined for the watch. */
  readonly worker: string | undefined;
  /**
   * The next frame. Null while nothing is due; then `due`, which it was made with, is called once something may be.
   * A promise while the store is read; not to be called again before that settled.
   */
  next(): Buffer | null | Promise<Buffer | null>;
  /** Why it is over, once `next` has given all that was left. */
  readonly ended: ErrorCode | null;
  /** The present position; null while there is none. */
  bookmark(): Buffer | null;
  close(): void;
}
