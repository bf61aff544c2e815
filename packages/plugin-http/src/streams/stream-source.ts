import type { ErrorCode } from '@worker-runtime/core';

/** What a live answer is fed from: a position that moves when it is asked, never a queue. */
export interface LiveSource {
  readonly contentType: string;
  /** What the answer begins with. */
  readonly opening: string;
  /**
   * What is due now, at most about `bytes` unless one item alone is longer. Null while nothing is; then `due` is
   * called once something may be, and not lost if that was before the null arrived.
   */
  next(bytes: number, due: () => void): Promise<Uint8Array | null>;
  /** Why the source is over, once `next` has given all that was left of it. */
  readonly ended: ErrorCode | null;
  /** The present position, said on a quiet stream; null while there is none. */
  bookmark(): string | null;
  closing(reason: ErrorCode): string;
  close(): void;
}
