import type { Limits } from '../contracts/limits.ts';
import { RuntimeError } from '../contracts/runtime-error.ts';
import type { LinePosition, LogGap, LogSlice, ReadLimits, RuntimeStore } from '../contracts/store.ts';
import { ReusedMemory } from '../reused-memory.ts';
import type { Base } from './base.ts';
import { decodeCursor, EMPTY_POSITION, encodeCursor, type LogPosition, numberIn, sumOf } from './cursor.ts';
import { type Line, linesOf, positionAfter, positionAfterLast } from './lines.ts';
import { type ReadingHolder, RecentReadings } from './recent-readings.ts';
import type { Tail } from './tail.ts';

/** The log of one Worker, as far as reading needs it. */
export interface LogSource {
  readonly state: { readonly workerId: string; readonly log: string; readonly head: LogPosition };
  /** The beginning of the log, if its first events are in an archive. */
  readonly base: Base | null;
  /** The lines in memory, or null for a Worker that is not live. */
  readonly live: { readonly readers: { readonly tail: Tail } } | null;
}

/** The size of a read: within both limits, but at least one line. */
export interface ReadSize {
  readonly count: number;
  readonly bytes: number;
}

/** Lines that were read, and the position after them. */
export interface Reading {
  readonly lines: Uint8Array;
  readonly count: number;
  readonly first: { readonly seq: number; readonly offset: number };
  /** The position after the last line. Without lines, the position that was read from. */
  readonly at: LogPosition;
  readonly gap: LogGap | null;
  /** The memory that has the lines, if it is used again when all holders of the reading have released it. */
  readonly memory?: Uint8Array;
}

/** A decoded cursor. `isChecked`: no line of the store has to be compared. */
interface Decoded {
  readonly position: LogPosition;
  readonly isChecked: boolean;
}

/** Makes the error for a position whose events are in an archive. It says where they are, and where the log begins. */
const expired = ({ state: { workerId, log }, base }: LogSource): RuntimeError => {
  if (!base) return new RuntimeError('CURSOR_EXPIRED');
  const { at, archive } = base;
  const message = `The events up to ${at.seq} are in the archive ${archive}; continue after @${at.seq}`;
  const details = { workerId, firstSeq: at.seq + 1, cursor: encodeCursor(log, at), archive };
  return new RuntimeError('CURSOR_EXPIRED', message, { details });
};

/** @throws CURSOR_EXPIRED the events after the line with a number are in an archive */
const assertThere = (worker: LogSource, seq: number): void => {
  if (worker.base && seq < worker.base.at.seq) throw expired(worker);
};

const NO_LINES = new Uint8Array(0);

/** The size of memory for reads that are lent, and the least bytes of lines that stay in it. */
const LENT_BYTES = 49_152;
const LEAST_LENT_BYTES = 32_768;
const SPARE_PIECES = 8;

const keyOf = (log: string, { seq, offset, end, sum }: LogPosition, size: ReadSize | 'next'): string =>
  `${log} ${seq} ${offset} ${end} ${sum} ${size === 'next' ? size : `${size.count} ${size.bytes}`}`;

/**
 * Reads logs for pages and streams: from the tail in memory if it reaches back far enough, otherwise from what was
 * read recently, otherwise from the store.
 */
export class LogReader implements ReadingHolder<Reading> {
  readonly #store: Pick<RuntimeStore, 'read'>;
  readonly #limits: Limits;
  readonly #ofTail = new WeakMap<LogSlice, Reading>();
  readonly #recent: RecentReadings<Reading>;
  readonly #memory = new ReusedMemory(LENT_BYTES, LEAST_LENT_BYTES, SPARE_PIECES);

  constructor(store: Pick<RuntimeStore, 'read'>, limits: Limits) {
    this.#store = store;
    this.#limits = limits;
    this.#recent = new RecentReadings(limits.recentReadBytes, this);
  }

  /** @throws CURSOR_EXPIRED the first events are in an archive */
  assertWhole(worker: LogSource): void {
    assertThere(worker, 0);
  }

