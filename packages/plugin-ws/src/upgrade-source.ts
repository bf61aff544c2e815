import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import type { ServedRuntime } from '@worker-runtime/core/plugin-kit';

/** The bytes of one connection that its client has not read yet, as a part of those of all clients of the source. */
export interface UnreadBytes {
  /** True if further bytes fit into what the source holds for all of its clients. */
  hasRoom(bytes: number): boolean;
  /** Sets the bytes that wait for the client. The source may disconnect a client that does not read. */
  hold(bytes: number): void;
}

/** A request for a WebSocket, which the source has checked. */
export interface Upgrade {
  readonly request: IncomingMessage;
  readonly socket: Duplex;
  readonly head: Buffer;
  /** The runtime that the path names, as the caller may use it; null if the path names none. */
  readonly served: ServedRuntime | null;
  /** The sender. Its name is null if the source does not identify its callers. */
  readonly caller: { readonly name: string | null };
  readonly unread: UnreadBytes;
  /** Calls back when the authority of the caller ends. */
  readonly whenAuthorityEnds: (ended: () => void) => void;
}

/**
 * The source of connections. It is all that this plugin needs of a listener. The source must check Host, Origin and
 * access before it offers an upgrade, and find the runtime of the path.
 */
export interface UpgradeSource {
  /**
   * Adds a handler of upgrades; called before the runtime starts. The handler returns true if it has taken over the
   * connection, and throws a RuntimeError to refuse it. If it returns false, the source should answer the request as if it
   * asked for no upgrade. A plain request that `isWebSocket` recognizes should be answered
   * with the need for an upgrade.
   */
  onUpgrade(handler: (upgrade: Upgrade) => boolean, isWebSocket: (request: IncomingMessage) => boolean): void;
}
