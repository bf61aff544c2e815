/** The ends of a run that fail whoever waited for its answer. */
import type { RunError, RunOutcome } from '@worker-runtime/core';
import { EXIT, Failure } from './failure.ts';

export const notCompleted = (outcome: RunOutcome, error: RunError | null = null): Failure =>
  new Failure(
    EXIT.failed,
    `the run ${outcome === 'failed' ? outcome : `was ${outcome}`}${error === null ? '' : `: ${error.code}: ${error.message}`}`,
  );

/** It goes on once somebody answers, who may do so here. */
export const leftOn = (runId: string, how: string, workerId: string): Failure =>
  new Failure(EXIT.failed, `${runId} ${how}; see: worker-runtime attach ${workerId}`);
