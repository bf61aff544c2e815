import type { Cursor } from '../contracts/cursor.ts';
import { decodeEvent } from '../contracts/event.ts';
import type { Limits } from '../contracts/limits.ts';
import type { EventQuery, Page, TranscriptQuery } from '../contracts/page.ts';
import { invalidRequest, limitTooLarge } from '../contracts/runtime-error.ts';
import type { LogGap } from '../contracts/store.ts';
import type { RawPage } from '../contracts/stream.ts';
import { SPEAKING_TYPES, type TranscriptItem, transcriptItem } from '../contracts/transcript.ts';
import { EMPTY_POSITION, encodeCursor, type LogPosition, START } from '../log/cursor.ts';
import { type Line, linesOf, positionAfter, textOf, typeIn } from '../log/lines.ts';
import type { LogReader, Reading } from '../log/log-reader.ts';
import type { Worker } from '../workers/worker.ts';

/** How many lines the scan of one page may read. If few of them yield items, the page ends early and has `next`. */
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

/** Returns what a page shows of a line, or null to leave it out. */
type Pick<T> = (line: Line) => T | null;

/** How many lines one read of a scan takes. */
type ScanChunk = { readonly count: number; readonly bytes: number };

/** The result of a scan. `to` is the position where the next one continues. */
interface Scan<T> {
  readonly items: readonly T[];
  readonly to: LogPosition;
  readonly gaps: readonly LogGap[];
}

/** Scans a log forward, from a cursor or a position. Costs the number of lines that it reads, which is bounded. */
const scanForward = async <T>(
  reader: LogReader,
  worker: Worker,
  after: Cursor | LogPosition,
  pick: Pick<T>,
  count: number,
  limits: Limits,
): Promise<Scan<T>> => {
  const items: T[] = [];
  const gaps: LogGap[] = [];
  const { count: lines, bytes: size } = SCAN_CHUNK;
  let reading = await (typeof after === 'string'
    ? reader.readFrom(worker, after, lines, size)
    : reader.after(worker, after, lines, size));
  let { at } = reading;
  let bytes = 0;
  for (let scanned = 0; ; ) {
    if (reading.gap) gaps.push(reading.gap);
    if (reading.count === 0) return { items, to: reading.at, gaps };
    for (const line of linesOf(reading)) {
      const item = pick(line);
      if (item !== null) {
        bytes += line.bytes.length;
        if (items.length > 0 && bytes > limits.pageBytes) return { items, to: at, gaps };
        items.push(item);
      }
      at = positionAfter(line);
      if (items.length === count) return { items, to: at, gaps };
    }
    scanned += reading.count;
    if (scanned >= SCAN_LINES || at.seq >= worker.state.head.seq) return { items, to: at, gaps };
    reading = await reader.after(worker, at, SCAN_CHUNK.count, SCAN_CHUNK.bytes);
  }
};

