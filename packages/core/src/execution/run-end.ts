import type { NewEvent, RunError } from '../contracts/event.ts';
import { ERROR_CODES, outputTooLarge, RuntimeError } from '../contracts/runtime-error.ts';
import type { Report } from '../diagnostics.ts';
import type { Remark, RunEnd } from '../domain/decide.ts';
import { publicError } from '../plugin-kit/public-text.ts';
import { EngineOutputError } from './engine-output.ts';

/** The reason why a run was asked to end. The first reason counts. */
export type CancelReason = 'cancel' | 'stop' | 'deadline' | 'shutdown';

const ENDS: Record<CancelReason, RunEnd> = {
  cancel: { outcome: 'cancelled' },
  stop: { outcome: 'cancelled' },
  deadline: { outcome: 'failed', error: { code: 'RUN_DEADLINE', message: 'The run took too long' } },
  shutdown: { outcome: 'interrupted' },
};

const FAILED: RunError = { code: 'ENGINE_FAILED', message: 'The engine failed' };

/** The events of an end whose size no engine determines. */
const BOUNDED = new Set<NewEvent['type']>([
  'step.finished',
  'run.finished',
  'execution.detached',
  'run.started',
]);

/** The run that failed, and the place for what only the operator may see of its failure. */
export interface FailedRun {
  readonly worker: string;
  readonly runId: string;
  readonly report: (report: Report) => void;
}

/** Returns the end of a run that was asked to end. */
export const askedEnd = (reason: CancelReason, remark: Remark): RunEnd => ({ ...ENDS[reason], ...remark });

/** Returns the public form of a failure. Reports a failure whose cause only the operator may see. */
const errorOf = (failure: unknown, { worker, runId, report }: FailedRun): RunError => {
  if (failure instanceof RuntimeError) {
    const { code, message } = publicError(failure);
    return { code, message };
  }
  const isInvalid = failure instanceof EngineOutputError;
  report({
    severity: 'error',
    code: 'ENGINE_FAILED',
    message: isInvalid
      ? `An engine yielded an invalid output: ${failure.message}`
      : 'An engine threw during a run',
    worker,
    details: { runId, ...(isInvalid && { field: failure.field }) },
    cause: failure,
  });
  return isInvalid ? { code: 'ENGINE_FAILED', message: 'The engine yielded an invalid output' } : FAILED;
};

/** Returns the end of a run that failed. */
export const failedEnd = (failure: unknown, run: FailedRun): RunEnd => {
  try {
    return { outcome: 'failed', error: errorOf(failure, run) };
  } catch {
    // an object of the engine whose members throw when they are read
    return { outcome: 'failed', error: FAILED };
  }
};

/** Returns the end of a run that would have completed, but whose text exceeds the limit of an event. */
export const textLost = (eventBytes: number): RunEnd => {
  const { code, message } = outputTooLarge(
    'eventBytes',
    eventBytes,
    'The event exceeds the limit for one event',
  );
  return { outcome: 'failed', error: { code, message } };
};

/** Reduces an end to what can always be encoded: the outcome, and the title of the error. */
export const lastResort = ({ outcome, error }: RunEnd): RunEnd => ({
  outcome,
  ...(error && {
    error: Object.hasOwn(ERROR_CODES, error.code)
      ? { code: error.code, message: ERROR_CODES[error.code].title }
      : FAILED,
  }),
});

/** True if no engine determines the size of an event, so that it can always be written. */
export const isBounded = ({ type }: NewEvent): boolean => BOUNDED.has(type);
