import { errorFromResponse } from './error-response.ts';
import { assertDigest } from './file-digest.ts';
import { authorizationOf, type ClientOptions, type Timing } from './options.ts';
import { notARuntime, unreachable } from './remote-error.ts';
import { delay } from './retry-delay.ts';

export interface Call {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** The path below the runtime, such as `/workers/ada`. */
  readonly path: string;
  readonly query?: URLSearchParams;
  readonly headers?: Readonly<Record<string, string>>;
  /** The body, sent as JSON. Undefined sends no body. */
  readonly body?: unknown;
  /** Instead of `body`: bytes, whose media type `headers` has. */
  readonly bytes?: Uint8Array;
  /** True if sending the request twice has no further effect. A GET and a call with an idempotency key always are. */
  readonly isRepeatable?: boolean;
  /** The time that the call itself may wait, in addition to the time limit for an answer. */
  readonly extraMs?: number;
  readonly signal?: AbortSignal | undefined;
}

/** An answer of bytes. */
export interface BytesAnswer {
  readonly headers: Headers;
  readonly bytes: Uint8Array;
}

export interface Answer {
  readonly headers: Headers;
  /** The parsed body, whose shape depends on the route. Null if the answer has no body. */
  readonly body: unknown;
}

/** An open stream of bytes. `abort` ends it at any time. */
export interface OpenResponse {
  readonly status: number;
  /** The id of the runtime that answered, or null if the answer does not have it. */
  readonly runtimeId: string | null;
  readonly body: ReadableStream<Uint8Array>;
  readonly abort: () => void;
}

/** The delay before the second try. After it, `fetch` has noticed all connections that closed along with the first one. */
const SECOND_TRY_MS = 20;

const INCOMPLETE = 'The answer is incomplete';

/** Leaves the body of an answer to the caller. */
const withoutBody = async (): Promise<null> => null;

// a timer with a longer delay fires at once
const MAX_TIMER_MS = 2_147_483_647;

/** Settles as the attempt does, or rejects as soon as the signal aborts. */
const untilAborted = <T>(attempt: Promise<T>, signal: AbortSignal): Promise<T> =>
  new Promise((resolve, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason), { once: true });
    attempt.then(resolve, reject);
  });

/** Sends calls as HTTP requests, and converts responses to answers or typed errors. */
export class Connection {
  readonly #base: string;
  readonly #authorization: Readonly<Record<string, string>>;
  readonly #fetch: typeof fetch;
  readonly #timing: Timing;

  /** Paths of calls are below `base`. */
  constructor(base: string, options: Omit<ClientOptions, 'url' | 'runtime'>, timing: Timing) {
    this.#base = base;
    this.#authorization = authorizationOf(options);
    const { fetch: customFetch } = options;
    // not called as a method of this object, which browsers refuse
    this.#fetch = customFetch ? (...args) => customFetch(...args) : (...args) => globalThis.fetch(...args);
    this.#timing = timing;
  }

