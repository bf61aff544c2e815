import type { IncomingMessage, Server } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { type Logger, RuntimeError } from '@worker-runtime/core';
import { type ServedRuntime, STATUS_OF } from '@worker-runtime/core/plugin-kit';
import { ANYONE, type Caller, whenAuthorityEnds } from './access/caller.ts';
import type { AddressOf } from './access/client-address.ts';
import type { ConnectionLimit } from './access/connection-limit.ts';
import { type Directory, isUpstream, type Upstream, whenToCut } from './directory.ts';
import type { Embedder } from './embedder.ts';
import { logRefusal } from './errors/answer-error.ts';
import { refuseSocket } from './errors/raw-problem.ts';
import { correlationIdOf } from './logging/correlation.ts';
import { receivedTargetOf, takePlainTarget } from './request-target.ts';
import { type ByteTotal, Transfer } from './traffic/byte-total.ts';
import type { Turns } from './traffic/turns.ts';

/** A request for another protocol, which has passed the checks of Host, Origin and permission. */
export interface Upgrade {
  readonly request: IncomingMessage;
  readonly socket: Duplex;
  /** The first bytes of the new protocol, if they have arrived. */
  readonly head: Buffer;
  readonly caller: Caller;
  /** The runtime that the path names, as the caller may use it; null if the path names none. */
  readonly served: ServedRuntime | null;
  readonly unread: UnreadBytes;
  /** Calls back when the authority of the caller ends. The handler then closes the connection with AUTHORITY_EXPIRED. */
  readonly whenAuthorityEnds: (ended: () => void) => void;
}

/** Takes over a connection that asks for another protocol. Returns true if it does. */
export type UpgradeHandler = (upgrade: Upgrade) => boolean;

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
  readonly directory: Directory;
  readonly embedder: Embedder;
  readonly addressOf: AddressOf;
  /** Checks Host, Origin and permission of an upgrade, and returns the sender. @throws the refusal */
  readonly check: (request: IncomingMessage) => Caller | Promise<Caller>;
}

/** Returns the runtime id in a path below `/v1/runtimes`; null for any other path. */
const runtimeIdIn = ({ url = '' }: IncomingMessage): string | null =>
  /^\/v1\/runtimes\/([A-Za-z0-9._-]{1,64})\//.exec(url)?.[1] ?? null;

const isWebSocket = ({ method, headers }: IncomingMessage): boolean =>
  method === 'GET' && headers.upgrade?.trim().toLowerCase() === 'websocket';

/** Returns the head of a request as it was received, but without its wish to upgrade. */
const headWithoutUpgrade = (request: IncomingMessage): Buffer => {
  const { method, httpVersion, rawHeaders } = request;
  const lines = [`${method} ${receivedTargetOf(request)} HTTP/${httpVersion}`];
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
  server: Server,
  { handlers, connections, answers, turns, log, directory, embedder, addressOf, check }: UpgradeParts,
): void => {
  const refuse = (
    request: IncomingMessage,
    socket: Duplex,
    error: unknown,
    caller: Caller = ANYONE,
  ): void => {
    const refusal = RuntimeError.from(error);
    const { code } = refusal;
    const correlationId = correlationIdOf(request.headers['x-request-id']);
    const from = addressOf(request);
    logRefusal(log, refusal, { correlationId, from });
    try {
      const status = STATUS_OF[code];
      embedder.record?.({ request, caller, from, status, code, location: null, correlationId });
    } catch (cause) {
      log.error(
        { err: RuntimeError.from(cause) },
        'an answer was not sent, because it could not be recorded',
      );
      return void socket.destroy();
    }
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
  const offer = async (request: IncomingMessage, socket: Socket, head: Buffer): Promise<void> => {
    let caller: Caller;
    try {
      if (connections.isRefused(socket)) throw connections.limitError;
      caller = await check(request);
    } catch (error) {
      return isWebSocket(request) ? refuse(request, socket, error) : ignore(request, socket, head);
    }
    if (socket.destroyed) return;
    const release = connections.hold(caller);
    try {
      if (release === null && isWebSocket(request)) throw connections.heldErrorFor(caller);
      if (release !== null && take(request, socket, head, caller)) {
        connections.busy(socket);
        socket.once('close', release);
        return;
      }
      if (isWebSocket(request)) throw new RuntimeError('ROUTE_NOT_FOUND');
    } catch (error) {
      release?.();
      return refuse(request, socket, error, caller);
    }
    release?.();
    if (!socket.destroyed) ignore(request, socket, head);
  };
  // an upgrade to another protocol is ignored if no handler takes it, and then the route refuses an unknown runtime
  const runtimeOf = (request: IncomingMessage, caller: Caller): ServedRuntime | Upstream | null => {
    const id = runtimeIdIn(request);
    try {
      return id === null ? null : directory.get(id, caller);
    } catch (error) {
      if (isWebSocket(request)) throw error;
      return null;
    }
  };
  const take = (request: IncomingMessage, socket: Socket, head: Buffer, caller: Caller): boolean => {
    const served = runtimeOf(request, caller);
    if (served !== null && isUpstream(served)) {
      socket.once(
        'close',
        whenToCut(served, caller, () => socket.destroy()),
      );
      served
        .passUpgrade(request, socket, head, caller)
        .catch((error: unknown) => refuse(request, socket, error, caller));
      return true;
    }
    const unread = unreadOf(socket);
    const ends = (ended: () => void): void => void socket.once('close', whenAuthorityEnds(caller, ended));
    if (
      !handlers.some((handle) =>
        handle({ request, socket, head, caller, served, unread, whenAuthorityEnds: ends }),
      )
    )
      return false;
    socket.once('close', () => unread.hold(0));
    return true;
  };
  server.on('upgrade', (request: IncomingMessage, socket: Socket, head: Buffer) => {
    // the answer before it is not finished, and a client must not send anything in between
    if (turns.responseOf(socket) !== null) return void socket.destroy();
    // Node no longer listens to this socket, and an unhandled 'error' event would end the process
    socket.on('error', destroy);
    takePlainTarget(request, embedder.prefix);
    void offer(request, socket, head);
  });
};

function destroy(this: Socket): void {
  this.destroy();
}