  /**
   * Returns the position that a cursor names, checked against the line that it names. With `next`, a read of the store
   * also covers that many of the following lines, which the first `after` from this position then uses.
   * @throws CURSOR_INVALID · CURSOR_FOREIGN it belongs to another log, or to another history of this one · CURSOR_EXPIRED the events after
   * it are in an archive
   */
  async locate(worker: LogSource, cursor: string, next?: ReadSize): Promise<LogPosition> {
    const { position, isChecked } = await this.#decode(worker, cursor);
    if (isChecked) return position;
    const reading = await this.#fromOwnLine(worker, position, next ?? { count: 0, bytes: 1 });
    if (reading) this.#recent.keep(keyOf(worker.state.log, position, 'next'), reading);
    return position;
  }

  /**
   * Reads the lines after a cursor, with one read of the store: it begins with the line that the cursor names, so that
   * the cursor is checked by the same read.
   * @throws as `locate`
   */
  async readFrom(worker: LogSource, cursor: string, count: number, bytes: number): Promise<Reading> {
    const { position, isChecked } = await this.#decode(worker, cursor);
    if (isChecked) return this.after(worker, position, count, bytes);
    const { log, head: before } = worker.state;
    // not the key of `after`, which this read may call: it would wait for itself
    const key = `${keyOf(log, position, { count, bytes })} own`;
    return this.#recent.get(key, async () => {
      const reading = await this.#fromOwnLine(worker, position, { count, bytes });
      // the cursor's line is missing, or nothing readable follows it at once: `after` reports the gap
      if (!reading) return this.after(worker, position, count, bytes);
      if (reading.at.seq < before.seq) this.#recent.keep(key, reading);
      return reading;
    });
  }

  /**
   * Reads the lines up to the line that a cursor names, including that line, with one read of the store. Returns them
   * with the position of the cursor.
   * @throws as `locate`
   */
  async readBefore(
    worker: LogSource,
    cursor: string,
    count: number,
    bytes: number,
  ): Promise<{ readonly position: LogPosition; readonly reading: Reading }> {
    const { position, isChecked } = await this.#decode(worker, cursor);
    const reading = await this.before(worker, position, count, bytes);
    if (!isChecked && reading.count > 0 && reading.at.seq === position.seq && reading.at.sum !== position.sum)
      throw new RuntimeError('CURSOR_FOREIGN');
    return { position, reading };
  }

  /**
   * Reads lines after a position: the next ones, within both limits but at least one line unless the log ends here.
   * Returns no promise if the lines are in memory. @throws CURSOR_EXPIRED they are in an archive
   */
  after(worker: LogSource, from: LogPosition, count: number, bytes: number): Reading | Promise<Reading> {
    return this.#after(worker, from, { count, bytes }, false);
  }

  /**
   * Reads lines as `after` does, for a caller that tells how long it uses them: it calls `hold` as soon as it receives the reading, and
   * `release` at the end. The memory of other lines may be used again.
   */
  lend(worker: LogSource, from: LogPosition, count: number, bytes: number): Reading | Promise<Reading> {
    return this.#after(worker, from, { count, bytes }, true);
  }

  hold({ memory }: Reading): void {
    if (memory) this.#memory.hold(memory);
  }

  release({ memory }: Reading): void {
    if (memory) this.#memory.release(memory);
  }

  #after(worker: LogSource, from: LogPosition, size: ReadSize, isLent: boolean): Reading | Promise<Reading> {
    const { head } = worker.state;
    assertThere(worker, from.seq);
    if (from.seq >= head.seq)
      return {
        lines: NO_LINES,
        count: 0,
        first: { seq: from.seq + 1, offset: from.end },
        at: from,
        gap: null,
      };
    const tail = worker.live?.readers.tail.from(from.seq + 1, size.count, size.bytes);
    return tail ? this.#readingOf(tail) : this.#stored(worker, from, size, isLent);
  }

  /** Starts to read the lines after a position, so that they are in memory when `lend` asks for them. */
  ahead(worker: LogSource, from: LogPosition, count: number, bytes: number): void {
    if (from.seq >= worker.state.head.seq || this.#recent.isBusy) return;
    if (worker.base && from.seq < worker.base.at.seq) return;
    if (worker.live?.readers.tail.from(from.seq + 1, 1, 1)) return;
    const reading = this.#stored(worker, from, { count, bytes }, true);
    // a reader that asks for these lines receives the error; without one, the error concerns no caller
    if (reading instanceof Promise) reading.catch(() => {});
  }

  #stored(worker: LogSource, from: LogPosition, size: ReadSize, isLent: boolean): Reading | Promise<Reading> {
    const { log, head: before } = worker.state;
    const { count, bytes } = size;
    const next = this.#recent.kept(keyOf(log, from, 'next'));
    if (next && next.count <= count && (next.lines.length <= bytes || next.count === 1)) return next;
    const isLarge = Math.min(bytes, before.end - from.end) >= LEAST_LENT_BYTES && bytes < LENT_BYTES;
    const mayLend = isLent && isLarge;
    // a reading whose memory is used again is for those alone that hold and release it
    const key = keyOf(log, from, size) + (mayLend ? ' lent' : '');
    return this.#recent.get(key, async () => {
      const position = { seq: from.seq + 1, offset: from.end };
      const limits = { count, bytes, direction: 'forward' } as const;
      const reading = mayLend
        ? await this.#readLent(worker, position, limits, from)
        : this.#reading(await this.#read(worker, position, limits), worker.state.head, from);
      // a reading that ends at the former head is longer the next time, and damage may be repaired
      if (reading.at.seq < before.seq && reading.count > 0 && !reading.gap) this.#recent.keep(key, reading);
      return reading;
    });
  }

  /** Reads lines of the store into memory that is used again. */
  async #readLent(
    worker: LogSource,
    position: LinePosition,
    limits: ReadLimits,
    from: LogPosition,
  ): Promise<Reading> {
    // after a failure the memory is left to the garbage collector
    const memory = this.#memory.take(LENT_BYTES);
    const slice = await this.#read(worker, position, { ...limits, into: memory });
    const reading = this.#reading(slice, worker.state.head, from);
    const { lines } = reading;
    const isWithin = lines.buffer === memory.buffer;
    if (isWithin && lines.length >= LEAST_LENT_BYTES) {
      // all callers that share this read have received it by then, and hold it
      setImmediate(() => this.#memory.release(memory));
      return { ...reading, memory };
    }
    // few lines in much memory would be more than their size suggests
    const own = isWithin ? { ...reading, lines: new Uint8Array(lines) } : reading;
    this.#memory.release(memory);
    return own;
  }

  /** Reads lines of the store. @throws CURSOR_EXPIRED they were removed in the meantime, or as the store */
  async #read(worker: LogSource, position: LinePosition, limits: ReadLimits): Promise<LogSlice> {
    try {
      return await this.#store.read(worker.state.log, position, limits);
    } catch (error) {
      throw RuntimeError.from(error).code === 'CURSOR_EXPIRED' ? expired(worker) : error;
    }
  }

  /** Reads the lines before and at a position, the nearest ones, in log order. None are before the beginning of the log. */
  async before(worker: LogSource, to: LogPosition, count: number, bytes: number): Promise<Reading> {
    const slice = await this.#read(
      worker,
      { seq: to.seq + 1, offset: to.end },
      { count, bytes, direction: 'backward' },
    );
    return this.#reading(slice, worker.state.head, to);
  }

  /** Returns the position just before a line. @throws CURSOR_EXPIRED the line is in an archive */
  async positionBefore(worker: LogSource, line: LinePosition): Promise<LogPosition> {
    assertThere(worker, line.seq - 1);
    if (worker.base && line.seq - 1 === worker.base.at.seq) return worker.base.at;
    if (line.seq <= 1) return EMPTY_POSITION;
    const { lines, count, at } = await this.before(
      worker,
      { ...EMPTY_POSITION, seq: line.seq - 1, end: line.offset },
      1,
      1,
    );
    return count === 1 && lines.length > 0 ? at : EMPTY_POSITION;
  }

  /** Decodes a cursor and checks it as far as memory allows. Returns no promise unless the store has to find a number. */
  #decode(worker: LogSource, cursor: string): Decoded | Promise<Decoded> {
    const { log, head } = worker.state;
    const seq = numberIn(cursor);
    if (seq !== null) return this.#numbered(worker, seq);
    const position = decodeCursor(cursor, log);
    assertThere(worker, position.seq);
    if (position.seq === 0) return { position: EMPTY_POSITION, isChecked: true };
    if (position.seq === worker.base?.at.seq) {
      if (position.sum !== worker.base.at.sum) throw new RuntimeError('CURSOR_FOREIGN');
      return { position: worker.base.at, isChecked: true };
    }
    if (position.seq > head.seq) throw new RuntimeError('CURSOR_FOREIGN');
    if (position.seq === head.seq) {
      if (position.sum !== head.sum) throw new RuntimeError('CURSOR_FOREIGN');
      return { position: head, isChecked: true };
    }
    const own = worker.live?.readers.tail.from(position.seq, 1, this.#limits.eventBytes);
    if (own && sumOf(own.lines) !== position.sum) throw new RuntimeError('CURSOR_FOREIGN');
    return { position, isChecked: own != null };
  }

  /**
   * Returns the position after the line with a number, which a store finds without reading the lines before it.
   * @throws CURSOR_FOREIGN the log has no such line
   */
  async #numbered(worker: LogSource, seq: number): Promise<Decoded> {
    const { head } = worker.state;
    if (seq > head.seq) {
      throw new RuntimeError('CURSOR_FOREIGN', `The log has no event ${seq}: its last one is ${head.seq}`, {
        details: { lastSeq: head.seq },
      });
    }
    assertThere(worker, seq);
    if (seq === worker.base?.at.seq) return { position: worker.base.at, isChecked: true };
    if (seq === 0 || seq === head.seq)
      return { position: seq === 0 ? EMPTY_POSITION : head, isChecked: true };
    const line = await this.line(worker, seq);
    if (line?.seq === seq) return { position: positionAfter(line), isChecked: true };
    // the line is lost in a hole: the next readable line follows the position, or none does
    const end = line ? line.offset : head.end;
    return { position: { seq, offset: end, end, sum: 0 }, isChecked: true };
  }

  /** Returns the line with a number, or the next one that can be read; null if there is none. */
  async line(worker: LogSource, seq: number): Promise<Line | null> {
    const slice =
      worker.live?.readers.tail.from(seq, 1, 1) ??
      (await this.#read(worker, { seq, offset: 0 }, { count: 1, bytes: 1, direction: 'forward' }));
    return linesOf(slice).next().value ?? null;
  }

  /**
   * Reads the line at a position and the lines after it. Compares the first one and returns the others, or null if it
   * is lost in a hole and cannot be compared, or if no line follows it directly.
   */
  async #fromOwnLine(
    worker: LogSource,
    position: LogPosition,
    { count, bytes }: ReadSize,
  ): Promise<Reading | null> {
    // a forged cursor may claim any length
    const ownBytes = Math.min(position.end - position.offset, this.#limits.eventBytes);
    const slice = await this.#read(worker, position, {
      count: count + 1,
      bytes: bytes + ownBytes,
      direction: 'forward',
    });
    const own = slice.first.seq === position.seq ? linesOf(slice).next().value : undefined;
    if (!own) return null;
    if (sumOf(own.bytes) !== position.sum) throw new RuntimeError('CURSOR_FOREIGN');
    if (slice.count === 1) return null;
    const at = positionAfter(own);
    const rest = {
      lines: slice.lines.subarray(own.bytes.length),
      count: slice.count - 1,
      first: { seq: at.seq + 1, offset: at.end },
      gap: null,
    };
    return this.#reading(rest, worker.state.head, at);
  }

  /** Returns one reading for all readers that were given the same slice of the tail. */
  #readingOf(slice: LogSlice): Reading {
    let reading = this.#ofTail.get(slice);
    if (!reading) {
      reading = { ...slice, at: positionAfterLast(slice) };
      this.#ofTail.set(slice, reading);
    }
    return reading;
  }

  /** Cuts off the lines beyond the head: they are stored, but their append is still in doubt. */
  #reading(slice: LogSlice, head: LogPosition, asked: LogPosition): Reading {
    let { lines, count } = slice;
    const excess = slice.first.seq + count - 1 - head.seq;
    if (excess > 0) {
      count = Math.max(0, count - excess);
      let length = 0;
      for (const line of linesOf(slice)) if (line.seq <= head.seq) length += line.bytes.length;
      lines = lines.subarray(0, length);
    }
    // a hole that reaches to the end of the log: nothing follows it
    const at = count > 0 ? positionAfterLast({ lines, count, first: slice.first }) : slice.gap ? head : asked;
    return { lines, count, first: slice.first, at, gap: slice.gap };
  }
}
