import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { type Logger, RuntimeError } from '@worker-runtime/core';
import type { FastifyInstance } from 'fastify';
import type { ConnectionLimit } from './access/connection-limit.ts';
import { logRefusal } from './errors/answer-error.ts';
import { refuseSocket } from './errors/raw-problem.ts';
import { correlationIdOf } from './logging/correlation.ts';
import { type ByteTotal, Transfer } from './traffic/byte-total.ts';
import type { Turns } from './traffic/turns.ts';

/** Takes over a connection that asks for another protocol. Returns true if it does. */
export type UpgradeHandler = (
  request: IncomingMessage,
  socket: Duplex,
  head: Buffer,
  unread: UnreadBytes,
) => boolean;

/** The bytes of an upgraded connection that its client has not read yet, as a part of `totalAnswerBytes`. */
export interface UnreadBytes {
  /** True if further bytes fit, if need be after clients that stalled were disconnected. */
  hasRoom(bytes: number): boolean;
  /** Sets the bytes that wait for the client. A client that reads none of them for `stallMs` is disconnected. */
  hold(bytes: number): void;
}

export interface UpgradeParts {
  readonly handlers: readonly UpgradeHandler[];
  readonly connections: ConnectionLimit;
  readonly answers: ByteTotal;
  readonly turns: Turns;
  readonly log: Logger;
  /** Checks Host, Origin and permission of an upgrade. @throws the refusal */
  readonly check: (request: IncomingMessage) => void;
}

const isWebSocket = ({ method, headers }: IncomingMessage): boolean =>
  method === 'GET' && headers.upgrade?.trim().toLowerCase() === 'websocket';

/** Returns the head of a request without its wish to upgrade. */
const headWithoutUpgrade = ({ method, url, httpVersion, rawHeaders }: IncomingMessage): Buffer => {
  const lines = [`${method} ${url} HTTP/${httpVersion}`];
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = rawHeaders[at] as string;
    if (name.toLowerCase() !== 'upgrade') lines.push(`${name}: ${rawHeaders[at + 1]}`);
  }
  return Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1');
};

/**
 * Offers upgrades to the handlers. An upgrade that no handler takes is ignored, as RFC 9110 (7.8) says, and the request
 * is answered like any other: clients that prefer HTTP/2 ask for `h2c` with their first request. A WebSocket is refused
 * instead, since its client could not read another answer.
 */
export const offerUpgrades = (
  { server }: FastifyInstance,
  { handlers, connections, answers, turns, log, check }: UpgradeParts,
): void => {
  const refuse = (request: IncomingMessage, socket: Duplex, error: unknown): void => {
    const refusal = RuntimeError.from(error);
    const correlationId = correlationIdOf(request.headers['x-request-id']);
    logRefusal(log, refusal, { correlationId });
    refuseSocket(socket, refusal, correlationId);
  };
  const unreadOf = (socket: Socket): UnreadBytes => {
    const transfer = new Transfer(socket, () => log.info({}, 'disconnected a client that stopped reading'));
    return {
      hasRoom: (bytes) => answers.hasRoom(bytes),
      hold: (bytes) => (bytes === 0 ? answers.release(transfer) : answers.hold(transfer, bytes)),
    };
  };
  // Node has detached its parser: a new one reads the same request again, and then its body
  const ignore = (request: IncomingMessage, socket: Socket, head: Buffer): void => {
    socket.off('error', destroy);
    socket.unshift(Buffer.concat([headWithoutUpgrade(request), head]));
    server.emit('connection', socket);
  };
  server.on('upgrade', (request: IncomingMessage, socket: Socket, head: Buffer) => {
    // the answer before it is not finished, and a client must not send anything in between
    if (turns.isBusy(socket)) return void socket.destroy();
    // Node no longer listens to this socket, and an unhandled 'error' event would end the process
    socket.on('error', destroy);
    try {
      if (connections.isRefused(socket)) throw connections.limitError;
      check(request);
    } catch (error) {
      return isWebSocket(request) ? refuse(request, socket, error) : ignore(request, socket, head);
    }
    const release = connections.hold();
    try {
      if (release === null && isWebSocket(request)) throw connections.heldError;
      const unread = unreadOf(socket);
      if (release !== null && handlers.some((handler) => handler(request, socket, head, unread))) {
        connections.busy(socket);
        socket.once('close', () => {
          release();
          unread.hold(0);
        });
        return;
      }
      if (isWebSocket(request)) throw new RuntimeError('ROUTE_NOT_FOUND');
    } catch (error) {
      release?.();
      return refuse(request, socket, error);
    }
    release?.();
    if (!socket.destroyed) ignore(request, socket, head);
  });
};

function destroy(this: Socket): void {
  this.destroy();
}
