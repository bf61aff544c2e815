import { bearerProtocolOf, type ClientOptions, socketUrlOf, type Timing } from './options.ts';
import { ObservingSocket } from './stream-socket.ts';

/** A socket that is on its way, and the streams that will have a place on it. */
interface Opening {
  readonly socket: Promise<ObservingSocket | null>;
  readonly workers: Set<string | null>;
}

/** How long streams come over SSE once a socket was refused where HTTP is served. */
const REFUSED_MS = 60_000;

/**
 * The sockets of one client. One is enough for all streams, but for those that observe the same Worker at once: a
 * socket has one subscription of each. They are opened when they are asked for, and closed when nobody uses them.
 */
export class Sockets {
  readonly #open: () => Promise<ObservingSocket | null>;
  readonly #sockets = new Set<ObservingSocket>();
  readonly #openings = new Set<Opening>();
  #refusedUntil = 0;

  constructor(open: () => Promise<ObservingSocket | null>) {
    this.#open = open;
  }

  /** One with a place for a stream of this Worker (null: of all), which is kept; null where there is none now. */
  async take(worker: string | null, signal: AbortSignal): Promise<ObservingSocket | null> {
    for (;;) {
      if (signal.aborted || this.areRefused) return null;
      for (const socket of this.#sockets) {
        if (socket.isClosed) this.#sockets.delete(socket);
        else if (socket.reserve(worker)) return socket;
      }
      const opening = [...this.#openings].find(({ workers }) => !workers.has(worker)) ?? this.#add();
      opening.workers.add(worker);
      const opened = await opening.socket;
      if (signal.aborted) opened?.closeIfIdle();
      if (opened === null) return null;
    }
  }

  get areRefused(): boolean {
    return performance.now() < this.#refusedUntil;
  }

  /** Where sockets are refused and all else is served, they are not tried for a while. */
  refused(): void {
    this.#refusedUntil = performance.now() + REFUSED_MS;
  }

  #add(): Opening {
    const socket = this.#open().then((opened) => {
      this.#openings.delete(opening);
      if (opened) this.#sockets.add(opened);
      return opened;
    });
    const opening: Opening = { socket, workers: new Set() };
    this.#openings.add(opening);
    return opening;
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
