/** The failures of a command that waits for a run. */
import type { RunError, RunOutcome, RunWait, WaitEnd } from '@worker-runtime/core';
import { EXIT, Failure } from './failure.ts';

/** Creates the failure for a run that ended with another outcome than `completed`. */
export const runNotCompleted = (outcome: RunOutcome, error: RunError | null = null): Failure =>
  new Failure(
    EXIT.failed,
    `the run ${outcome === 'failed' ? outcome : `was ${outcome}`}${error === null ? '' : `: ${error.code}: ${error.message}`}`,
    { code: 'RUN_NOT_COMPLETED', details: { outcome, error } },
  );

/** The reasons why a run was not waited for to its end. */
const NOT_ENDED: Readonly<Record<Exclude<WaitEnd, 'finished'>, (seconds: number) => string>> = {
  asks: () => 'waits for an answer',
  timeout: (seconds) => `did not finish within ${seconds} s`,
  stopping: () => 'has not finished, and the runtime is stopping',
};

/** Creates the failure for a run that has not ended. The run continues, and a person can answer it with `attach`. */
export const runNotEnded = (
  workerId: string,
  runId: string,
  reason: Exclude<WaitEnd, 'finished'>,
  seconds = 0,
): Failure =>
  new Failure(
    EXIT.failed,
    `${runId} ${NOT_ENDED[reason](seconds)}; continue with: worker-runtime attach ${workerId}`,
    { code: 'RUN_NOT_ENDED', details: { workerId, runId, waited: reason } },
  );

/** Checks the end of a wait of some seconds. @throws Failure the run has not ended, or did not complete */
export const assertCompleted = (
  workerId: string,
  runId: string,
  { waited, run }: RunWait,
  seconds: number,
): void => {
  if (waited !== 'finished') throw runNotEnded(workerId, runId, waited, seconds);
  if (run !== null && run.outcome !== 'completed') throw runNotCompleted(run.outcome, run.error);
};
