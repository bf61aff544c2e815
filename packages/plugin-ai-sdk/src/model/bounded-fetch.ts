import { RuntimeError } from '@worker-runtime/core';

/** Rejects when the signal fires, whatever happens to the promise. */
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
 * `fetch` that ends an answer beyond so many bytes: also a provider's error, and a line that never ends, would else be
 * gathered in memory. Redirects are refused: not every key is taken off a request that is sent elsewhere. And it ends
 * when its signal fires: the one of Node holds on to its signal weakly, so that after a garbage collection an abort may
 * do nothing (https://github.com/nodejs/node/issues/55428).
 * @throws OUTPUT_TOO_LARGE while the body is read
 */
export const boundedFetch =
  (maxBytes: number): typeof fetch =>
  async (input, init) => {
    const signal = init?.signal;
    const asked = fetch(input, { ...init, redirect: 'error' });
    // one that comes when nobody waits any more is not read
    asked.then((late) => (signal?.aborted ? late.body?.cancel() : undefined)).catch(() => {});
    const response = await orAborted(asked, signal);
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
