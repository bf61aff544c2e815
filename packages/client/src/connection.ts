import { errorOf } from './error-response.ts';
import { authorizationOf, baseOf, type ClientOptions, type Timing } from './options.ts';
import { foreign, unreachable } from './remote-error.ts';
import { pause } from './retry-delay.ts';

export interface Call {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** Below the runtime: `/workers/ada`. */
  readonly path: string;
  readonly query?: URLSearchParams;
  readonly headers?: Readonly<Record<string, string>>;
  /** Sent as JSON; left out is no body. */
  readonly body?: unknown;
  /** How long the call itself may take, on top of the time that any answer has. */
  readonly extraMs?: number;
  readonly signal?: AbortSignal | undefined;
}

export interface Answer {
  readonly headers: Headers;
  /** Whatever shape the route answers with; null where it has no body. */
  readonly body: unknown;
}

/** A connection that was asked for and given; aborting ends it at whatever stage it is. */
export interface Opened {
  readonly status: number;
  /** Which runtime gave it, where it says so. */
  readonly runtimeId: string | null;
  readonly body: ReadableStream<Uint8Array>;
  readonly abort: () => void;
}

/** By then all connections are found closed that ended together with the one that was tried. */
const SECOND_TRY_MS = 20;

// longer, and a timer would fire at once
const MAX_TIMER_MS = 2_147_483_647;

/** Rejects as soon as the signal fires, whatever the attempt does then. */
const untilAborted = <T>(attempt: Promise<T>, signal: AbortSignal): Promise<T> =>
  new Promise((resolve, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason), { once: true });
    attempt.then(resolve, reject);
  });

/** Turns calls into requests, and what comes back into answers or typed errors. */
export class Connection {
  readonly #base: string;
  readonly #authorization: Readonly<Record<string, string>>;
  readonly #fetch: typeof fetch;
  readonly #timing: Timing;

  constructor(options: ClientOptions, timing: Timing) {
    this.#base = baseOf(options);
    this.#authorization = authorizationOf(options);
    const { fetch: own } = options;
    // called as a function of nobody: browsers refuse it as a method
    this.#fetch = own ? (...args) => own(...args) : (...args) => globalThis.fetch(...args);
    this.#timing = timing;
  }

  /**
   * One request and its whole answer.
   * @throws RUNTIME_UNREACHABLE · VERSION_UNSUPPORTED · what the runtime refuses with · the reason of the signal
   */
  async call(call: Call): Promise<Answer> {
    return this.#limited(call, async (abort) => {
      const response = await this.#send(call, abort.signal, 'application/json');
      let text: string;
      try {
        text = await response.text();
      } catch (cause) {
        throw unreachable('The answer broke off', cause);
      }
      if (!response.ok) throw errorOf(response.status, text);
      if (response.status === 204) return { headers: response.headers, body: null };
      try {
        return { headers: response.headers, body: JSON.parse(text) as unknown };
      } catch (cause) {
        throw foreign(response.status, cause);
      }
    });
  }

  /** Opens a stream. @throws as `call` */
  async open(call: Call): Promise<Opened> {
    return this.#limited(call, async (abort) => {
      const response = await this.#send(call, abort.signal, 'text/event-stream');
      const type = response.headers.get('content-type') ?? '';
      const { status, body } = response;
      // it comes too late for anybody
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
      throw response.ok ? foreign(status) : errorOf(status, text);
    });
  }

  /**
   * Runs an attempt that is called off by its signal, or when it takes too long. Calling off does not rely on `fetch`:
   * that of Node holds on to its signal weakly, and does not hear of an abort after a garbage collection
   * (https://github.com/nodejs/node/issues/55428).
   */
  async #limited<T>(call: Call, attempt: (abort: AbortController) => Promise<T>): Promise<T> {
    const { signal, extraMs = 0 } = call;
    signal?.throwIfAborted();
    const abort = new AbortController();
    const callOff = (): void => abort.abort();
    signal?.addEventListener('abort', callOff, { once: true });
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
      signal?.removeEventListener('abort', callOff);
    }
  }

  /**
   * The head of an answer. What only reads, or carries a key that makes it happen once, is tried a second time where the
   * connection failed: one that was kept open is often found closed only when it is used again.
   */
  async #send(call: Call, signal: AbortSignal, accept: string): Promise<Response> {
    const { method, path, query, headers, body } = call;
    const search = query === undefined || query.size === 0 ? '' : `?${query}`;
    const attempt = (): Promise<Response> =>
      this.#fetch(`${this.#base}${path}${search}`, {
        method,
        headers: {
          ...this.#authorization,
          accept,
          ...(body !== undefined && { 'content-type': 'application/json' }),
          ...headers,
        },
        ...(body !== undefined && { body: JSON.stringify(body) }),
        signal,
        // a redirect would make a GET of a command, and a list of what should have been created
        redirect: 'manual',
      });
    const isRepeatable = method === 'GET' || headers?.['idempotency-key'] !== undefined;
    try {
      return await attempt().catch(async (error: unknown) => {
        if (isRepeatable) await pause(SECOND_TRY_MS, signal);
        if (isRepeatable && !signal.aborted) return attempt();
        throw error;
      });
    } catch (cause) {
      throw unreachable('The runtime cannot be reached', cause);
    }
  }
}
