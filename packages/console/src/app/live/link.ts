import { Source } from './source.ts';

/** The connection to a runtime. `since` is the time of the last change, in milliseconds. */
export interface LinkState {
  readonly status: 'connecting' | 'live' | 'lost';
  readonly since: number;
}

/** The silence after which the page asks for a sign of life, and the time that the answer may take. */
const SILENCE_MS = 2_500;
const ANSWER_MS = 1_500;

/** No Worker has this id, so the runtime answers the frame and does nothing. */
const PROBE = JSON.stringify({ op: 'unsubscribe', worker: '.' });

/**
 * Knows within five seconds whether a runtime is connected. It looks at the sockets of the client, asks for a sign of life
 * while the page is visible, and closes a socket that gives none, so that the client connects again.
 */
export class Link extends Source<LinkState> {
  readonly #sockets = new Set<ObservedSocket>();
  #hasSocket = false;
  #state: LinkState = { status: 'connecting', since: Date.now() };

  constructor() {
    super();
    setInterval(() => this.#check(), 1_000);
    addEventListener('offline', () => this.#closeAll());
    document.addEventListener('visibilitychange', () => this.#check());
  }

  /** The class that the client makes its sockets of. */
  get webSocket(): typeof WebSocket {
    const watch = (socket: ObservedSocket): void => this.#watch(socket);
    return class extends ObservedSocket {
      constructor(url: string | URL, protocols?: string | string[]) {
        super(url, protocols);
        watch(this);
      }
    };
  }

  /** Reports that the runtime answered a request, or that it could not be reached. */
  heard(isReached: boolean): void {
    if (!isReached) this.#become('lost');
    // streams without sockets have requests only
    else if (!this.#hasSocket) this.#become('live');
  }

  protected override take(): LinkState {
    return this.#state;
  }

  #watch(socket: ObservedSocket): void {
    this.#sockets.add(socket);
    socket.addEventListener('message', () => {
      socket.heardAt = performance.now();
      socket.askedAt = null;
      this.#hasSocket = true;
      this.#become('live');
    });
    socket.addEventListener('close', () => {
      this.#sockets.delete(socket);
      if (this.#sockets.size === 0) this.#become('lost');
    });
  }

  #check(): void {
    if (document.visibilityState !== 'visible') return;
    const now = performance.now();
    for (const socket of this.#sockets) {
      if (socket.readyState !== WebSocket.OPEN) continue;
      if (socket.askedAt !== null && now - socket.askedAt > ANSWER_MS) this.#replace(socket);
      else if (socket.askedAt === null && now - socket.heardAt > SILENCE_MS) {
        socket.askedAt = now;
        socket.send(PROBE);
      }
    }
  }

  #closeAll(): void {
    for (const socket of this.#sockets) this.#replace(socket);
  }

  /** A browser reports the end of a dead socket late, so the client is notified at once. */
  #replace(socket: ObservedSocket): void {
    this.#sockets.delete(socket);
    socket.close();
    socket.dispatchEvent(new CloseEvent('close'));
    this.#become('lost');
  }

  #become(status: LinkState['status']): void {
    if (this.#state.status === status) return;
    this.#state = { status, since: Date.now() };
    this.changed();
  }
}

class ObservedSocket extends WebSocket {
  heardAt = performance.now();
  /** The time of a probe that is not answered; null without one. */
  askedAt: number | null = null;
}