  /**
   * Sends one request and reads the whole answer.
   * @throws RUNTIME_UNREACHABLE · VERSION_UNSUPPORTED · any refusal of the runtime · the reason of the signal
   */
  async call(call: Call): Promise<Answer> {
    return this.#limited(call, async (abort) => {
      const [response, text] = await this.#send(call, abort.signal, 'application/json', (answer) =>
        answer.text(),
      );
      if (!response.ok) throw errorFromResponse(response.status, response.headers, text);
      if (response.status === 204) return { headers: response.headers, body: null };
      try {
        return { headers: response.headers, body: JSON.parse(text) as unknown };
      } catch (cause) {
        // without a length, a connection that was lost ends the answer like any other
        const isJson = response.headers.get('content-type')?.startsWith('application/json');
        throw isJson ? unreachable(INCOMPLETE, cause) : notARuntime(response.status, cause);
      }
    });
  }

  /** Sends one request whose answer is bytes with this digest, and reads the whole answer. @throws as `call` */
  async read(call: Call, digest: string): Promise<BytesAnswer> {
    return this.#limited(call, async (abort) => {
      const [{ ok, status, headers }, bytes] = await this.#send(call, abort.signal, '*/*', async (answer) => {
        const body = new Uint8Array(await answer.arrayBuffer());
        if (answer.ok) await assertDigest(body, digest);
        return body;
      });
      if (!ok) throw errorFromResponse(status, headers, new TextDecoder().decode(bytes));
      return { headers, bytes };
    });
  }

  /** Sends one request, and returns an answer of success whose body is not read yet. @throws as `call` */
  async answer(call: Call, accept: string): Promise<Response> {
    return this.#limited(call, async (abort) => {
      const [response] = await this.#send(call, abort.signal, accept, withoutBody);
      if (!response.ok)
        throw errorFromResponse(response.status, response.headers, await response.text().catch(() => ''));
      return response;
    });
  }

  /** Opens a stream. @throws as `call` */
  async open(call: Call): Promise<OpenResponse> {
    return this.#limited(call, async (abort) => {
      const [response] = await this.#send(call, abort.signal, 'text/event-stream', withoutBody);
      const type = response.headers.get('content-type') ?? '';
      const { status, body } = response;
      // the call was aborted in the meantime, so this response is not used
      if (abort.signal.aborted) void body?.cancel().catch(() => {});
      abort.signal.throwIfAborted();
      if (response.ok && body !== null && type.startsWith('text/event-stream'))
        return {
          status,
          runtimeId: response.headers.get('runtime-id'),
          body,
          abort: () => abort.abort(),
        };
      const text = await response.text().catch(() => '');
      throw response.ok ? notARuntime(status) : errorFromResponse(status, response.headers, text);
    });
  }

  /**
   * Runs an attempt and aborts it with the signal of the call, or when it takes too long. It does not rely on `fetch` to
   * reject: Node holds the signal weakly and does not notice an abort after a garbage collection
   * (https://github.com/nodejs/node/issues/55428).
   */
  async #limited<T>(call: Call, attempt: (abort: AbortController) => Promise<T>): Promise<T> {
    const { signal, extraMs = 0 } = call;
    signal?.throwIfAborted();
    const abort = new AbortController();
    const onAbort = (): void => abort.abort();
    signal?.addEventListener('abort', onAbort, { once: true });
    let isLate = false;
    const timer = setTimeout(
      () => {
        isLate = true;
        abort.abort();
      },
      Math.min(this.#timing.timeoutMs + extraMs, MAX_TIMER_MS),
    );
    try {
      return await untilAborted(attempt(abort), abort.signal);
    } catch (error) {
      signal?.throwIfAborted();
      if (isLate) throw unreachable('The runtime did not answer in time', error);
      throw error;
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener('abort', onAbort);
    }
  }

  /**
   * Sends a request and returns the response with what `read` takes from it. If the connection fails before that, a repeatable
   * call is tried a second time: a kept-alive connection often turns out to be closed only on its next use.
   */
  async #send<T>(
    call: Call,
    signal: AbortSignal,
    accept: string,
    read: (answer: Response) => Promise<T>,
  ): Promise<readonly [Response, T]> {
    const { method, path, query, headers, body, bytes } = call;
    const search = query === undefined || query.size === 0 ? '' : `?${query}`;
    let hasAnswer = false;
    const attempt = async (): Promise<readonly [Response, T]> => {
      hasAnswer = false;
      const response = await this.#fetch(`${this.#base}${path}${search}`, {
        method,
        headers: {
          ...this.#authorization,
          accept,
          ...(body !== undefined && { 'content-type': 'application/json' }),
          ...headers,
        },
        ...(body !== undefined && { body: JSON.stringify(body) }),
        ...(bytes !== undefined && { body: bytes as Uint8Array<ArrayBuffer> }),
        signal,
        // following a redirect would turn a command into a GET: a creation would become a list
        redirect: 'manual',
      });
      hasAnswer = true;
      return [response, await read(response)];
    };
    const isRepeatable =
      call.isRepeatable === true || method === 'GET' || headers?.['idempotency-key'] !== undefined;
    try {
      return await attempt().catch(async (error: unknown) => {
        if (isRepeatable) await delay(SECOND_TRY_MS, signal);
        if (isRepeatable && !signal.aborted) return attempt();
        throw error;
      });
    } catch (cause) {
      throw unreachable(hasAnswer ? INCOMPLETE : 'The runtime cannot be reached', cause);
    }
  }
}
