import { decodeEvent, type EventData } from '../contracts/event.ts';
import type { Limits } from '../contracts/limits.ts';
import { addUsage, NO_USAGE, type UsageTotals } from '../contracts/overview.ts';
import type { RunInfo, RunResult } from '../contracts/runtime-api.ts';
import { RuntimeError } from '../contracts/runtime-error.ts';
import { type TranscriptItem, transcriptItem } from '../contracts/transcript.ts';
import { encodeCursor, type LogPosition } from '../log/cursor.ts';
import { linesOf, textOf } from '../log/lines.ts';
import type { LogReader } from '../log/log-reader.ts';
import type { Worker } from '../workers/worker.ts';
import { findRun } from './run-search.ts';

/** The events of one run, folded. */
interface RunReading {
  inputId: string | null;
  startedAt: string | null;
  finishedAt: string | null;
  end: EventData['run.finished'] | null;
  usage: UsageTotals;
  /** The messages and tool calls. If they exceed one page, the earliest are left out. */
  readonly messages: TranscriptItem[];
}

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
    const { end, messages, usage } = start ? await this.#read(worker, runId, start) : { end: null };
    if (!end) throw notFound(runId, worker);
    return { runId, outcome: end.outcome, messages, usage, error: end.error ?? null };
  }

  /** Reads the events of a run after a position, up to its end or the end of the log. */
  async #read(worker: Worker, runId: string, from: LogPosition): Promise<RunReading> {
    const { pageItems, pageBytes } = this.#limits;
    const found: RunReading = {
      inputId: null,
      startedAt: null,
      finishedAt: null,
      end: null,
      usage: NO_USAGE,
      messages: [],
    };
    const sizes: number[] = [];
    let bytes = 0;
    for (let at = from; at.seq < worker.state.head.seq; ) {
      const reading = await this.#reader.after(worker, at, pageItems, pageBytes);
      if (reading.count === 0) break;
      for (const line of linesOf(reading)) {
        const event = decodeEvent(textOf(line));
        if (event.run !== runId) continue;
        if (event.type === 'usage.recorded') found.usage = addUsage(found.usage, event.data);
        if (event.type === 'input.accepted') found.inputId = event.data.input;
        if (event.type === 'run.started') {
          found.startedAt = event.time;
          found.inputId = event.data.input ?? null;
        }
        if (event.type === 'run.finished') {
          found.finishedAt = event.time;
          found.end = event.data;
          return found;
        }
        const item = event.type === 'input.accepted' ? null : transcriptItem(event);
        if (!item) continue;
        found.messages.push(item);
        sizes.push(line.bytes.length);
        bytes += line.bytes.length;
        while (found.messages.length > 1 && (bytes > pageBytes || found.messages.length > pageItems)) {
          found.messages.shift();
          bytes -= sizes.shift() ?? 0;
        }
      }
      at = reading.at;
    }
    return found;
  }
}
