import { type ClientOptions, type RuntimeClient, runtimeClient } from '../src/index.ts';

/** A request that the client sent. */
export interface SentRequest {
  readonly url: URL;
  readonly method: string;
  readonly headers: Headers;
  readonly body: unknown;
}

type Reply = (request: SentRequest, signal: AbortSignal) => Response | Promise<Response>;

export interface Canned {
  readonly api: RuntimeClient;
  readonly sent: readonly SentRequest[];
}

/** Creates a client with a `fetch` that returns the given replies in order, and then repeats the last one. */
export const canned = (replies: readonly Reply[], options: Partial<ClientOptions> = {}): Canned => {
  const sent: SentRequest[] = [];
  const api = runtimeClient({
    url: 'http://runtime.test/base/',
    retryMs: 1,
    retryMaxMs: 2,
    ...options,
    fetch: async (input, init) => {
      const { body } = init ?? {};
      const request: SentRequest = {
        url: new URL(input as string),
        method: init?.method ?? 'GET',
        headers: new Headers(init?.headers),
        body: typeof body === 'string' ? JSON.parse(body) : null,
      };
      sent.push(request);
      const reply = replies[Math.min(sent.length, replies.length) - 1];
      if (!reply || !init?.signal) throw new TypeError('a reply and a signal are required');
      return reply(request, init.signal);
    },
  });
  return { api, sent };
};

export const json = (body: unknown, status = 200, headers: Readonly<Record<string, string>> = {}): Reply => {
  return () =>
    new Response(JSON.stringify(body), {
      status,
      headers: { 'content-type': 'application/json', ...headers },
    });
};

export const text = (body: string, status: number, headers: Readonly<Record<string, string>> = {}): Reply => {
  return () => new Response(body, { status, headers });
};

export const down: Reply = () => {
  throw new TypeError('fetch failed', { cause: new Error('connect ECONNREFUSED 10.1.2.3:8787') });
};

/** Never answers and ignores an abort, like the `fetch` of Node after its signal was garbage-collected. */
export const hanging: Reply = () => new Promise(() => {});

/** Answers with a stream of this text. The stream then ends, or with `isOpen` stays silent and ignores an abort. */
export const stream = (frames: string, isOpen = false): Reply => {
  return () => {
    const body = new ReadableStream<Uint8Array>({
      start(controller) {
        controller.enqueue(new TextEncoder().encode(frames));
        if (!isOpen) controller.close();
      },
    });
    return new Response(body, { headers: { 'content-type': 'text/event-stream; charset=utf-8' } });
  };
};

export const problem = (
  code: string,
  status: number,
  more: object = {},
  headers: Readonly<Record<string, string>> = {},
): Reply =>
  text(
    JSON.stringify({
      code,
      status,
      title: 'Title',
      detail: 'what is wrong',
      retryable: false,
      details: {},
      correlationId: 'c-1',
      ...more,
    }),
    status,
    { 'content-type': 'application/problem+json', ...headers },
  );
