import type { WorkerEvent } from '../contracts/event.ts';
import type { Limits } from '../contracts/limits.ts';
import type { RunResult } from '../contracts/run.ts';
import type { WorkerState } from '../domain/state.ts';
import type { LogPosition } from '../log/cursor.ts';
import { RunReading } from './run-reading.ts';

/** The most bytes of a log that one wait follows, because each of many waits keeps what it has followed. */
const FOLLOWED_BYTES = 16_384;

/**
 * True if the runtime itself made every value that a result takes from the event. The input of a tool call is an object that its engine may
 * change afterwards.
 */
const isOwn = (event: WorkerEvent): boolean => {
  switch (event.type) {
    case 'tool.called':
    case 'tool.finished':
      return false;
    case 'message.completed':
      return event.data.parts.every((part) => !('opaque' in part));
    default:
      return true;
  }
};

/**
 * The result of a run, folded from its events when they are committed. This saves most waits the second reading of lines that were
 * just written. A run that is long or that called tools is not followed further, and its result is read from the log.
 */
export class FollowedRun {
  readonly #from: LogPosition;
  readonly #mostBytes: number;
  #reading: RunReading | null;

  /** `from` is a position before the first output of the run. */
  constructor(runId: string, from: LogPosition, limits: Limits) {
    this.#from = from;
    this.#mostBytes = Math.min(FOLLOWED_BYTES, limits.pageBytes);
    this.#reading = new RunReading(runId, limits);
  }

  /** Adds what was committed to the log, and `head`, the end of the log after it. */
  add(events: readonly WorkerEvent[], { head }: Pick<WorkerState, 'head'>): void {
    const reading = this.#reading;
    if (reading === null) return;
    if (head.end - this.#from.end > this.#mostBytes) {
      this.#reading = null;
      return;
    }
    for (const event of events) {
      // the lines of all followed events together fit into a page, so none has to be measured
      if (isOwn(event)) reading.add(event, 0);
      else this.#reading = null;
    }
  }

  /** The result, or null if it must be read from the log. */
  get result(): RunResult | null {
    return this.#reading?.result ?? null;
  }
}
