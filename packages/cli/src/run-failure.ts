/** The failures of a command that waits for a run. */
import type { RunError, RunOutcome } from '@worker-runtime/core';
import { EXIT, Failure } from './failure.ts';

/** Creates the failure for a run that ended with another outcome than `completed`. */
export const runNotCompleted = (outcome: RunOutcome, error: RunError | null = null): Failure =>
  new Failure(
    EXIT.failed,
    `the run ${outcome === 'failed' ? outcome : `was ${outcome}`}${error === null ? '' : `: ${error.code}: ${error.message}`}`,
  );

/** Creates the failure for a run that has not ended. The run continues, and a person can answer it with `attach`. */
export const runNotEnded = (runId: string, reason: string, workerId: string): Failure =>
  new Failure(EXIT.failed, `${runId} ${reason}; continue with: worker-runtime attach ${workerId}`);
