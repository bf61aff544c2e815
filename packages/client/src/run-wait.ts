import type { RunWait } from '@worker-runtime/core';
import type { Timing } from './options.ts';
import { isOfNoRuntime, RemoteError } from './remote-error.ts';
import { delay, retryDelayMs } from './retry-delay.ts';

/** The longest time that one request may wait. */
export const MAX_WAIT_MS = 60_000;

/** A day: how long `waitForRun` waits by default. */
export const DEFAULT_WAIT_MS = 86_400_000;

/** The value for `Prefer: wait`, in whole seconds and never less than `waitMs`. */
export const waitSeconds = (waitMs: number): number => Math.ceil(Math.min(waitMs, MAX_WAIT_MS) / 1_000);

/** A key of the client's own, which makes it safe to send an input again. Also works in pages without HTTPS. */
export const generateKey = (): string =>
  `client-${Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, '0')).join('')}`;

/**
 * Waits for a run by requests of at most a minute each. Continues after lost connections and restarts while there is
 * time. `ask` sends one request that waits for the given time. `isKnown` is true if a runtime has answered before, so that an answer
 * of something else passes.
 */
export const awaitRun = async (
  waitMs: number,
  signal: AbortSignal | undefined,
  timing: Timing,
  isKnown: boolean,
  ask: (waitMs: number) => Promise<RunWait>,
): Promise<RunWait> => {
  const until = performance.now() + waitMs;
  let failures = 0;
  let hasAnswered = isKnown;
  for (let left = waitMs; !signal?.aborted; left = until - performance.now()) {
    try {
      const answer = await ask(Math.max(0, Math.min(left, MAX_WAIT_MS)));
      if (answer.waited !== 'timeout' || left <= MAX_WAIT_MS) return answer;
      failures = 0;
      hasAnswered = true;
    } catch (error) {
      if (signal?.aborted) break;
      if (!(error instanceof RemoteError) || left <= 0) throw error;
      if (!error.retryable && !(hasAnswered && isOfNoRuntime(error))) throw error;
      failures += 1;
      const pauseMs = retryDelayMs(failures, timing, error.retryAfterMs ?? 0);
      await delay(Math.min(pauseMs, Math.max(0, until - performance.now())), signal);
    }
  }
  return { waited: 'timeout', run: null };
};
