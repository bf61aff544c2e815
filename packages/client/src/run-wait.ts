import type { InputReceipt } from '@worker-runtime/core';
import type { Timing } from './options.ts';
import { RemoteError } from './remote-error.ts';
import { delay, retryDelayMs } from './retry-delay.ts';

/** The longest time that one request may wait. */
export const MAX_WAIT_MS = 60_000;

/** Returns the whole seconds for `Prefer: wait`, rounded up. */
export const waitSeconds = (waitMs: number): number => Math.ceil(Math.min(waitMs, MAX_WAIT_MS) / 1_000);

/** Generates an idempotency key. Uses no API that pages without HTTPS lack. */
export const generateKey = (): string =>
  `client-${Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, '0')).join('')}`;

/**
 * Waits for the run of an input by sending the same input with the same key again, since a replay waits, too. Continues
 * across lost connections and restarts until the time is over. `resend` waits for at most the given time.
 */
export const awaitRun = async (
  receipt: InputReceipt,
  waitMs: number,
  signal: AbortSignal | undefined,
  timing: Timing,
  resend: (waitMs: number) => Promise<InputReceipt>,
): Promise<InputReceipt> => {
  const until = performance.now() + waitMs;
  let failures = 0;
  for (let left = waitMs; left > 0 && !signal?.aborted; left = until - performance.now()) {
    const requestedMs = Math.min(left, MAX_WAIT_MS);
    const sentAt = performance.now();
    try {
      const { run } = await resend(requestedMs);
      if (run !== null) return { ...receipt, run };
      // an answer before the time is over means that the run itself waits for an answer to a request
      if (performance.now() - sentAt < requestedMs * 0.9) return receipt;
      failures = 0;
    } catch (error) {
      if (signal?.aborted) break;
      if (!(error instanceof RemoteError) || !error.retryable) throw error;
      failures += 1;
      await delay(Math.min(retryDelayMs(failures, timing), until - performance.now()), signal);
    }
  }
  return receipt;
};
