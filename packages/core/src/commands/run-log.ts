import { decodeEvent } from '../contracts/event.ts';
import type { Limits } from '../contracts/limits.ts';
import { NO_USAGE } from '../contracts/overview.ts';
import type { RunInfo, RunResult } from '../contracts/run.ts';
import { RuntimeError } from '../contracts/runtime-error.ts';
import { encodeCursor, type LogPosition } from '../log/cursor.ts';
import { linesOf, textOf } from '../log/lines.ts';
import type { LogReader } from '../log/log-reader.ts';
import type { Worker } from '../workers/worker.ts';
import { RunReading } from './run-reading.ts';
import { findRun } from './run-search.ts';

const notFound = (runId: string, { base }: Worker): RuntimeError =>
  base
    ? new RuntimeError(
        'RUN_NOT_FOUND',
        `No such run after event ${base.at.seq}; earlier events are in the archive ${base.archive}`,
        { details: { runId, firstSeq: base.at.seq + 1, archive: base.archive } },
      )
    : new RuntimeError('RUN_NOT_FOUND', undefined, { details: { runId } });

/** Reads runs from the logs of their Workers. */
export class RunLog {
  readonly #reader: LogReader;
  readonly #limits: Limits;

  constructor(reader: LogReader, limits: Limits) {
    this.#reader = reader;
    this.#limits = limits;
  }

  /**
   * Returns a run as the log describes it. A run that is not active or queued is searched, see `findRun`.
   * @throws RUN_NOT_FOUND
   */
  async info(worker: Worker, runId: string): Promise<RunInfo> {
    const { run, queue, requests, log } = worker.state;
    const queued = queue.find((input) => input.runId === runId);
    if (queued) {
      const before = await this.#reader.positionBefore(worker, { seq: queued.seq, offset: queued.offset });
      return {
        runId,
        inputId: queued.inputId,
        status: 'queued',
        cursor: encodeCursor(log, before),
        startedAt: null,
        finishedAt: null,
        outcome: null,
        error: null,
        usage: NO_USAGE,
      };
    }
    const isActive = run?.runId === runId;
    const from = (isActive ? run.from : undefined) ?? (await findRun(this.#reader, worker, runId));
    if (!from) throw notFound(runId, worker);
    const { inputId, startedAt, finishedAt, end, usage } = await this.#read(worker, runId, from);
    const isWaiting = requests.some((request) => request.runId === runId);
    return {
      runId,
      inputId,
      status: end ? 'finished' : isWaiting ? 'waiting' : 'running',
      cursor: encodeCursor(log, from),
      startedAt,
      finishedAt,
      outcome: end?.outcome ?? null,
      error: end?.error ?? null,
      usage,
    };
  }

  /**
   * Returns the result of a finished run. `from` is a position before its first output; without it, the run is searched.
   * @throws RUN_NOT_FOUND
   */
  async result(worker: Worker, runId: string, from?: LogPosition): Promise<RunResult> {
    const start = from ?? (await findRun(this.#reader, worker, runId));
    const result = start ? (await this.#read(worker, runId, start)).result : null;
    if (!result) throw notFound(runId, worker);
    return result;
  }

  /** Reads the events of a run after a position, up to its end or the end of the log. */
  async #read(worker: Worker, runId: string, from: LogPosition): Promise<RunReading> {
    const { pageItems, pageBytes } = this.#limits;
    const found = new RunReading(runId, this.#limits);
    for (let at = from; at.seq < worker.state.head.seq; ) {
      const reading = await this.#reader.after(worker, at, pageItems, pageBytes);
      if (reading.count === 0) break;
      for (const line of linesOf(reading)) {
        found.add(decodeEvent(textOf(line)), line.bytes.length);
        if (found.end) return found;
      }
      at = reading.at;
    }
    return found;
  }
}
