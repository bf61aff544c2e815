import { RuntimeError } from '@worker-runtime/core';

/**
 * `fetch` that ends an answer beyond so many bytes: also a provider's error, and a line that never ends, would else be
 * gathered in memory. Redirects are refused: not every key is taken off a request that is sent elsewhere.
 * @throws OUTPUT_TOO_LARGE while the body is read
 */
export const boundedFetch =
  (maxBytes: number): typeof fetch =>
  async (input, init) => {
    const response = await fetch(input, { ...init, redirect: 'error' });
    if (!response.body) return response;
    let bytes = 0;
    const counted = response.body.pipeThrough(
      new TransformStream<Uint8Array, Uint8Array>({
        transform: (chunk, controller) => {
          bytes += chunk.byteLength;
          if (bytes > maxBytes)
            throw new RuntimeError('OUTPUT_TOO_LARGE', `The provider sent more than ${maxBytes} bytes`);
          controller.enqueue(chunk);
        },
      }),
    );
    const { status, statusText, headers } = response;
    return new Response(counted, { status, statusText, headers });
  };