/** Scans a log backward, in log order. `from` is the position where it began. Costs as `scanForward`. */
const scanBackward = async <T>(
  reader: LogReader,
  worker: Worker,
  before: Cursor,
  pick: Pick<T>,
  count: number,
  limits: Limits,
  chunk: ScanChunk = SCAN_CHUNK,
): Promise<Scan<T> & { readonly from: LogPosition }> => {
  const items: T[] = [];
  const gaps: LogGap[] = [];
  const start =
    before === 'end'
      ? { position: worker.state.head, reading: null }
      : await reader.readBefore(worker, before, chunk.count, chunk.bytes);
  const from = start.position;
  const begin = worker.base?.at ?? EMPTY_POSITION;
  let first = start.reading;
  let to: LogPosition = from;
  let bytes = 0;
  for (let scanned = 0; scanned < SCAN_LINES && items.length < count && to.seq > begin.seq; ) {
    const reading: Reading = first ?? (await reader.before(worker, to, chunk.count, chunk.bytes));
    first = null;
    if (reading.gap) gaps.push(reading.gap);
    if (reading.count === 0) {
      to = begin;
      break;
    }
    const lines = [...linesOf(reading)];
    let taken = lines.length;
    while (taken > 0) {
      const line = lines[taken - 1] as Line;
      const item = pick(line);
      if (item !== null) {
        bytes += line.bytes.length;
        if (items.length === count || (items.length > 0 && bytes > limits.pageBytes)) break;
        items.push(item);
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
  const hasAll = to.seq <= begin.seq;
  if (hasAll && begin.seq > 0) gaps.push({ afterSeq: 0, beforeSeq: begin.seq + 1, code: 'HISTORY_ARCHIVED' });
  return { items: items.reverse(), to: hasAll ? EMPTY_POSITION : to, gaps, from };
};

/** @throws INVALID_REQUEST both `after` and `before` */
const assertOneDirection = ({ after, before }: TranscriptQuery): void => {
  if (before === undefined || after === undefined) return;
  throw invalidRequest(
    [{ pointer: '/before', message: 'excludes after' }],
    'A query of a log takes after or before, not both',
  );
};

/**
 * Reads a page of events. Without `types` it costs one read of what it returns, independent of the length of the log; with
 * `types` also the lines between those, whose number is bounded.
 * @throws INVALID_REQUEST both `after` and `before`
 */
export const readEventPage = async (
  reader: LogReader,
  worker: Worker,
  query: EventQuery,
  limits: Limits,
): Promise<RawPage> => {
  assertOneDirection(query);
  const count = pageLimit(query.limit, limits);
  const { before, after = START } = query;
  const { log } = worker.state;
  const types = query.types && new Set<string>(query.types);
  const pick = (line: Line): Uint8Array | null => (!types || types.has(typeIn(line)) ? line.bytes : null);
  if (before !== undefined) {
    // one line more, whose end is where the next page begins
    const chunk = types ? SCAN_CHUNK : { count: count + 1, bytes: limits.pageBytes };
    const { items, to, gaps, from } = await scanBackward(reader, worker, before, pick, count, limits, chunk);
    const next = to.seq > 0 ? encodeCursor(log, to) : null;
    return { lines: Buffer.concat(items), count: items.length, next, asOf: encodeCursor(log, from), gaps };
  }
  if (types) {
    const { items, to, gaps } = await scanForward(reader, worker, after, pick, count, limits);
    const asOf = encodeCursor(log, to);
    const hasMore = to.seq < worker.state.head.seq;
    return { lines: Buffer.concat(items), count: items.length, next: hasMore ? asOf : null, asOf, gaps };
  }
  const { lines, count: found, at, gap } = await reader.readFrom(worker, after, count, limits.pageBytes);
  const asOf = encodeCursor(log, at);
  const hasMore = at.seq < worker.state.head.seq;
  return { lines, count: found, next: hasMore ? asOf : null, asOf, gaps: gap ? [gap] : [] };
};

const itemIn =
  (forEngine: boolean): Pick<TranscriptItem> =>
  (line) =>
    SPEAKING_TYPES.has(typeIn(line)) ? transcriptItem(decodeEvent(textOf(line)), forEngine) : null;

const withGaps = <T>(page: Page<T>, gaps: readonly LogGap[]): Page<T> =>
  gaps.length > 0 ? { ...page, gaps } : page;

/**
 * Reads the transcript after a cursor, or after a position that the runtime itself knows. With `forEngine`, the items have
 * the opaque data of the engine.
 */
export const readForward = async (
  reader: LogReader,
  worker: Worker,
  after: Cursor | LogPosition,
  count: number,
  limits: Limits,
  forEngine = false,
): Promise<Page<TranscriptItem>> => {
  const { items, to, gaps } = await scanForward(reader, worker, after, itemIn(forEngine), count, limits);
  const asOf = encodeCursor(worker.state.log, to);
  return withGaps({ items, next: to.seq < worker.state.head.seq ? asOf : null, asOf }, gaps);
};

/** Reads a page of the transcript. @throws INVALID_REQUEST both `after` and `before` */
export const readTranscriptPage = async (
  reader: LogReader,
  worker: Worker,
  query: TranscriptQuery,
  limits: Limits,
): Promise<Page<TranscriptItem>> => {
  assertOneDirection(query);
  const count = pageLimit(query.limit, limits);
  const { before, after = START } = query;
  const { log } = worker.state;
  if (before === undefined) return readForward(reader, worker, after, count, limits);
  const { items, to, gaps, from } = await scanBackward(reader, worker, before, itemIn(false), count, limits);
  const next = to.seq > 0 ? encodeCursor(log, to) : null;
  return withGaps({ items, next, asOf: encodeCursor(log, from) }, gaps);
};
