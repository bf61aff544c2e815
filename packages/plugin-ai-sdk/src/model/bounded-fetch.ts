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

/** The dispatcher of HTTP requests that the global `fetch` uses, as far as it is used here. */
interface Dispatcher {
  dispatch(options: object, handler: object): boolean;
}

/**
 * The places of the dispatcher in the versions of Node, the newest first. A host sets another dispatcher there, such as that
 * of a proxy.
 */
const PLACES = [2, 1].map((version) => Symbol.for(`undici.globalDispatcher.${version}`));

const globalDispatcher = (): Dispatcher | undefined => {
  const { [PLACES.find((place) => place in globalThis) ?? '']: dispatcher } = globalThis as unknown as {
    readonly [place: symbol | string]: Dispatcher | undefined;
  };
  return dispatcher;
};

/**
 * Sends requests by the dispatcher of the process, without its time limits: it ends a request without an answer, and a
 * silent answer, after 300 seconds. A local model may be silent for longer, and so may a tool server that asks people. All
 * callers have limits of their own.
 */
const patientDispatcher: Dispatcher = {
  dispatch: (options, handler) =>
    (globalDispatcher() as Dispatcher).dispatch({ ...options, headersTimeout: 0, bodyTimeout: 0 }, handler),
};

// Node creates its dispatcher when one of its classes for HTTP is first used.
void Response;

/** Returns the options of a request without time limits. A runtime that has no such dispatcher keeps its own limits. */
const withoutTimeouts = (init: RequestInit): RequestInit =>
  globalDispatcher() ? ({ ...init, dispatcher: patientDispatcher } as RequestInit) : init;

/**
 * Creates a `fetch` with four differences to the global one:
 * - It waits as long as its caller does (see `patientDispatcher`).
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
    const pending = fetch(input, withoutTimeouts({ ...init, redirect: 'error' }));
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
