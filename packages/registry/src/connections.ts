import { Client, type Dispatcher, Pool } from 'undici';

/** The time limit for a connection. */
export const CONNECT_MS = 1_000;
/** The longest silence of an answer. A stream sends something every 15 s. */
export const SILENCE_MS = 60_000;
/** A kept connection is closed when it was not used for this time, or earlier if the runtime says so. */
const IDLE_MS = 30_000;

const OPTIONS = {
  connect: { timeout: CONNECT_MS },
  keepAliveTimeout: IDLE_MS,
  keepAliveMaxTimeout: IDLE_MS,
  bodyTimeout: SILENCE_MS,
} as const satisfies Client.Options;

/**
 * The bytes of a stream that Node holds for it before it reads no further. Node reads up to 64 KiB at a time: with its default, a stream
 * whose client reads nothing would hold one such part more.
 */
const STREAM_CONNECT = { ...OPTIONS.connect, highWaterMark: 16_384 };

/** Receives the answer of a request. */
export interface AnswerHandler extends Dispatcher.DispatchHandler {
  /** Called by the handler when the client has left before the end of the answer. */
  onLeft: () => void;
}

/** The connections to one address. Those that are kept are closed before the other side closes them. */
export class Connections {
  readonly origin: string;
  readonly #pool: Pool;

  constructor(origin: string) {
    this.origin = origin;
    this.#pool = new Pool(origin, OPTIONS);
  }

  /** Sends a request on a kept connection. */
  send(request: Dispatcher.DispatchOptions, handler: AnswerHandler): void {
    this.#pool.dispatch(request, handler);
  }

  /**
   * Sends a request on a connection of its own. Streams do: their clients leave them, and the pool would connect again for each
   * that was left.
   */
  sendAlone(request: Dispatcher.DispatchOptions, handler: AnswerHandler): void {
    const client = new Client(this.origin, { ...OPTIONS, connect: STREAM_CONNECT });
    handler.onLeft = () => client.destroy(() => {});
    client.dispatch(request, handler);
    // closed once the request has ended
    client.close(() => {});
  }

  close(): void {
    this.#pool.destroy(() => {});
  }
}
