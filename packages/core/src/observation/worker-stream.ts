import type { Cursor } from '../contracts/cursor.ts';
import type { Limits } from '../contracts/limits.ts';
import type { WorkerDetail } from '../contracts/runtime-api.ts';
import type { ErrorCode } from '../contracts/runtime-error.ts';
import type { WorkerStream as Contract, EventsChunk, StreamChunk } from '../contracts/stream.ts';
import { encodeCursor, type LogPosition } from '../log/cursor.ts';
import { linesOf, positionAfter } from '../log/lines.ts';
import type { LogReader, Reading } from '../log/log-reader.ts';
import type { InFlightMark } from '../workers/in-flight.ts';
import type { Worker } from '../workers/worker.ts';

const chunks = new WeakMap<Reading, EventsChunk>();

/** The chunk of a reading, one for all streams that were given it. */
const chunkOf = (log: string, reading: Reading): EventsChunk => {
  const known = chunks.get(reading);
  if (known) return known;
  const { lines, count, at } = reading;
  const chunk: EventsChunk = {
    type: 'events',
    lines,
    count,
    cursor: encodeCursor(log, at),
    *entries() {
      for (const line of linesOf(reading))
        yield { cursor: encodeCursor(log, positionAfter(line)), line: line.bytes };
    },
  };
  chunks.set(reading, chunk);
  return chunk;
};

export interface WorkerStreamOptions {
  readonly worker: Worker;
  /** Where to begin; null begins with a snapshot. */
  readonly from: LogPosition | null;
  readonly deltas: boolean;
  readonly reader: LogReader;
  readonly limits: Limits;
  readonly detailOf: (worker: Worker) => WorkerDetail;
  /** Why the stream has nothing more to wait for, if that is so. */
  readonly endOf: (worker: Worker) => ErrorCode | null;
  readonly closed: () => void;
}

/**
 * One reader of one Worker: a position in the log and a mark in the text in flight, nothing else. Whoever reads
 * pulls when it can take more and is woken when something is due, so a reader that stalls costs its position.
 * Durable events go first; text in flight always belongs behind them.
 */
export class WorkerStream implements Contract {
  readonly #options: WorkerStreamOptions;
  #position: LogPosition;
  #needsSnapshot: boolean;
  #needsInFlight: boolean;
  #mark: InFlightMark | null = null;
  #wake: (() => void) | null = null;
  #isOver = false;

  constructor(options: WorkerStreamOptions) {
    this.#options = options;
    this.#position = options.from ?? options.worker.state.head;
    this.#needsSnapshot = options.from === null;
    this.#needsInFlight = options.deltas;
  }

  /** The durable position that was read up to. */
  get cursor(): Cursor {
    return encodeCursor(this.#options.worker.state.log, this.#position);
  }

  /**
   * The next thing due, or null: then wait for `onDue`. Events come as many at a time as fit `maxBytes`, at least one.
   * Not to be called again before a returned promise has settled. After `ended`, and after `close`, always null.
   */
  pull(maxBytes: number): StreamChunk | null | Promise<StreamChunk | null> {
    const { worker, reader, limits, detailOf, endOf } = this.#options;
    if (this.#isOver) return null;
    if (this.#needsSnapshot) {
      this.#needsSnapshot = false;
      this.#position = worker.state.head;
      return { type: 'snapshot', worker: detailOf(worker), asOf: this.cursor };
    }
    if (this.#position.seq < worker.state.head.seq) {
      const reading = reader.after(worker, this.#position, limits.pageItems, maxBytes);
      return reading instanceof Promise
        ? reading.then(
            (read) => this.#advance(read, maxBytes),
            (error: unknown) => this.#endedOr(error),
          )
        : this.#advance(reading, maxBytes);
    }
    const text = this.#options.deltas ? this.#text() : null;
    if (text) return text;
    const code = endOf(worker);
    if (code === null) return null;
    this.close();
    return { type: 'ended', code };
  }

  /** Calls back once, never at once, as soon as something is due. Forgets an earlier callback. */
  onDue(callback: () => void): void {
    if (this.#isOver) return;
    // it may have come while whoever reads was on its way here
    if (this.#isDue()) {
      queueMicrotask(callback);
      return;
    }
    const { wakes } = this.#options.worker.ensureLive(this.#options.limits);
    if (this.#wake) wakes.delete(this.#wake);
    this.#wake = callback;
    wakes.add(callback);
  }

  close(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    if (this.#wake) this.#options.worker.live?.wakes.delete(this.#wake);
    this.#options.closed();
  }

  /** What is still unread went with the log or the store: that is an end, and no failure. */
  #endedOr(error: unknown): StreamChunk | null {
    if (this.#isOver) return null;
    const code = this.#options.endOf(this.#options.worker);
    if (code === null) throw error;
    this.close();
    return { type: 'ended', code };
  }

  #isDue(): boolean {
    const { worker, deltas, endOf } = this.#options;
    if (this.#needsSnapshot || this.#position.seq < worker.state.head.seq || endOf(worker) !== null)
      return true;
    return deltas && (this.#needsInFlight || worker.live?.inFlight?.next(this.#mark) != null);
  }

  #advance(reading: Reading, maxBytes: number): StreamChunk | null {
    if (this.#isOver) return null;
    const { worker, reader, limits } = this.#options;
    const { log } = worker.state;
    this.#position = reading.at;
    // read on while this is on its way to whoever reads
    reader.ahead(worker, reading.at, limits.pageItems, maxBytes);
    if (reading.count === 0) return reading.gap ? { type: 'gap', ...reading.gap } : null;
    if (!reading.gap) return chunkOf(log, reading);
    // the hole lies before the lines: it is told first, and they are read again with the next pull
    this.#position = { ...reading.at, seq: reading.first.seq - 1, end: reading.first.offset };
    return { type: 'gap', ...reading.gap };
  }

  #text(): StreamChunk | null {
    const inFlight = this.#options.worker.live?.inFlight ?? null;
    if (this.#needsInFlight) {
      this.#needsInFlight = false;
      const { messages, mark } = inFlight?.snapshot() ?? { messages: [], mark: null };
      this.#mark = mark;
      return { type: 'in-flight', messages };
    }
    const next = inFlight?.next(this.#mark);
    if (!next) return null;
    this.#mark = next.mark;
    return { type: 'delta', ...next.delta };
  }
}
