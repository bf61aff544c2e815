import type { Limits } from '../contracts/limits.ts';
import { RuntimeError } from '../contracts/runtime-error.ts';
import type { LinePosition, LogGap, LogSlice, RuntimeStore } from '../contracts/store.ts';
import { decodeCursor, EMPTY_POSITION, type LogPosition, sumOf } from './cursor.ts';
import { linesOf, positionAfterLast } from './lines.ts';
import { RecentReadings } from './recent-readings.ts';
import type { Tail } from './tail.ts';

/** The log of one Worker, as far as reading needs it. */
export interface LogSource {
  readonly state: { readonly log: string; readonly head: LogPosition };
  /** The lines in memory; null for a Worker that is not live. */
  readonly live: { readonly readers: { readonly tail: Tail } } | null;
}

/** Lines as read, and the position behind them. */
export interface Reading {
  readonly lines: Uint8Array;
  readonly count: number;
  readonly first: { readonly seq: number; readonly offset: number };
  /** After the last line; where there is none, the position that was read from. */
  readonly at: LogPosition;
  readonly gap: LogGap | null;
}

const NO_LINES = new Uint8Array(0);

/** Reads logs for pages and streams: from the tail in memory where it reaches back far enough, from what was read last, else from the store. */
export class LogReader {
  readonly #store: RuntimeStore;
  readonly #limits: Limits;
  readonly #ofTail = new WeakMap<LogSlice, Reading>();
  readonly #recent: RecentReadings<Reading>;

  constructor(store: RuntimeStore, limits: Limits) {
    this.#store = store;
    this.#limits = limits;
    this.#recent = new RecentReadings(limits.recentReadBytes);
  }

  /**
   * The position that a cursor names, checked against the line that it names.
   * @throws CURSOR_INVALID · CURSOR_FOREIGN another log, or another history of this one
   */
  async locate(worker: LogSource, cursor: string): Promise<LogPosition> {
    const position = decodeCursor(cursor, worker.state.log);
    const { head } = worker.state;
    if (position.seq === 0) return EMPTY_POSITION;
    if (position.seq > head.seq) throw new RuntimeError('CURSOR_FOREIGN');
    if (position.seq === head.seq) {
      if (position.sum !== head.sum) throw new RuntimeError('CURSOR_FOREIGN');
      return head;
    }
    const slice =
      worker.live?.readers.tail.from(position.seq, 1, this.#limits.eventBytes) ??
      (await this.#store.read(worker.state.log, position, { count: 1, bytes: 1, direction: 'forward' }));
    // a line that is lost in a hole cannot be compared; the gap is told when it is read over
    if (slice.count === 1 && slice.first.seq === position.seq && sumOf(slice.lines) !== position.sum) {
      throw new RuntimeError('CURSOR_FOREIGN');
    }
    return position;
  }

  /** The lines after a position. Not a promise where memory has them. */
  after(worker: LogSource, from: LogPosition, count: number, bytes: number): Reading | Promise<Reading> {
    const { head } = worker.state;
    if (from.seq >= head.seq)
      return {
        lines: NO_LINES,
        count: 0,
        first: { seq: from.seq + 1, offset: from.end },
        at: from,
        gap: null,
      };
    const recent = worker.live?.readers.tail.from(from.seq + 1, count, bytes);
    return recent ? this.#readingOf(recent) : this.#stored(worker, from, count, bytes);
  }

  /** Begins to read what comes after a position, for whoever will ask for just that next. */
  ahead(worker: LogSource, from: LogPosition, count: number, bytes: number): void {
    if (from.seq >= worker.state.head.seq || this.#recent.isBusy) return;
    if (worker.live?.readers.tail.from(from.seq + 1, 1, 1)) return;
    const reading = this.#stored(worker, from, count, bytes);
    // whoever asks is told; if nobody does, nobody needs to know
    if (reading instanceof Promise) reading.catch(() => {});
  }

  #stored(worker: LogSource, from: LogPosition, count: number, bytes: number): Reading | Promise<Reading> {
    const { log, head: before } = worker.state;
    const key = `${log} ${from.seq} ${from.end} ${count} ${bytes}`;
    return this.#recent.get(key, async () => {
      const limits = { count, bytes, direction: 'forward' } as const;
      const slice = await this.#store.read(log, { seq: from.seq + 1, offset: from.end }, limits);
      const reading = this.#reading(slice, worker.state.head, from);
      // one that ends at what was the head is longer the next time; damage may be mended
      if (reading.at.seq < before.seq && reading.count > 0 && !reading.gap) this.#recent.keep(key, reading);
      return reading;
    });
  }

  /** The lines before and at a position, last ones first found, in log order. */
  async before(worker: LogSource, to: LogPosition, count: number, bytes: number): Promise<Reading> {
    const slice = await this.#store.read(
      worker.state.log,
      { seq: to.seq + 1, offset: to.end },
      { count, bytes, direction: 'backward' },
    );
    return this.#reading(slice, worker.state.head, to);
  }

  /** The position just before a line. */
  async positionBefore(worker: LogSource, line: LinePosition): Promise<LogPosition> {
    if (line.seq <= 1) return EMPTY_POSITION;
    const { lines, count, at } = await this.before(
      worker,
      { ...EMPTY_POSITION, seq: line.seq - 1, end: line.offset },
      1,
      1,
    );
    return count === 1 && lines.length > 0 ? at : EMPTY_POSITION;
  }

  /** Shared by all who read the same slice of the tail. */
  #readingOf(slice: LogSlice): Reading {
    let reading = this.#ofTail.get(slice);
    if (!reading) {
      reading = { ...slice, at: positionAfterLast(slice) };
      this.#ofTail.set(slice, reading);
    }
    return reading;
  }

  /** Lines that were written but not told yet (their append is in doubt) are none of the reader's business. */
  #reading(slice: LogSlice, head: LogPosition, asked: LogPosition): Reading {
    let { lines, count } = slice;
    const excess = slice.first.seq + count - 1 - head.seq;
    if (excess > 0) {
      count = Math.max(0, count - excess);
      let length = 0;
      for (const line of linesOf(slice)) if (line.seq <= head.seq) length += line.bytes.length;
      lines = lines.subarray(0, length);
    }
    // a hole up to the end of the log: reading is over there
    const at = count > 0 ? positionAfterLast({ lines, count, first: slice.first }) : slice.gap ? head : asked;
    return { lines, count, first: slice.first, at, gap: slice.gap };
  }
}
