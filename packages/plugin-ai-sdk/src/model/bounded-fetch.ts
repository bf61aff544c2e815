import { RuntimeError } from '@worker-runtime/core';

/** Resolves with the promise. Rejects when the signal fires, even if the promise does not settle. */
const orAborted = <T>(promise: Promise<T>, signal: AbortSignal | null | undefined): Promise<T> => {
  if (!signal) return promise;
  return new Promise((resolve, reject) => {
    const abort = (): void => reject(signal.reason);
    if (signal.aborted) abort();
    signal.addEventListener('abort', abort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort));
  });
};

/**
 * Creates a `fetch` with three differences to the global one:
 * - The size of a response is limited, because error bodies and endless lines would otherwise be buffered in memory.
 * - A redirect fails, because not every kind of key is removed from a request that is redirected.
 * - An abort always takes effect. The global `fetch` holds its signal weakly, so that after a garbage collection an
 *   abort may do nothing (https://github.com/nodejs/node/issues/55428).
 * @throws OUTPUT_TOO_LARGE while the body is read
 */
export const boundedFetch =
  (maxBytes: number): typeof fetch =>
  async (input, init) => {
    const signal = init?.signal;
    const pending = fetch(input, { ...init, redirect: 'error' });
    // A response that arrives after the abort is released.
    pending.then((late) => (signal?.aborted ? late.body?.cancel() : undefined)).catch(() => {});
    const response = await orAborted(pending, signal);
    if (!response.body) return response;
    let bytes = 0;
    const count = new TransformStream<Uint8Array, Uint8Array>({
      transform: (chunk, controller) => {
        bytes += chunk.byteLength;
        if (bytes > maxBytes)
          throw new RuntimeError('OUTPUT_TOO_LARGE', `The provider sent more than ${maxBytes} bytes`);
        controller.enqueue(chunk);
      },
    });
    const counted = response.body.pipeThrough(count, signal ? { signal } : {});
    const { status, statusText, headers } = response;
    return new Response(counted, { status, statusText, headers });
  };
