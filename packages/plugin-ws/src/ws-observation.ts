import { randomUUID } from 'node:crypto';
import { type Drain, type PluginHost, RuntimeError, type RuntimePlugin } from '@worker-runtime/core';
import { WebSocketServer } from 'ws';
import { Connection, type ConnectionContext } from './connection.ts';
import { Connections } from './connections.ts';
import { FrameCache } from './frame-cache.ts';
import { assertHandshake, isForStream, isHandshake } from './handshake.ts';
import { SUBPROTOCOL } from './hello.ts';
import { type ResolvedLimits, resolveLimits, type WsLimits } from './options.ts';
import { SendScheduler } from './send-scheduler.ts';
import type { UpgradeSource } from './upgrade-source.ts';

export interface WsOptions extends WsLimits {
  /** The source of connections, such as `http()`. */
  readonly on: UpgradeSource;
}

/** Limits the fragments of one message: short messages need few. The types of ws lack these options. */
const FRAGMENT_LIMITS = { maxFragments: 64, maxBufferedChunks: 1_024 };

/** A plugin whose source of connections is set later. */
export interface WsPlugin extends RuntimePlugin {
  /** Sets the source of connections. Call it before the plugin is applied to a runtime. */
  listenOn(source: UpgradeSource): void;
}

class WsObservation implements WsPlugin {
  readonly name = 'ws';
  readonly #limits: ResolvedLimits;
  #on: UpgradeSource | null;

  constructor(on: UpgradeSource | null, limits: ResolvedLimits) {
    this.#on = on;
    this.#limits = limits;
  }

  listenOn(source: UpgradeSource): void {
    this.#on = source;
  }

  apply(host: PluginHost): void {
    const { runtime, hooks, log } = host;
    const limits = this.#limits;
    if (this.#on === null) {
      throw new RuntimeError('PLUGIN_FAILED', 'The plugin "ws" needs a plugin that listens, such as "http"', {
        details: { plugin: 'ws' },
      });
    }
    const connections = new Connections();
    const context: ConnectionContext = {
      runtime,
      limits,
      frames: new FrameCache(),
      scheduler: new SendScheduler(),
      log,
    };
    const server = this.#server();
    this.#on.onUpgrade((request, socket, head, unread) => {
      if (!isForStream(request) || !isHandshake(request)) return false;
      assertHandshake(request, runtime);
      server.handleUpgrade(request, socket, head, (ws) => {
        connections.add(new Connection(context, { ws, socket, unread }, randomUUID()));
      });
      return true;
    }, isForStream);
    hooks.start.tapPromise(async () => {
      host.defer(() => connections.close());
      connections.watch(limits);
    });
    hooks.drain.tapPromise((drain) => this.#drain(connections, drain));
  }

  #server(): WebSocketServer {
    const server = new WebSocketServer({
      noServer: true,
      clientTracking: false,
      maxPayload: this.#limits.messageBytes,
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
  }

  async #drain(connections: Connections, { signal }: Drain): Promise<void> {
    const cut = new AbortController();
    const abort = (): void => cut.abort();
    const timer = setTimeout(abort, this.#limits.drainMs);
    signal.addEventListener('abort', abort, { once: true });
    if (signal.aborted) abort();
    await connections.finish('RUNTIME_STOPPING', cut.signal);
    clearTimeout(timer);
    signal.removeEventListener('abort', abort);
    connections.close();
  }
}

/**
 * Serves observation over WebSocket at `/v1/runtimes/{r}/stream`, with the subprotocol `worker-runtime.v1`. One socket
 * carries many Workers and the watch. A client that does not read costs one write and a position for each subscription.
 * @throws INVALID_REQUEST an option is unknown or invalid
 */
export const wsObservation = ({ on, ...limits }: WsOptions): RuntimePlugin =>
  new WsObservation(on, resolveLimits(limits));

/**
 * Creates the plugin for the command line, which passes unchecked options and then calls `listenOn`.
 * @throws INVALID_REQUEST an option is unknown (the message names the known ones) or invalid
 */
export const wsPlugin = (options: Readonly<Record<string, unknown>>): WsPlugin =>
  new WsObservation(null, resolveLimits(options));
