/** Requests that wait for the next process while a server is replaced. */
import { setTimeout as delay } from 'node:timers/promises';
import { isUnsent } from './client-failure.ts';

/** The longest time for which a request is repeated. A server stops within 10 seconds. */
const PATIENCE_MS = 10_000;
const RETRY_MS = 100;

/** The code of a refusal, or null for any other answer. */
const codeOf = async (response: Response): Promise<unknown> => {
  if (response.status !== 503) return null;
  const body = (await response
    .clone()
    .json()
    .catch(() => null)) as { readonly code?: unknown } | null;
  return body?.code ?? null;
};

/** True if sending a request twice has no further effect. */
const isRepeatable = ({ method, headers }: RequestInit): boolean =>
  method === undefined || method === 'GET' || new Headers(headers).has('idempotency-key');

/**
 * `fetch`, which repeats a request while the server that it reaches starts or stops. A server that is not ready has not begun it; one
 * that stops may have, so that only a repeatable request is sent again. A server that is simply not there is reported at once.
 */
export const fetchThroughRestart = async (
  input: Parameters<typeof fetch>[0],
  init: RequestInit = {},
): Promise<Response> => {
  const until = performance.now() + PATIENCE_MS;
  for (let isRestart = false; ; isRestart = true) {
    try {
      const response = await fetch(input, init);
      const code = await codeOf(response);
      const isWorthIt = code === 'RUNTIME_NOT_READY' || (code === 'RUNTIME_STOPPING' && isRepeatable(init));
      if (!isWorthIt || performance.now() > until) return response;
      await response.body?.cancel();
    } catch (error) {
      if (!isRestart || !isUnsent(error) || performance.now() > until) throw error;
    }
    await delay(RETRY_MS, undefined, { signal: init.signal ?? undefined });
  }
};
