const HEADERS = {
  'content-type': 'text/event-stream',
  'cache-control': 'no-cache',
  'x-accel-buffering': 'no',
};

const encoder = new TextEncoder();

/** The frame with which a quiet stream shows that it is open. */
export const QUIET_FRAME = ': quiet\n\n';

/**
 * Returns an answer that streams frames. The next frame is made when the client has taken the last one. `framesOf` returns true if the
 * client knows the end. `failed` makes the last frames after an error, and when the server has to end the answer before.
 */
export const sseAnswer = (
  { request, ending }: { readonly request: Request; readonly ending: AbortSignal | null },
  framesOf: (signal: AbortSignal) => AsyncGenerator<string, boolean>,
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
        const send = (text: string): void => stream.enqueue(encoder.encode(text));
        try {
          const next = await frames.next();
          if (!next.done) return send(next.value);
          isDone = true;
          // an observation that was aborted ends without an error
          return ending?.aborted && !next.value ? send(failed(ending.reason)) : stream.close();
        } catch (error) {
          isDone = true;
          return send(failed(error));
        }
      },
      cancel: () => left.abort(),
    },
    { highWaterMark: 0 },
  );
  return new Response(body, { headers: HEADERS });
};
