import { randomUUID } from 'node:crypto';
import { type Logger, RuntimeError } from '@worker-runtime/core';
import { abortAfter } from '@worker-runtime/core/plugin-kit';
import { WebSocketServer } from 'ws';
import { Connection, type ConnectionContext } from './connection.ts';
import { Connections } from './connections.ts';
import { FrameCache } from './frame-cache.ts';
import { assertHandshake, isForStream, isHandshake } from './handshake.ts';
import { SUBPROTOCOL } from './hello.ts';
import { type ResolvedLimits, resolveLimits, type WsLimits } from './options.ts';
import { SendScheduler } from './send-scheduler.ts';
import { SubscriptionShares } from './subscription-shares.ts';
import type { Upgrade, UpgradeSource } from './upgrade-source.ts';

/** Limits the fragments of one message: short messages need few. The types of ws lack these options. */
const FRAGMENT_LIMITS = { maxFragments: 64, maxBufferedChunks: 1_024 };

/**
 * Serves observation to the WebSockets of a source, for any number of runtimes. A socket is about one runtime. The sockets of
 * all runtimes share the frames of equal chunks, because cursors and message ids are unique.
 */
export class SocketServer {
  readonly #limits: ResolvedLimits;
  readonly #context: ConnectionContext;
  readonly #connections = new Connections();
  readonly #server: WebSocketServer;

  /** @throws INVALID_REQUEST a limit is unknown or invalid */
  constructor(limits: WsLimits, log: Logger) {
    this.#limits = resolveLimits(limits);
    this.#context = {
      limits: this.#limits,
      frames: new FrameCache(),
      scheduler: new SendScheduler(),
      shares: new SubscriptionShares(),
      log,
    };
    this.#server = serverOf(this.#limits);
  }

  /** Takes the WebSockets of a source from now on. Call it before the source listens. */
  listenOn(source: UpgradeSource): void {
    source.onUpgrade((upgrade) => this.#accept(upgrade), isForStream);
  }

  /** Starts to check the sockets periodically. */
  watch(): void {
    this.#connections.watch(this.#limits);
  }

  /** Makes every socket send what is due, and closes it: after `drainMs`, or when the signal aborts, at once. */
  async drain(signal: AbortSignal): Promise<void> {
    await abortAfter(this.#limits.drainMs, signal, (cut) =>
      this.#connections.finish('RUNTIME_STOPPING', cut),
    );
    this.#connections.close();
  }

  /** Destroys the remaining sockets. */
  close(): void {
    this.#connections.close();
  }

  #accept({ request, socket, head, served, caller, unread, whenAuthorityEnds }: Upgrade): boolean {
    if (!isForStream(request) || !isHandshake(request)) return false;
    if (served === null) throw new RuntimeError('RUNTIME_NOT_FOUND');
    assertHandshake(request, served);
    this.#server.handleUpgrade(request, socket, head, (ws) => {
      const accepted = { runtime: served, caller: caller.name, ws, socket, unread };
      const connection = new Connection(this.#context, accepted, randomUUID());
      this.#connections.add(connection);
      whenAuthorityEnds(() => connection.cutOff('AUTHORITY_EXPIRED'));
    });
    return true;
  }
}

const serverOf = ({ messageBytes }: ResolvedLimits): WebSocketServer => {
  const server = new WebSocketServer({
    noServer: true,
    clientTracking: false,
    maxPayload: messageBytes,
    ...FRAGMENT_LIMITS,
    autoPong: false,
    perMessageDeflate: false,
    handleProtocols: () => SUBPROTOCOL,
  });
  // emitted within handleUpgrade, so the error reaches the source, which answers it with a problem
  server.on('wsClientError', (cause) => {
    throw new RuntimeError('INVALID_REQUEST', 'The request is not a valid WebSocket handshake', { cause });
  });
  return server;
};
