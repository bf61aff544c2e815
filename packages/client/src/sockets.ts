import { ObservingSocket } from './observing-socket.ts';
import { bearerProtocolOf, type ClientOptions, socketUrlOf, type Timing } from './options.ts';

/** How long streams come over SSE once a socket was refused where HTTP is served. */
const REFUSED_MS = 60_000;

/**
 * The sockets of one client. One is enough for all streams, but for those that observe the same Worker at once: a
 * socket has one subscription of each. They are opened when they are asked for, and closed when nobody uses them.
 */
export class Sockets {
  readonly #open: () => Promise<ObservingSocket | null>;
  readonly #sockets = new Set<ObservingSocket>();
  #opening: Promise<ObservingSocket | null> | null = null;
  #refusedUntil = 0;

  constructor(open: () => Promise<ObservingSocket | null>) {
    this.#open = open;
  }

  /** One with a place for a stream of this Worker (null: of all), which is kept; null where there is none now. */
  async take(worker: string | null, signal: AbortSignal): Promise<ObservingSocket | null> {
    for (;;) {
      if (signal.aborted || performance.now() < this.#refusedUntil) return null;
      for (const socket of this.#sockets) {
        if (socket.isClosed) this.#sockets.delete(socket);
        else if (socket.reserve(worker)) return socket;
      }
      this.#opening ??= this.#add();
      const opened = await this.#opening;
      if (signal.aborted) opened?.closeIfIdle();
      if (opened === null) return null;
    }
  }

  /** Where sockets are refused and all else is served, they are not tried for a while. */
  refused(): void {
    this.#refusedUntil = performance.now() + REFUSED_MS;
  }

  async #add(): Promise<ObservingSocket | null> {
    const socket = await this.#open();
    this.#opening = null;
    if (socket) this.#sockets.add(socket);
    return socket;
  }
}

/** Null where streams go another way. */
export const socketsOf = (options: ClientOptions, timing: Timing): Sockets | null => {
  const { webSocket = options.fetch ? null : (globalThis.WebSocket ?? null) } = options;
  if (webSocket === null) return null;
  const url = socketUrlOf(options);
  const protocols = ['worker-runtime.v1', ...bearerProtocolOf(options)];
  return new Sockets(() => ObservingSocket.open(new webSocket(url, protocols), timing));
};
