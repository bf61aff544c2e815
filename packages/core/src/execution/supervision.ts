import type { Clock } from '../contracts/clock.ts';
import type { RunInput } from '../contracts/engine.ts';
import type { NewEvent } from '../contracts/event.ts';
import type { Limits } from '../contracts/limits.ts';
import type { Logger } from '../contracts/logger.ts';
import type { CreateWorker } from '../contracts/runtime-api.ts';
import type { RuntimeError } from '../contracts/runtime-error.ts';
import type { TranscriptItem } from '../contracts/transcript.ts';
import type { Report } from '../diagnostics.ts';
import type { WorkerState } from '../domain/state.ts';
import type { Journal } from '../journal/journal.ts';
import type { Worker } from '../workers/worker.ts';
import type { Execution } from './execution.ts';
import type { RunDriver } from './run-driver.ts';

export type Decide = (state: WorkerState) => readonly NewEvent[];

/** What executions and run drivers need of the runtime. */
export interface Supervision {
  readonly runtimeId: string;
  readonly clock: Clock;
  readonly limits: Limits;
  readonly log: Logger;
  readonly report: (report: Report) => void;
  commit: Journal['commit'];
  /** Tries until it is committed, or can never be. `failed` hears of every try that was not. */
  persist(worker: Worker, decide: Decide, failed?: (error: RuntimeError) => void): Promise<void>;
  /** Whether a run that ends may be followed by a queued one at once. */
  startsNext(worker: Worker): boolean;
  /** True if the engine of a Worker declares that its runs may wait for requests. */
  allowsRequests(worker: Worker): boolean;
  /** Gives a run that was told to end the rest of the deadline, then detaches its execution. */
  expire(worker: Worker, driver: RunDriver): void;
  overdue(worker: Worker, driver: RunDriver): void;
  lost(worker: Worker, execution: Execution, error: unknown): void;
  /** Says in the log that an execution is gone. */
  close(worker: Worker, execution: Execution): void;
  beginRun(worker: Worker, execution: Execution, input: RunInput | null): Promise<void>;
  createChild(parent: Worker, spec: CreateWorker): Promise<{ readonly workerId: string }>;
  history(worker: Worker, assert: () => void): AsyncIterable<TranscriptItem>;
}
