import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';

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
    handler: (request: IncomingMessage, socket: Duplex, head: Buffer) => boolean,
    isWebSocket: (request: IncomingMessage) => boolean,
  ): void;
}
