import type { EngineOutput } from '@worker-runtime/core';

/** Whether an error of a pod is the mark of a run that somebody cancelled. */
export const isCancelled = (message: string): boolean => message === 'Cancelled';

/** The end of a run that this runtime did not end, and that did not fail either. */
export const calledOff = (
  how: 'cancelled' | 'taken back' | 'abandoned' | 'ended',
): readonly EngineOutput[] => [{ type: 'withdrawn', reason: `${how} by another client of the pod` }];
