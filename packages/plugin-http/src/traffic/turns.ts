import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

export type RequestHandler = (request: IncomingMessage, response: ServerResponse) => void;

interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
}

/** The requests of one connection that has a request under way. */
interface Line {
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
  readonly #lines = new WeakMap<Socket, Line>();
  readonly #events: TurnEvents;
  #waiting = 0;

  constructor(events: TurnEvents) {
    this.#events = events;
  }

  /** True if a request of this connection is under way. */
  isBusy(socket: Socket): boolean {
    return this.#lines.has(socket);
  }

  /** Returns a handler that passes each request on once the requests before it are answered. */
  inTurn(handle: RequestHandler): RequestHandler {
    return (request, response) => {
      const { socket } = request;
      // Node reads on for a moment after an answer that closes the connection
      if (!socket.writable) return;
      const line = this.#lines.get(socket);
      if (line) this.#wait(socket, line, { request, response });
      else this.#begin(socket, { request, response }, handle);
    };
  }

  #begin(socket: Socket, first: Exchange, handle: RequestHandler): void {
    const line: Line = { waiting: [] };
    this.#lines.set(socket, line);
    this.#events.busy(socket);
    const handleNext = ({ request, response }: Exchange): void => {
      response.once('close', () => {
        // an answer that closes the connection is its last one
        const next = socket.writable ? line.waiting.shift() : undefined;
        if (next === undefined) return this.#end(socket, line);
        this.#waiting -= 1;
        if (line.waiting.length === 0) this.#readOn(socket);
        handleNext(next);
      });
      handle(request, response);
    };
    handleNext(first);
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
    this.#waiting -= line.waiting.length;
    line.waiting.length = 0;
    this.#lines.delete(socket);
    socket.off('resume', pauseAgain);
    if (!socket.destroyed) this.#events.quiet(socket);
  }
}

function pauseAgain(this: Socket): void {
  this.pause();
}
