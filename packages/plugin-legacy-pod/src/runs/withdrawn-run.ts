import type { EngineOutput } from '@worker-runtime/core';

/** True if this error of a pod means that the run was cancelled. */
export const isCancelled = (message: string): boolean => message === 'Cancelled';

/** Returns the output that ends a run which neither completed nor failed, for a reason outside this runtime. */
export const withdrawnRun = (reason: string): readonly EngineOutput[] => [{ type: 'withdrawn', reason }];

/** Returns the output that ends a run which another client of the pod ended. */
export const withdrawnByClient = (
  how: 'cancelled' | 'rolled back' | 'abandoned' | 'ended',
): readonly EngineOutput[] => withdrawnRun(`${how} by another client of the pod`);
