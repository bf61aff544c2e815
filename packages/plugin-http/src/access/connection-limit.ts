import type { Server } from 'node:http';
import type { Socket } from 'node:net';
import { RuntimeError } from '@worker-runtime/core';
import { descriptorLimit } from '@worker-runtime/core/plugin-kit';

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
  /** The most connections that may be held at once by streams, sockets and requests that wait. */
  readonly heldLimit: number;
  readonly #open = new Set<Socket>();
  readonly #refused = new WeakSet<Socket>();
  /** The connections without a request, with the time of their last one; the longest quiet connection comes first. */
  readonly #quiet = new Map<Socket, number>();
  readonly #cutSlowest: readonly CutSlowest[];
  #held = 0;

  constructor(limit: number, cutSlowest: readonly CutSlowest[] = []) {
    const most = Math.floor(descriptorLimit() * SHARE) - ANSWERED_REFUSALS;
    this.limit = Math.min(limit, Math.max(FEWEST, most));
    this.heldLimit = Math.max(1, this.limit - Math.ceil(this.limit / 10));
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

  /** Returns the error for a stream, a socket or a wait beyond the limit. */
  get heldError(): RuntimeError {
    return new RuntimeError(
      'LIMIT_REACHED',
      'The server has too many open streams, sockets and waiting requests',
      {
        details: { limit: 'heldConnections', value: this.heldLimit },
      },
    );
  }

  /**
   * Counts a stream, a socket or a waiting request, which holds its connection. Returns the function that ends this, or
   * null at the limit: a tenth of the connections is kept for other requests.
   */
  hold(): (() => void) | null {
    if (this.#held >= this.heldLimit) return null;
    this.#held += 1;
    let isHeld = true;
    return () => {
      if (isHeld) this.#held -= 1;
      isHeld = false;
    };
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
