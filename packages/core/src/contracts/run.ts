import type { Cursor } from './cursor.ts';
import type { RunError, RunOutcome } from './event.ts';
import type { UsageTotals } from './overview.ts';
import type { TranscriptItem } from './transcript.ts';
import type { WorkerStatus } from './worker.ts';

export interface InputReceipt {
  readonly inputId: string;
  /** The run that works on this input. It may not have started yet. */
  readonly runId: string;
  /** The number of the event `input.accepted`. */
  readonly seq: number;
  /** The position just before `input.accepted`: a stream opened here delivers the whole run. */
  readonly cursor: Cursor;
  /** True if the input waits for the end of an earlier run. */
  readonly queued: boolean;
  /**
   * The finished run. Null unless `waited` is `finished`, and also if the Worker was deleted in the meantime or the log
   * could not be read.
   */
  readonly run: RunResult | null;
  /** The reason for which the waiting ended. Null if the call did not ask to wait. */
  readonly waited: WaitEnd | null;
  /** True if an earlier call with the same idempotency key had this effect. */
  readonly replayed: boolean;
}

/**
 * The end of waiting for a run. `finished`: the run has finished. `asks`: it has open requests, see `listRequests`.
 * `timeout`: `waitMs` passed, or the signal was aborted. `stopping`: the runtime stops; a queued run stays queued.
 */
export type WaitEnd = 'finished' | 'asks' | 'timeout' | 'stopping';

export interface WaitOptions {
  /** The longest time to wait, in milliseconds. */
  readonly waitMs?: number;
  /** Ends the waiting early, as `waitMs` does. Does not cancel the run. */
  readonly signal?: AbortSignal;
}

/** The result of `waitForRun`. */
export interface RunWait {
  readonly waited: WaitEnd;
  /** The finished run. Null unless `waited` is `finished`. */
  readonly run: RunResult | null;
}

/** A finished run. */
export interface RunResult {
  readonly runId: string;
  readonly outcome: RunOutcome;
  /** The messages and tool calls of the run. If they exceed one page, the earliest are left out. */
  readonly messages: readonly TranscriptItem[];
  readonly usage: UsageTotals;
  readonly error: RunError | null;
}

export interface CancelOutcome {
  /** True if this call ended a run. */
  readonly changed: boolean;
  readonly status: WorkerStatus;
}

/** A run, as the log describes it. */
export interface RunInfo {
  readonly runId: string;
  /** The input that the run works on, or null for a run that its engine began without one. */
  readonly inputId: string | null;
  /** `queued`: its input waits for the end of earlier runs. */
  readonly status: 'queued' | 'running' | 'waiting' | 'finished';
  /** A stream opened here delivers the run from its beginning: from `input.accepted` if it is queued, else from `run.started`. */
  readonly cursor: Cursor;
  readonly startedAt: string | null;
  readonly finishedAt: string | null;
  readonly outcome: RunOutcome | null;
  readonly error: RunError | null;
  /** The tokens used so far. */
  readonly usage: UsageTotals;
}
