import { Source } from './source.ts';

/** The connection to a runtime. `since` is the time of the last change, in milliseconds. */
export interface LinkState {
  readonly status: 'connecting' | 'live' | 'lost';
  readonly since: number;
}

/** The silence after which the page asks for a sign of life, and the time that the answer may take. */
const SILENCE_MS = 2_500;
const ANSWER_MS = 1_500;
/** The time between two checks. With it, a lost connection is known within five seconds. */
const CHECK_MS = 400;

/** No Worker has this id, so the runtime answers the frame and does nothing. */
const PROBE = JSON.stringify({ op: 'unsubscribe', worker: '.' });

/**
 * Knows within five seconds whether a runtime is connected. It looks at the sockets of the client, asks for a sign of life
 * while the page is visible, and closes a socket that gives none, so that the client connects again. Where streams have no
 * socket, it asks with a request.
 */
export class Link extends Source<LinkState> {
  readonly #sockets = new Set<ObservedSocket>();
  readonly #ask: (signal: AbortSignal) => Promise<unknown>;
  /** The time of the last answer to a request, or of the end of the last socket. */
  #heardAt = performance.now();
  #isAsking = false;
  #state: LinkState = { status: 'connecting', since: Date.now() };
  readonly #closed = new AbortController();

  /** @param ask sends a request whose outcome is reported with `heard` */
  constructor(ask: (signal: AbortSignal) => Promise<unknown>) {
    super();
    this.#ask = ask;
    const { signal } = this.#closed;
    const timer = setInterval(() => this.#check(), CHECK_MS);
    signal.addEventListener('abort', () => clearInterval(timer));
    addEventListener('offline', () => this.#closeAll(), { signal });
    document.addEventListener('visibilitychange', () => this.#check(), { signal });
  }

  /** Ends the checks: the server has removed the runtime. */
  close(): void {
    this.#closed.abort();
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
    this.#heardAt = performance.now();
    if (!isReached) this.#become('lost');
    // streams without sockets have requests only
    else if (this.#sockets.size === 0) this.#become('live');
  }

  protected override take(): LinkState {
    return this.#state;
  }

  #watch(socket: ObservedSocket): void {
    this.#sockets.add(socket);
    socket.addEventListener('message', () => {
      socket.heardAt = performance.now();
      socket.askedAt = null;
      this.#become('live');
    });
    socket.addEventListener('close', () => {
      this.#sockets.delete(socket);
      this.#heardAt = performance.now();
      if (this.#sockets.size === 0) this.#become('lost');
    });
  }

  #check(): void {
    if (document.visibilityState !== 'visible') return;
    const now = performance.now();
    if (this.#sockets.size === 0 && !this.#isAsking && now - this.#heardAt > SILENCE_MS) void this.#askOnce();
    for (const socket of this.#sockets) {
      if (socket.readyState !== WebSocket.OPEN) {
        // a socket that connects slowly may still open
        if (now - socket.heardAt > SILENCE_MS + ANSWER_MS) this.#become('lost');
        continue;
      }
      if (socket.askedAt !== null && now - socket.askedAt > ANSWER_MS) this.#replace(socket);
      else if (socket.askedAt === null && now - socket.heardAt > SILENCE_MS) {
        socket.askedAt = now;
        socket.send(PROBE);
      }
    }
  }

  async #askOnce(): Promise<void> {
    this.#isAsking = true;
    try {
      await this.#ask(AbortSignal.timeout(ANSWER_MS));
    } catch {
      // reported with `heard`
    }
    this.#isAsking = false;
  }

  #closeAll(): void {
    for (const socket of this.#sockets) this.#replace(socket);
  }

  /** A browser reports the end of a dead socket late, so the client is notified at once. */
  #replace(socket: ObservedSocket): void {
    this.#sockets.delete(socket);
    this.#heardAt = performance.now();
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
