import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';

/**
 * Where connections come from that want to speak WebSocket. What this plugin needs of a listener, and all of it: one
 * that checked Host, Origin and access before it offers an upgrade.
 */
export interface UpgradeSource {
  /**
   * Called before the runtime starts. The handler returns whether it has taken the connection, and throws a
   * RuntimeError to have it refused. A plain request that `isWebSocket` knows is answered with what it lacks.
   */
  onUpgrade(
    handler: (request: IncomingMessage, socket: Duplex, head: Buffer) => boolean,
    isWebSocket: (request: IncomingMessage) => boolean,
  ): void;
}
