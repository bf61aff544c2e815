const HEADERS = {
  'content-type': 'text/event-stream',
  'cache-control': 'no-cache',
  'x-accel-buffering': 'no',
};

const encoder = new TextEncoder();

/** The frame with which a quiet stream shows that it is open. */
export const QUIET_FRAME = ': quiet\n\n';

export interface SseAnswer {
  /** Makes the frames. The signal aborts when the client no longer reads them. */
  readonly frames: (left: AbortSignal) => AsyncGenerator<string>;
  /** Makes the last frames after an error of `frames`. */
  readonly failed: (error: unknown) => string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Returns an answer that streams frames. The next frame is made when the client has taken the last one. */
export const sseAnswer = ({ frames, failed, headers = {} }: SseAnswer): Response => {
  const left = new AbortController();
  const made = frames(left.signal);
  let isDone = false;
  const body = new ReadableStream<Uint8Array>(
    {
      async pull(stream) {
        if (isDone) return stream.close();
        try {
          const { done, value } = await made.next();
          if (done) return stream.close();
          stream.enqueue(encoder.encode(value));
        } catch (error) {
          isDone = true;
          stream.enqueue(encoder.encode(failed(error)));
        }
      },
      cancel: () => left.abort(),
    },
    { highWaterMark: 0 },
  );
  return new Response(body, { headers: { ...HEADERS, ...headers } });
};
