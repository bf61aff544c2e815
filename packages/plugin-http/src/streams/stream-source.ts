import type { ErrorCode } from '@worker-runtime/core';

/** The source of a stream response. It holds a position that moves only when `next` is called, and no queue. */
export interface StreamSource {
  readonly contentType: string;
  /** The text that begins the response. The next text continues its last frame, if it is incomplete. */
  readonly opening: string;
  /**
   * Returns the bytes that are due, about `bytes` at most unless one item alone is longer. Returns null if nothing is
   * due; `due` is then called once something may be, even if that happens before the promise resolves.
   */
  next(bytes: number, due: () => void): Promise<Uint8Array | null>;
  /** Tells that the bytes of the last `next` have left the process. Not called if that is unknown. */
  sent(): void;
  /** The reason why the source ended; null until `next` has returned all of its items. */
  readonly ended: ErrorCode | null;
  /** Returns the current position, which a quiet stream sends; null if there is none yet. */
  bookmark(): string | null;
  /** Returns the last text of the response. */
  closing(reason: ErrorCode): string;
  close(): void;
}
