import type { Server } from 'node:http';
import type { Socket } from 'node:net';
import { RuntimeError } from '@worker-runtime/core';
import { descriptorLimit, Shares } from '@worker-runtime/core/plugin-kit';
import type { Caller } from './caller.ts';

/** The number of connections beyond the limit that still receive an error answer. Any further one is closed at once. */
const ANSWERED_REFUSALS = 64;
/** The share of the descriptors of the process that connections may take. The store and engines need the others. */
const SHARE = 0.75;
const FEWEST = 8;
/** The time for which a connection without a request is not closed to make room for another one. */
const GRACE_MS = 1_000;

/** Disconnects the client that delays its own request or answer for the longest time. Returns null if there is none. */
export type CutSlowest = () => Socket | null;

/**
 * Counts the connections of a server and marks those beyond the limit. A new connection beyond the limit replaces one
 * that has no request or a client that stalls, so that connections without work do not lock out others.
 */
export class ConnectionLimit {
  readonly limit: number;
  /** The connections that streams, sockets and requests that wait may hold at once. */
  readonly #held: Shares;
  readonly #open = new Set<Socket>();
  readonly #refused = new WeakSet<Socket>();
  /** The connections without a request, with the time of their last one; the longest quiet connection comes first. */
  readonly #quiet = new Map<Socket, number>();
  readonly #cutSlowest: readonly CutSlowest[];

  constructor(limit: number, cutSlowest: readonly CutSlowest[] = []) {
    const most = Math.floor(descriptorLimit() * SHARE) - ANSWERED_REFUSALS;
    this.limit = Math.min(limit, Math.max(FEWEST, most));
    this.#held = new Shares(Math.max(1, this.limit - Math.ceil(this.limit / 10)));
    this.#cutSlowest = cutSlowest;
  }

  /** The number of open connections. */
  get open(): number {
    return this.#open.size;
  }

  watch(server: Server): void {
    server.maxConnections = this.limit + ANSWERED_REFUSALS;
    server.on('connection', (socket) => {
      // an ignored upgrade gives its connection back to the server
      if (this.#open.has(socket)) return;
      if (this.#open.size >= this.limit) this.#makeRoom();
      if (this.#open.size >= this.limit) this.#refused.add(socket);
      this.#open.add(socket);
      this.quiet(socket);
      socket.once('close', () => this.#remove(socket));
    });
  }

  /** True if the limit was exceeded when this connection opened. */
  isRefused(socket: Socket): boolean {
    return this.#refused.has(socket);
  }

  /** Notes that a connection has a request. */
  busy(socket: Socket): void {
    this.#quiet.delete(socket);
  }

  /** Notes that a connection has no request. */
  quiet(socket: Socket): void {
    if (this.#open.has(socket)) this.#quiet.set(socket, performance.now());
  }

  /** Returns the error for a request of a connection beyond the limit. */
  get limitError(): RuntimeError {
    return new RuntimeError('LIMIT_REACHED', 'The server has too many connections', {
      details: { limit: 'connections', value: this.limit },
    });
  }

  /** Returns the error for a stream, a socket or a wait of a caller for which `hold` returned null. */
  heldErrorFor({ name }: Pick<Caller, 'name'>): RuntimeError {
    const { isFull, limit } = this.#held;
    return isFull
      ? new RuntimeError(
          'LIMIT_REACHED',
          'The server has too many open streams, sockets and waiting requests',
          { details: { limit: 'heldConnections', value: limit } },
        )
      : new RuntimeError(
          'LIMIT_REACHED',
          'You have as many open streams, sockets and waiting requests as are left for other callers',
          { details: { limit: 'heldConnectionsOfCaller', value: this.#held.of(name) } },
        );
  }

  /**
   * Counts a stream, a socket or a waiting request of a caller, which holds its connection. Returns the function that ends this, or
   * null at the limit: a tenth of the connections is kept for other requests, and of the rest as many for other callers as the
   * caller has.
   */
  hold({ name }: Pick<Caller, 'name'>): (() => void) | null {
    return this.#held.take(name);
  }

  #makeRoom(): void {
    const [longest] = this.#quiet;
    if (longest !== undefined && performance.now() - longest[1] >= GRACE_MS) {
      const [socket] = longest;
      this.#remove(socket);
      socket.destroy();
      return;
    }
    for (const cut of this.#cutSlowest) {
      const socket = cut();
      if (socket === null) continue;
      this.#remove(socket);
      return;
    }
  }

  #remove(socket: Socket): void {
    this.#open.delete(socket);
    this.#quiet.delete(socket);
  }
}
