import type { RunError } from '../contracts/event.ts';
import type { StopOutcome } from '../contracts/runtime-api.ts';
import type { Live } from '../workers/live.ts';
import type { LiveExecution } from '../workers/live-state.ts';
import type { Worker } from '../workers/worker.ts';
import type { Deadline } from './deadline.ts';
import type { Execution } from './execution.ts';
import type { RunDriver } from './run-driver.ts';
import type { Stall } from './stalls.ts';

/** The execution state of one live Worker. */
export class ExecutionState implements LiveExecution {
  execution: Execution | null = null;
  attaching: Promise<Execution> | null = null;
  /** The driver of the active run. It stays until the run has ended, also if its execution was fenced. */
  driver: RunDriver | null = null;
  /** True if the config or the tools have changed since the execution was attached. It ends after its run. */
  isOutdated = false;
  stopping: Promise<StopOutcome> | null = null;
  /** The deadline of the stop in progress. */
  stopDeadline: Deadline | null = null;
  /** Set while queued inputs are blocked. */
  stall: Stall | null = null;

  get isConnected(): boolean {
    return this.execution !== null;
  }

  get files(): readonly string[] | undefined {
    return this.isOutdated ? undefined : this.execution?.files;
  }

  get isBusy(): boolean {
    return this.attaching !== null || this.stopping !== null || this.stall !== null;
  }

  get blockedBy(): RunError | null {
    return this.execution === null && this.stall !== null ? this.stall.error : null;
  }
}

export const executionStateOf = (live: Live): ExecutionState => {
  if (live.execution instanceof ExecutionState) return live.execution;
  const state = new ExecutionState();
  live.execution = state;
  return state;
};

/** The execution state of a Worker; null if the Worker is not live or has had no execution since it became live. */
export const findExecutionState = ({ live }: Worker): ExecutionState | null =>
  live?.execution instanceof ExecutionState ? live.execution : null;
