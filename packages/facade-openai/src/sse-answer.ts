import type { Exchange } from './openai-runtime.ts';

const HEADERS = {
  'content-type': 'text/event-stream',
  'cache-control': 'no-cache',
  'x-accel-buffering': 'no',
};

const encoder = new TextEncoder();

/** The frame with which a quiet stream shows that it is open. */
export const QUIET_FRAME = ': quiet\n\n';

/**
 * Returns an answer that streams frames. The next frame is made when the client has taken the last one. `failed` makes the last frames
 * after an error, and when the server has to end the answer.
 */
export const sseAnswer = (
  { request, ending }: Pick<Exchange, 'request' | 'ending'>,
  framesOf: (signal: AbortSignal) => AsyncGenerator<string>,
  failed: (error: unknown) => string,
): Response => {
  const left = new AbortController();
  const all = AbortSignal.any([left.signal, request.signal, ...(ending === null ? [] : [ending])]);
  const frames = framesOf(all);
  let isDone = false;
  const body = new ReadableStream<Uint8Array>(
    {
      async pull(stream) {
        if (isDone) return stream.close();
        try {
          const { done, value } = await frames.next();
          if (!done) return stream.enqueue(encoder.encode(value));
          isDone = true;
          // an observation that was aborted ends without an error
          if (ending?.aborted) return stream.enqueue(encoder.encode(failed(ending.reason)));
          return stream.close();
        } catch (error) {
          isDone = true;
          return stream.enqueue(encoder.encode(failed(error)));
        }
      },
      cancel: () => left.abort(),
    },
    { highWaterMark: 0 },
  );
  return new Response(body, { headers: HEADERS });
};
