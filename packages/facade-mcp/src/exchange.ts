import { ErrorCode, McpError } from '@modelcontextprotocol/sdk/types.js';
import type { CallOptions, ServedRuntime, Serving } from '@worker-runtime/core/plugin-kit';

/** The calls of a runtime that the façade needs. A `Runtime`, a remote client and a served runtime have them. */
export type McpRuntime = Pick<
  ServedRuntime,
  | 'cancelRun'
  | 'createWorker'
  | 'events'
  | 'getFile'
  | 'getRun'
  | 'getWorker'
  | 'listRequests'
  | 'listWorkers'
  | 'observe'
  | 'respond'
  | 'sendInput'
  | 'transcript'
>;

/** How many notifications may wait for a client that reads slowly, until the next one waits too. */
const WAITING_NOTIFICATIONS = 16;

/** One request over HTTP, with its answer. A session has many, and each has the permissions of its own caller, and one request of the protocol. */
export class Exchange {
  readonly runtime: McpRuntime;
  /** The name of the caller, for its sessions. */
  readonly caller: string | null;
  readonly call: CallOptions;
  readonly ending: AbortSignal;
  /** Aborts when the client no longer reads the answer. */
  readonly #left = new AbortController();
  #waiting = 0;
  #isTaken = false;
  /** Continues the call that waits for the client. */
  #resume = (): void => {};

  constructor(runtime: McpRuntime, request: Request, { actor = null, ending }: Serving) {
    this.runtime = runtime;
    this.caller = actor;
    this.call = actor === null ? {} : { actor };
    this.ending = ending ?? new AbortController().signal;
    request.signal.addEventListener('abort', () => this.#left.abort(), { once: true });
  }

  /**
   * Takes the exchange for a request of the protocol. The server in front limits requests, and a batch would be many of them.
   * @throws McpError another request of a batch has taken it
   */
  take(): this {
    if (this.#isTaken)
      throw new McpError(ErrorCode.InvalidRequest, 'A batch has one request: send the others on their own');
    this.#isTaken = true;
    return this;
  }

  /** Aborts when the client no longer reads the answer. */
  get left(): AbortSignal {
    return this.#left.signal;
  }

  /**
   * Counts a notification that was written to the answer. Resolves when few of them wait, or the wait is over: the client has left,
   * the server stops, or the call is cancelled.
   */
  async written(call: AbortSignal): Promise<void> {
    this.#waiting += 1;
    if (this.#waiting <= WAITING_NOTIFICATIONS) return;
    const over = AbortSignal.any([this.left, this.ending, call]);
    while (this.#waiting > WAITING_NOTIFICATIONS && !over.aborted)
      await new Promise<void>((resolve) => {
        this.#resume = resolve;
        over.addEventListener('abort', () => resolve(), { once: true });
      });
  }

  /** Returns an answer whose body is read as fast as the client takes it. The transport of the SDK writes without waiting. */
  paced(answer: Response): Response {
    if (answer.body === null) return answer;
    const reader = answer.body.getReader();
    const body = new ReadableStream<Uint8Array>(
      {
        pull: async (stream) => {
          const { done, value } = await reader.read();
          if (done) return stream.close();
          this.#waiting = Math.max(0, this.#waiting - 1);
          this.#resume();
          stream.enqueue(value);
        },
        cancel: async (reason) => {
          this.#left.abort();
          await reader.cancel(reason);
        },
      },
      { highWaterMark: 0 },
    );
    return new Response(body, { status: answer.status, headers: answer.headers });
  }
}
