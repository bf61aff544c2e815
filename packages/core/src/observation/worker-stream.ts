import type { Cursor } from '../contracts/cursor.ts';
import type { Limits } from '../contracts/limits.ts';
import { type ErrorCode, RuntimeError } from '../contracts/runtime-error.ts';
import type { WorkerStream as Contract, EventsChunk, StreamChunk } from '../contracts/stream.ts';
import type { WorkerDetail } from '../contracts/worker.ts';
import { encodeCursor, type LogPosition } from '../log/cursor.ts';
import { frameLines } from '../log/framed-lines.ts';
import { linesOf, positionAfter } from '../log/lines.ts';
import type { LogReader, Reading } from '../log/log-reader.ts';
import type { InFlightMark } from '../workers/in-flight.ts';
import type { Worker } from '../workers/worker.ts';

const chunks = new WeakMap<Reading, EventsChunk>();

/** The chunk of a reading. All streams that received the same reading share one chunk. */
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
    framed: (frame, allocate) => frameLines(log, reading, frame, allocate),
  };
  chunks.set(reading, chunk);
  return chunk;
};

/** Opened the stream, and answers for the runtime. */
export interface WorkerStreamOwner {
  detailOf(worker: Worker): WorkerDetail;
  /** The reason why no further event can come; null while one can. */
  endOf(worker: Worker): ErrorCode | null;
  closed(stream: WorkerStream): void;
}

export interface WorkerStreamOptions {
  readonly worker: Worker;
  /** The position to begin after; null begins with a snapshot. */
  readonly from: LogPosition | null;
  readonly deltas: boolean;
  readonly reader: LogReader;
  readonly limits: Limits;
  readonly owner: WorkerStreamOwner;
}

/**
 * One reader of one Worker. It holds a position in the log and a mark in the text in flight, and no queue: the reader
 * pulls when it can take more and is woken when something is due, so a reader that stalls costs only its position.
 * Durable events come first; text in flight comes after them.
 */
export class WorkerStream implements Contract {
  readonly #options: WorkerStreamOptions;
  #position: LogPosition;
  #needsSnapshot: boolean;
  #needsInFlight: boolean;
  #mark: InFlightMark | null = null;
  #wake: (() => void) | null = null;
  /** The reading of the last chunk, until the reader has released it. */
  #lent: Reading | null = null;
  #isOver = false;

  constructor(options: WorkerStreamOptions) {
    this.#options = options;
    this.#position = options.from ?? options.worker.state.head;
    this.#needsSnapshot = options.from === null;
    this.#needsInFlight = options.deltas;
  }

  get cursor(): Cursor {
    return encodeCursor(this.#options.worker.state.log, this.#position);
  }

  pull(maxBytes: number): StreamChunk | null | Promise<StreamChunk | null> {
    const { worker, reader, limits, owner } = this.#options;
    // lines that were not released belong to the reader
    this.#lent = null;
    if (this.#isOver) return null;
    if (this.#needsSnapshot) {
      this.#needsSnapshot = false;
      this.#position = worker.state.head;
      const { requests } = worker.state;
      return { type: 'snapshot', worker: owner.detailOf(worker), requests, asOf: this.cursor };
    }
    if (this.#position.seq < worker.state.head.seq) {
      try {
        const reading = reader.lend(worker, this.#position, limits.pageItems, maxBytes);
        return reading instanceof Promise
          ? reading.then(
              (read) => this.#advance(read, maxBytes),
              (error: unknown) => this.#endedOr(error),
            )
          : this.#advance(reading, maxBytes);
      } catch (error) {
        return this.#endedOr(error);
      }
    }
    const text = this.#options.deltas ? this.#text() : null;
    if (text) return text;
    const code = owner.endOf(worker);
    if (code === null) return null;
    this.close();
    return { type: 'ended', code };
  }

  release(): void {
    if (this.#lent) this.#options.reader.release(this.#lent);
    this.#lent = null;
  }

  onDue(callback: () => void): void {
    if (this.#isOver) return;
    // it may have become due since the last pull
    if (this.#isDue()) {
      queueMicrotask(callback);
      return;
    }
    const { readers } = this.#options.worker.ensureLive(this.#options.limits);
    if (this.#wake) readers.cancel(this.#wake);
    this.#wake = callback;
    readers.onChange(callback);
  }

  close(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    if (this.#wake) this.#options.worker.live?.readers.cancel(this.#wake);
    this.#options.owner.closed(this);
  }

  /** Ends the stream if a read failed because the log, its events or the store are gone. Any other failure is thrown. */
  #endedOr(error: unknown): StreamChunk | null {
    if (this.#isOver) return null;
    const { owner, worker } = this.#options;
    const isArchived = RuntimeError.from(error).code === 'CURSOR_EXPIRED';
    const code = owner.endOf(worker) ?? (isArchived ? 'CURSOR_EXPIRED' : null);
    if (code === null) throw error;
    this.close();
    return { type: 'ended', code };
  }

  #isDue(): boolean {
    const { worker, deltas, owner } = this.#options;
    if (this.#needsSnapshot || this.#position.seq < worker.state.head.seq || owner.endOf(worker) !== null)
      return true;
    return deltas && (this.#needsInFlight || worker.live?.readers.inFlight?.next(this.#mark) != null);
  }

  #advance(reading: Reading, maxBytes: number): StreamChunk | null {
    if (this.#isOver) return null;
    const { worker, reader, limits } = this.#options;
    const { log } = worker.state;
    this.#position = reading.at;
    // read ahead while the reader processes this chunk
    reader.ahead(worker, reading.at, limits.pageItems, maxBytes);
    if (reading.count === 0) return reading.gap ? { type: 'gap', ...reading.gap } : null;
    if (!reading.gap) {
      reader.hold(reading);
      this.#lent = reading;
      return chunkOf(log, reading);
    }
    // the gap lies before the lines: report it first, and read the lines again with the next pull
    this.#position = { ...reading.at, seq: reading.first.seq - 1, end: reading.first.offset };
    return { type: 'gap', ...reading.gap };
  }

  #text(): StreamChunk | null {
    const inFlight = this.#options.worker.live?.readers.inFlight ?? null;
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
