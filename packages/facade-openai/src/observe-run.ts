import type { Observation } from '@worker-runtime/core';
import { observeOrQuiet } from '@worker-runtime/core/plugin-kit';
import type { Exchange } from './openai-runtime.ts';

/** Observes a Worker for a request, with `quiet` while nothing happens. @throws the error with which the answer has to end */
export const observeRun = (
  { runtime, request, ending }: Exchange,
  workerId: string,
  after: string,
  left: readonly AbortSignal[] = [],
): AsyncGenerator<Observation | 'quiet'> =>
  observeOrQuiet({ runtime, workerId, after, left: [request.signal, ...left], ending });
