import type { InputReceipt } from '@worker-runtime/core';
import type { Timing } from './options.ts';
import { RemoteError } from './remote-error.ts';
import { pause, pauseMs } from './retry-delay.ts';

/** The longest that one request may wait. */
export const MAX_WAIT_MS = 60_000;

/** In `Prefer: wait`, whole seconds: never less than was asked for. */
export const waitSeconds = (waitMs: number): number => Math.ceil(Math.min(waitMs, MAX_WAIT_MS) / 1_000);

/** A key of the client's own, for an input that is asked after more than once. Works in pages without HTTPS, too. */
export const mintKey = (): string =>
  `client-${Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, '0')).join('')}`;

/**
 * Waits for the run of an input by asking for its answer again, since a replay waits, too; over cuts and restarts, as
 * long as there is time. `ask` sends the same input with the same key, to wait for so long.
 */
export const awaitRun = async (
  receipt: InputReceipt,
  waitMs: number,
  signal: AbortSignal | undefined,
  timing: Timing,
  ask: (waitMs: number) => Promise<InputReceipt>,
): Promise<InputReceipt> => {
  const until = performance.now() + waitMs;
  let failures = 0;
  for (let left = waitMs; left > 0 && !signal?.aborted; left = until - performance.now()) {
    const asked = Math.min(left, MAX_WAIT_MS);
    const since = performance.now();
    try {
      const { run } = await ask(asked);
      if (run !== null) return { ...receipt, run };
      // it came early, so the run waits for an answer itself
      if (performance.now() - since < asked * 0.9) return receipt;
      failures = 0;
    } catch (error) {
      if (signal?.aborted) break;
      if (!(error instanceof RemoteError) || !error.retryable) throw error;
      failures += 1;
      await pause(Math.min(pauseMs(failures, timing), until - performance.now()), signal);
    }
  }
  return receipt;
};
