import { decodeEvent, type WorkerEvent } from '../contracts/event.ts';
import { timeOfId } from '../id.ts';
import { EMPTY_POSITION, type LogPosition } from '../log/cursor.ts';
import { type Line, linesOf, positionAfter, textOf } from '../log/lines.ts';
import type { LogReader, Reading } from '../log/log-reader.ts';
import type { Worker } from '../workers/worker.ts';

const CHUNK = { count: 1_000, bytes: 262_144 };

/** A line with its place in the reading that has it. */
interface Found {
  readonly lines: readonly Line[];
  readonly at: number;
}

/** Finds the first event of a run in the log of its Worker. */
class RunSearch {
  readonly #reader: LogReader;
  readonly #worker: Worker;
  readonly #runId: string;
  /** The text that each event of the run has. */
  readonly #member: string;

  constructor(reader: LogReader, worker: Worker, runId: string) {
    this.#reader = reader;
    this.#worker = worker;
    this.#runId = runId;
    this.#member = `"run":"${runId}"`;
  }

  /**
   * Most runs that callers ask for are among the last events. For the others, the time in the id tells where the run was accepted,
   * because the times of a log only grow. If the clock of the id was not that of the log, the rest of the log is searched too.
   */
  async find(): Promise<LogPosition | null> {
    const { head } = this.#worker.state;
    const end = await this.#reader.before(this.#worker, head, CHUNK.count, CHUNK.bytes);
    const recent = await this.#lastIn(end);
    if (recent || end.count === 0) return recent;
    const to = await this.#reader.positionBefore(this.#worker, end.first);
    const time = timeOfId(this.#runId);
    const near = time === null ? to : await this.#positionNear(new Date(time).toISOString(), to);
    return (await this.#forward(near, to)) ?? this.#backward(near);
  }

  /** Returns a position before the first event that has at least this time, and near it. It is before `to`. */
  async #positionNear(time: string, to: LogPosition): Promise<LogPosition> {
    let low: LogPosition = this.#worker.base?.at ?? EMPTY_POSITION;
    let high = to.seq;
    while (high - low.seq > CHUNK.count) {
      const middle = low.seq + Math.floor((high - low.seq) / 2);
      const line = await this.#reader.line(this.#worker, middle);
      // in a hole of a damaged log, what is before it is searched
      if (line && line.seq < high && decodeEvent(textOf(line)).time < time) low = positionAfter(line);
      else high = middle;
    }
    return low;
  }

  /**
   * Searches between two positions. A run that was queued starts later than its input, and one that never started still has
   * an end.
   */
  async #forward(from: LogPosition, to: LogPosition): Promise<LogPosition | null> {
    let accepted: Found | null = null;
    for (let position = from; position.seq < to.seq; ) {
      const reading = await this.#reader.after(this.#worker, position, CHUNK.count, CHUNK.bytes);
      if (reading.count === 0) break;
      const lines = [...linesOf(reading)];
      for (const [at, line] of lines.entries()) {
        const type = this.#typeOf(line);
        if (type === 'input.accepted') accepted = { lines, at };
        if (type === 'run.started') return this.#positionBefore({ lines, at });
        if (type === 'run.finished') return accepted && this.#positionBefore(accepted);
      }
      position = reading.at;
    }
    return accepted && this.#positionBefore(accepted);
  }

  /** Searches backwards from a position. */
  async #backward(from: LogPosition): Promise<LogPosition | null> {
    for (let to = from; to.seq > 0; ) {
      const reading = await this.#reader.before(this.#worker, to, CHUNK.count, CHUNK.bytes);
      if (reading.count === 0) return null;
      const found = await this.#lastIn(reading);
      if (found) return found;
      to = await this.#reader.positionBefore(this.#worker, reading.first);
    }
    return null;
  }

  /** Returns the position before the last start or input of the run in a reading. */
  async #lastIn(reading: Reading): Promise<LogPosition | null> {
    const lines = [...linesOf(reading)];
    const at = lines.findLastIndex((line) => {
      const type = this.#typeOf(line);
      return type === 'run.started' || type === 'input.accepted';
    });
    return at < 0 ? null : this.#positionBefore({ lines, at });
  }

  /** Returns the type of an event of the run. Other events are not parsed. */
  #typeOf(line: Line): WorkerEvent['type'] | null {
    const text = textOf(line);
    if (!text.includes(this.#member)) return null;
    const { type, run } = decodeEvent(text);
    return run === this.#runId ? type : null;
  }

  /** Returns the position before a line. It is in memory if the line is not the first of its reading. */
  async #positionBefore({ lines, at }: Found): Promise<LogPosition> {
    const before = lines[at - 1];
    return before ? positionAfter(before) : this.#reader.positionBefore(this.#worker, lines[at] as Line);
  }
}

/**
 * Searches for the first event of a run: its start, or the input of a run that never started. Returns the position before
 * it, or null. Costs a few reads in a log of any length, and the whole log if there is no such run.
 */
export const findRun = (reader: LogReader, worker: Worker, runId: string): Promise<LogPosition | null> =>
  new RunSearch(reader, worker, runId).find();
