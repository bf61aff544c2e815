import type { Cursor } from '../contracts/cursor.ts';
import { decodeEvent } from '../contracts/event.ts';
import type { Limits } from '../contracts/limits.ts';
import type { Page, PageQuery, TranscriptQuery } from '../contracts/runtime-api.ts';
import { invalidRequest, limitTooLarge } from '../contracts/runtime-error.ts';
import type { LogGap } from '../contracts/store.ts';
import type { RawPage } from '../contracts/stream.ts';
import { speaks, type TranscriptItem, transcriptItem } from '../contracts/transcript.ts';
import { EMPTY_POSITION, encodeCursor, type LogPosition, START } from '../log/cursor.ts';
import { type Line, linesOf, positionAfter, textOf } from '../log/lines.ts';
import type { LogReader, Reading } from '../log/log-reader.ts';
import type { Worker } from '../workers/worker.ts';

/** How many lines one transcript page may scan. If few of them yield items, the page ends early and has `next`. */
const SCAN_LINES = 8_000;
const SCAN_CHUNK = { count: 1_000, bytes: 262_144 };

/** @throws LIMIT_TOO_LARGE · INVALID_REQUEST not a positive whole number */
export const pageLimit = (limit: number | undefined, limits: Limits): number => {
  if (limit === undefined) return Math.min(limits.pageItemsDefault, limits.pageItems);
  if (!Number.isSafeInteger(limit) || limit < 1) {
    throw invalidRequest(
      [{ pointer: '/limit', message: 'must be a positive whole number' }],
      'limit must be a positive whole number',
    );
  }
  if (limit > limits.pageItems) {
    throw limitTooLarge('pageItems', limits.pageItems);
  }
  return limit;
};

/** Reads a page of events. Costs one read of what it returns, independent of the length of the log. */
export const readEventPage = async (
  reader: LogReader,
  worker: Worker,
  query: PageQuery,
  limits: Limits,
): Promise<RawPage> => {
  const count = pageLimit(query.limit, limits);
  const after = query.after ?? START;
  const { lines, count: found, at, gap } = await reader.readFrom(worker, after, count, limits.pageBytes);
  const asOf = encodeCursor(worker.state.log, at);
  const hasMore = at.seq < worker.state.head.seq;
  return { lines, count: found, next: hasMore ? asOf : null, asOf, gaps: gap ? [gap] : [] };
};

const itemOf = (line: Line, forEngine: boolean): TranscriptItem | null => {
  const text = textOf(line);
  return speaks(text) ? transcriptItem(decodeEvent(text), forEngine) : null;
};

const withGaps = <T>(page: Page<T>, gaps: readonly LogGap[]): Page<T> =>
  gaps.length > 0 ? { ...page, gaps } : page;

/**
 * Reads the transcript after a cursor. Costs the number of lines that it scans, which is bounded. With `forEngine`, the
 * items have the opaque data of the engine.
 */
export const readForward = async (
  reader: LogReader,
  worker: Worker,
  after: Cursor,
  count: number,
  limits: Limits,
  forEngine = false,
): Promise<Page<TranscriptItem>> => {
  const items: TranscriptItem[] = [];
  const gaps: LogGap[] = [];
  let reading = await reader.readFrom(worker, after, SCAN_CHUNK.count, SCAN_CHUNK.bytes);
  let { at } = reading;
  let bytes = 0;
  scan: for (let scanned = 0; ; ) {
    if (reading.gap) gaps.push(reading.gap);
    if (reading.count === 0) {
      at = reading.at;
      break;
    }
    for (const line of linesOf(reading)) {
      const item = itemOf(line, forEngine);
      if (item) {
        bytes += line.bytes.length;
        if (items.length > 0 && bytes > limits.pageBytes) break scan;
        items.push(item);
      }
      at = positionAfter(line);
      if (items.length === count) break scan;
    }
    scanned += reading.count;
    if (scanned >= SCAN_LINES || at.seq >= worker.state.head.seq) break;
    reading = await reader.after(worker, at, SCAN_CHUNK.count, SCAN_CHUNK.bytes);
  }
  const asOf = encodeCursor(worker.state.log, at);
  return withGaps({ items, next: at.seq < worker.state.head.seq ? asOf : null, asOf }, gaps);
};

/** Reads the transcript before a cursor, for a chat window. `next` leads further back. */
const readBackward = async (
  reader: LogReader,
  worker: Worker,
  before: Cursor,
  count: number,
  limits: Limits,
) => {
  const { head, log } = worker.state;
  const items: TranscriptItem[] = [];
  const gaps: LogGap[] = [];
  const start =
    before === 'end'
      ? { position: head, reading: null }
      : await reader.readBefore(worker, before, SCAN_CHUNK.count, SCAN_CHUNK.bytes);
  const end = start.position;
  let first = start.reading;
  let to: LogPosition = end;
  let bytes = 0;
  for (let scanned = 0; scanned < SCAN_LINES && items.length < count && to.seq > 0; ) {
    const reading: Reading = first ?? (await reader.before(worker, to, SCAN_CHUNK.count, SCAN_CHUNK.bytes));
    first = null;
    if (reading.gap) gaps.push(reading.gap);
    if (reading.count === 0) {
      to = EMPTY_POSITION;
      break;
    }
    const lines = [...linesOf(reading)];
    let taken = lines.length;
    while (taken > 0) {
      const item = itemOf(lines[taken - 1] as Line, false);
      if (item) {
        bytes += (lines[taken - 1] as Line).bytes.length;
        if (items.length === count || (items.length > 0 && bytes > limits.pageBytes)) break;
        items.unshift(item);
      }
      taken -= 1;
    }
    scanned += lines.length - taken;
    if (taken > 0) {
      to = positionAfter(lines[taken - 1] as Line);
      break;
    }
    to = await reader.positionBefore(worker, lines[0] as Line);
  }
  return withGaps(
    { items, next: to.seq > 0 ? encodeCursor(log, to) : null, asOf: encodeCursor(log, end) },
    gaps,
  );
};

/** @throws INVALID_REQUEST both `after` and `before` */
export const readTranscriptPage = async (
  reader: LogReader,
  worker: Worker,
  query: TranscriptQuery,
  limits: Limits,
): Promise<Page<TranscriptItem>> => {
  const count = pageLimit(query.limit, limits);
  if (query.before === undefined) return readForward(reader, worker, query.after ?? START, count, limits);
  if (query.after !== undefined) {
    throw invalidRequest(
      [{ pointer: '/before', message: 'excludes after' }],
      'A transcript query takes after or before, not both',
    );
  }
  return readBackward(reader, worker, query.before, count, limits);
};
