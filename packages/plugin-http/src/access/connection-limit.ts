import type { Server } from 'node:http';
import type { Socket } from 'node:net';

/** The number of connections beyond the limit that still receive an error answer. Any further one is closed at once. */
const ANSWERED_REFUSALS = 64;

/** Counts the connections of a server and marks those beyond the limit. */
export class ConnectionLimit {
  readonly limit: number;
  readonly #refused = new WeakSet<Socket>();
  #open = 0;

  constructor(limit: number) {
    this.limit = limit;
  }

  /** The number of open connections. */
  get open(): number {
    return this.#open;
  }

  watch(server: Server): void {
    server.maxConnections = this.limit + ANSWERED_REFUSALS;
    server.on('connection', (socket) => {
      this.#open += 1;
      if (this.#open > this.limit) this.#refused.add(socket);
      socket.once('close', () => {
        this.#open -= 1;
      });
    });
  }

  /** True if the limit was exceeded when this connection opened. */
  isRefused(socket: Socket): boolean {
    return this.#refused.has(socket);
  }
}
