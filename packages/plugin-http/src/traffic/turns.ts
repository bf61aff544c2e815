import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';

export type RequestHandler = (request: IncomingMessage, response: ServerResponse) => void;

interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
}

/** The requests of one connection. */
interface Line {
  /** The request in progress; null while there is none. */
  current: Exchange | null;
  /** The request that was begun last. */
  last: IncomingMessage | null;
  readonly waiting: Exchange[];
}

/** The most requests of one connection that wait for their turn. A connection with more is closed. */
const WAITING_OF_CONNECTION = 1_000;
/** The most waiting requests of all connections. Each costs about 2 KB. */
const WAITING_OF_ALL = 20_000;

/** Receives the beginning and the end of the time in which a connection has requests. */
export interface TurnEvents {
  busy(socket: Socket): void;
  quiet(socket: Socket): void;
}

/**
 * Handles the requests of a connection one after another. A client may pipeline its requests, and Node parses all of
 * them at once; without an order, one client that reads nothing would make the server hold all of their answers. The
 * connection is not read while requests wait.
 */
export class Turns {
  readonly #lines = new WeakMap<Duplex, Line>();
  readonly #events: TurnEvents;
  #active = 0;
  #waiting = 0;
  #settled = (): void => {};

  constructor(events: TurnEvents) {
    this.#events = events;
  }

  /** Returns the answer to the request of this connection that is in progress; null if there is none. */
  responseOf(socket: Socket): ServerResponse | null {
    return this.#lines.get(socket)?.current?.response ?? null;
  }

  /**
   * True if the request whose bytes arrive has its response, or the beginning of it. Anything else written to the connection would
   * corrupt the response, or answer the request twice.
   */
  hasAnswered(socket: Duplex): boolean {
    const line = this.#lines.get(socket);
    if (line === undefined) return false;
    const { current, last } = line;
    if (current === null) return last !== null && !last.complete;
    return current.response.socket === socket && current.response.headersSent;
  }

  /**
   * Makes the answer to the request in progress the last one of its connection, because the bytes behind the request are not HTTP. The
   * request is whole and may have been executed, so its client gets its answer and not the error. Returns false if no whole request
   * waits for its answer.
   */
  endAfterAnswer(socket: Duplex): boolean {
    const current = this.#lines.get(socket)?.current ?? null;
    if (current === null || !current.request.complete || current.response.headersSent) return false;
    current.response.shouldKeepAlive = false;
    return true;
  }

  /** Resolves when no request is in progress, or when the signal aborts. */
  settled(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      if (this.#active === 0 || signal.aborted) return resolve();
      this.#settled = resolve;
      signal.addEventListener('abort', () => resolve(), { once: true });
    });
  }

  /** Returns a handler that passes each request on once the requests before it are answered. */
  inTurn(handle: RequestHandler): RequestHandler {
    return (request, response) => {
      const { socket } = request;
      // Node reads on for a moment after an answer that closes the connection
      if (!socket.writable) return;
      const line = this.#lineOf(socket);
      if (line.current !== null) return this.#wait(socket, line, { request, response });
      this.#active += 1;
      this.#events.busy(socket);
      this.#begin(socket, line, { request, response }, handle);
    };
  }

  #lineOf(socket: Socket): Line {
    let line = this.#lines.get(socket);
    if (line === undefined) {
      line = { current: null, last: null, waiting: [] };
      this.#lines.set(socket, line);
    }
    return line;
  }

  #begin(socket: Socket, line: Line, exchange: Exchange, handle: RequestHandler): void {
    const { request, response } = exchange;
    line.current = exchange;
    line.last = request;
    response.on('close', () => {
      // an answer that closes the connection is its last one
      const next = socket.writable ? line.waiting.shift() : undefined;
      if (next === undefined) return this.#end(socket, line);
      this.#waiting -= 1;
      if (line.waiting.length === 0) this.#readOn(socket);
      this.#begin(socket, line, next, handle);
    });
    handle(request, response);
  }

  #wait(socket: Socket, line: Line, exchange: Exchange): void {
    if (line.waiting.length >= WAITING_OF_CONNECTION || this.#waiting >= WAITING_OF_ALL) {
      socket.destroy();
      return;
    }
    line.waiting.push(exchange);
    this.#waiting += 1;
    if (line.waiting.length > 1) return;
    socket.pause();
    // Node resumes a connection when a request ends
    socket.on('resume', pauseAgain);
  }

  #readOn(socket: Socket): void {
    socket.off('resume', pauseAgain);
    socket.resume();
  }

  #end(socket: Socket, line: Line): void {
    line.current = null;
    if (line.waiting.length > 0) {
      this.#waiting -= line.waiting.length;
      line.waiting.length = 0;
      socket.off('resume', pauseAgain);
    }
    if (!socket.destroyed) this.#events.quiet(socket);
    this.#active -= 1;
    if (this.#active === 0) this.#settled();
  }
}

function pauseAgain(this: Socket): void {
  this.pause();
}
