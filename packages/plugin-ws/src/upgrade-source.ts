import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';

/** The bytes of one connection that its client has not read yet, as a part of those of all clients of the source. */
export interface UnreadBytes {
  /** True if further bytes fit into what the source holds for all of its clients. */
  hasRoom(bytes: number): boolean;
  /** Sets the bytes that wait for the client. The source may disconnect a client that does not read. */
  hold(bytes: number): void;
}

/**
 * The source of connections. It is all that this plugin needs of a listener. The source must check Host, Origin and
 * access before it offers an upgrade.
 */
export interface UpgradeSource {
  /**
   * Adds a handler of upgrades; called before the runtime starts. The handler returns true if it has taken over the
   * connection, and throws a RuntimeError to refuse it. If it returns false, the source should answer the request as if it
   * asked for no upgrade. A plain request that `isWebSocket` recognizes should be answered
   * with the need for an upgrade.
   */
  onUpgrade(
    handler: (request: IncomingMessage, socket: Duplex, head: Buffer, unread: UnreadBytes) => boolean,
    isWebSocket: (request: IncomingMessage) => boolean,
  ): void;
}
