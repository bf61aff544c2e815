import type { Server } from 'node:http';
import type { Socket } from 'node:net';

/** So many connections beyond the limit are still told why they are refused; any further one is just closed. */
const TOLD = 64;

/** Counts the connections of a server. */
export class ConnectionLimit {
  readonly limit: number;
  readonly #refused = new WeakSet<Socket>();
  #open = 0;

  constructor(limit: number) {
    this.limit = limit;
  }

  /** How many are open. */
  get open(): number {
    return this.#open;
  }

  watch(server: Server): void {
    server.maxConnections = this.limit + TOLD;
    server.on('connection', (socket) => {
      this.#open += 1;
      if (this.#open > this.limit) this.#refused.add(socket);
      socket.once('close', () => {
        this.#open -= 1;
      });
    });
  }

  /** Whether a connection came when there were enough. */
  isRefused(socket: Socket): boolean {
    return this.#refused.has(socket);
  }
}
