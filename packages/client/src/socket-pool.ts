import { bearerProtocolOf, type ClientOptions, socketUrlOf, type Timing } from './options.ts';
import { StreamSocket } from './stream-socket.ts';

/** A socket that is connecting, and the Workers whose streams will use it (null: the watch of all). */
interface Opening {
  readonly socket: Promise<StreamSocket | null>;
  readonly workers: Set<string | null>;
}

/** The time without new sockets after an upgrade failed although the runtime answers over HTTP. */
const SUSPENDED_MS = 60_000;

/**
 * The sockets of one client. One socket carries all streams, except several streams of the same Worker: a socket has at
 * most one subscription per Worker. A socket is opened on demand and closed when its last stream ends.
 */
export class SocketPool {
  readonly #open: () => Promise<StreamSocket | null>;
  readonly #sockets = new Set<StreamSocket>();
  readonly #openings = new Set<Opening>();
  #suspendedUntil = 0;

  constructor(open: () => Promise<StreamSocket | null>) {
    this.#open = open;
  }

  /**
   * Returns a socket that is reserved for a stream of this Worker (null: the watch of all), or null if no socket can be
   * opened now.
   */
  async take(worker: string | null, signal: AbortSignal): Promise<StreamSocket | null> {
    for (;;) {
      if (signal.aborted || this.isSuspended) return null;
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

  /** True while the pool opens no sockets, because an upgrade failed. */
  get isSuspended(): boolean {
    return performance.now() < this.#suspendedUntil;
  }

  /** Stops opening sockets for a while. */
  suspend(): void {
    this.#suspendedUntil = performance.now() + SUSPENDED_MS;
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

/** Returns null if the options or the platform provide no WebSocket. */
export const createSocketPool = (options: ClientOptions, timing: Timing): SocketPool | null => {
  const { webSocket = options.fetch ? null : (globalThis.WebSocket ?? null) } = options;
  if (webSocket === null) return null;
  const url = socketUrlOf(options);
  const protocols = ['worker-runtime.v1', ...bearerProtocolOf(options)];
  return new SocketPool(() => StreamSocket.open(new webSocket(url, protocols), timing));
};
