import type { Cursor } from './cursor.ts';
import type { Delta, InFlightMessage, WatchItem } from './observation.ts';
import type { OpenRequest } from './open-request.ts';
import type { ErrorCode } from './runtime-error.ts';
import type { LogGap } from './store.ts';
import type { WorkerDetail } from './worker.ts';

/** A page of one log as the bytes that are stored, for transports. */
export interface RawPage {
  /** Whole lines, each ending in `\n`. Shared with other readers: do not change them. */
  readonly lines: Uint8Array;
  readonly count: number;
  readonly next: Cursor | null;
  readonly asOf: Cursor;
  readonly gaps: readonly LogGap[];
}

/** Stored lines, and the cursor after each. Streams at the same position may share one chunk. */
export interface EventsChunk {
  readonly type: 'events';
  /** Whole lines, each ending in `\n`. Shared with other readers: do not change them. */
  readonly lines: Uint8Array;
  readonly count: number;
  /** The position after the last line. */
  readonly cursor: Cursor;
  /** Each line, with its newline, and the cursor after it. */
  entries(): Iterable<{ readonly cursor: Cursor; readonly line: Uint8Array }>;
  /** Writes all entries into memory that `allocate` returns for them. Returns the part of it that was written. */
  framed(frame: LineFrame, allocate: (bytes: number) => Buffer): Buffer;
}

/** The texts around a line and the cursor after it, in ASCII. */
export interface LineFrame {
  readonly beforeCursor: string;
  readonly beforeLine: string;
  readonly afterLine: string;
}

export type StreamChunk =
  | {
      readonly type: 'snapshot';
      readonly worker: WorkerDetail;
      readonly requests: readonly OpenRequest[];
      readonly asOf: Cursor;
    }
  | EventsChunk
  | { readonly type: 'in-flight'; readonly messages: readonly InFlightMessage[] }
  | ({ readonly type: 'delta' } & Delta)
  | ({ readonly type: 'gap' } & LogGap)
  | { readonly type: 'ended'; readonly code: ErrorCode };

/** A stream that its reader pulls from, so that a slow reader costs a position and no queue. */
interface PulledStream {
  /**
   * Calls `callback` once, as soon as `pull` has something to return. Never calls it synchronously. A later call
   * replaces the callback of an earlier one.
   */
  onDue(callback: () => void): void;
  /** Ends the stream. A second call has no effect. */
  close(): void;
}

/** One reader of one Worker, live. Durable events come first; text in flight comes after them. */
export interface WorkerStream extends PulledStream {
  /** The durable position up to which this stream has delivered. */
  readonly cursor: Cursor;
  /**
   * The next chunk that is due, or null; after null, wait for `onDue`. Events are returned in chunks of at most
   * `maxBytes`, but at least one event. Do not call it again before a returned promise has settled. After `ended`,
   * and after `close`, it always returns null.
   */
  pull(maxBytes: number): StreamChunk | null | Promise<StreamChunk | null>;
  /**
   * Tells that the reader no longer needs the lines of the last chunk, so that their memory can be used again. A reader that
   * keeps the lines does not call it.
   */
  release(): void;
}

/** One reader of all Workers, live. */
export interface WatchStream extends PulledStream {
  /** The position up to which this watch has delivered. */
  readonly cursor: Cursor;
  /**
   * The next items, at least one and at most `maxItems`, or null; after null, wait for `onDue`. After `ended`, and
   * after `close`, it always returns null.
   */
  pull(maxItems: number): readonly WatchItem[] | null;
}
