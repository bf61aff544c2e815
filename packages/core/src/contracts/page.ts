import type { Cursor } from './cursor.ts';
import type { EventType } from './event.ts';
import type { LogGap } from './store.ts';

/** One page of a list or a log. */
export interface Page<T> {
  readonly items: readonly T[];
  /** The cursor of the next page, or null if this page reaches the end. */
  readonly next: Cursor | null;
  /** The position of this page. A stream opened at this cursor delivers every later event exactly once. */
  readonly asOf: Cursor;
  /** The holes of a damaged log that this page skipped. Absent without holes. */
  readonly gaps?: readonly LogGap[];
}

export interface PageQuery {
  /** The position to read from: the page begins with the item after it. `"start"`, the default, is the beginning. */
  readonly after?: Cursor;
  /** The most items of the page. Default: the limit `pageItemsDefault`. */
  readonly limit?: number;
}

/**
 * A query of a Worker's log. Besides cursors, `after` and `before` take a position by number: `@123` is the position after the
 * event 123, so a link can hold the number of an event. A number beyond the end is CURSOR_FOREIGN.
 */
export interface TranscriptQuery extends PageQuery {
  /**
   * Instead of `after`: the page ends with the item before this position, and `next` leads further back. `"end"` is the
   * end of the log. Items are in log order in either case.
   */
  readonly before?: Cursor;
}

export interface EventQuery extends TranscriptQuery {
  /** Selects the events of these types. All others are skipped without being parsed. */
  readonly types?: readonly EventType[];
}
