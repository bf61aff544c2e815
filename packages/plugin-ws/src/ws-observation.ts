import { type PluginHost, RuntimeError, type RuntimePlugin } from '@worker-runtime/core';
import { resolveLimits, type WsLimits } from './options.ts';
import { SocketServer } from './socket-server.ts';
import type { UpgradeSource } from './upgrade-source.ts';

export interface WsOptions extends WsLimits {
  /** The source of connections, such as `http()`. */
  readonly on: UpgradeSource;
}

/** A plugin whose source of connections is set later. */
export interface WsPlugin extends RuntimePlugin {
  /** Sets the source of connections. Call it before the plugin is applied to a runtime. */
  listenOn(source: UpgradeSource): void;
}

class WsObservation implements WsPlugin {
  readonly name = 'ws';
  readonly #limits: WsLimits;
  #on: UpgradeSource | null;

  /** @throws INVALID_REQUEST a limit is unknown or invalid */
  constructor(on: UpgradeSource | null, limits: WsLimits) {
    resolveLimits(limits);
    this.#on = on;
    this.#limits = limits;
  }

  listenOn(source: UpgradeSource): void {
    this.#on = source;
  }

  apply(host: PluginHost): void {
    const { hooks, log } = host;
    if (this.#on === null) {
      throw new RuntimeError('PLUGIN_FAILED', 'The plugin "ws" needs a plugin that listens, such as "http"', {
        details: { plugin: 'ws' },
      });
    }
    const server = new SocketServer(this.#limits, log);
    server.listenOn(this.#on);
    hooks.start.tapPromise(async () => {
      host.defer(() => server.close());
      server.watch();
    });
    hooks.drain.tapPromise(({ signal }) => server.drain(signal));
  }
}

/**
 * Serves observation over WebSocket at `/v1/runtimes/{r}/stream`, with the subprotocol `worker-runtime.v1`. One socket
 * carries many Workers and the watch. A client that does not read costs one write and a position for each subscription.
 * @throws INVALID_REQUEST an option is unknown or invalid
 */
export const wsObservation = ({ on, ...limits }: WsOptions): RuntimePlugin => new WsObservation(on, limits);

/**
 * Creates the plugin for the command line, which passes unchecked options and then calls `listenOn`.
 * @throws INVALID_REQUEST an option is unknown (the message names the known ones) or invalid
 */
export const wsPlugin = (options: Readonly<Record<string, unknown>>): WsPlugin =>
  new WsObservation(null, options);
