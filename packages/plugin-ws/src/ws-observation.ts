import { randomUUID } from 'node:crypto';
import { type Drain, type PluginHost, RuntimeError, type RuntimePlugin } from '@worker-runtime/core';
import { WebSocketServer } from 'ws';
import { Connection, type Surroundings } from './connection.ts';
import { Connections } from './connections.ts';
import { FrameCache } from './frame-cache.ts';
import { assertHandshake, isForStream } from './handshake.ts';
import { SUBPROTOCOL } from './hello.ts';
import { type ResolvedLimits, resolveLimits, type WsLimits } from './options.ts';
import { Rounds } from './send-scheduler.ts';
import type { UpgradeSource } from './upgrade-source.ts';

export interface WsOptions extends WsLimits {
  /** Where connections come from: `http()` is one. */
  readonly on: UpgradeSource;
}

/** Of one message: a client has no reason to cut up what is this short. The types of ws do not know them yet. */
const PIECES = { maxFragments: 64, maxBufferedChunks: 1_024 };

/** A plugin that is told later where its connections come from. */
export interface WsPlugin extends RuntimePlugin {
  /** To be called before the plugin is given to a runtime. */
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
      throw new RuntimeError('PLUGIN_FAILED', 'The plugin "ws" needs one that listens, such as "http"', {
        details: { plugin: 'ws' },
      });
    }
    const connections = new Connections();
    const surroundings: Surroundings = {
      runtime,
      limits,
      frames: new FrameCache(),
      rounds: new Rounds(),
      log,
    };
    const server = this.#server();
    this.#on.onUpgrade((request, socket, head) => {
      if (!isForStream(request)) return false;
      assertHandshake(request, runtime);
      server.handleUpgrade(request, socket, head, (ws) => {
        connections.add(new Connection(surroundings, ws, socket, randomUUID()));
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
      ...PIECES,
      autoPong: false,
      perMessageDeflate: false,
      handleProtocols: () => SUBPROTOCOL,
    });
    // told in the course of handleUpgrade: whoever offered the connection refuses it in the form of all its refusals
    server.on('wsClientError', (cause) => {
      throw new RuntimeError('INVALID_REQUEST', 'This is no WebSocket handshake', { cause });
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
 * Observation over WebSocket: `/v1/runtimes/{r}/stream`, subprotocol `worker-runtime.v1`. Many Workers and the watch
 * share a socket; a socket that does not take what is sent costs positions.
 * @throws INVALID_REQUEST an option that does not exist or does not fit
 */
export const wsObservation = ({ on, ...limits }: WsOptions): RuntimePlugin =>
  new WsObservation(on, resolveLimits(limits));

/**
 * Options of any origin, checked; where connections come from is still to be said.
 * @throws INVALID_REQUEST an option that does not exist (the message names the known ones) or does not fit
 */
export const wsPlugin = (options: Readonly<Record<string, unknown>>): WsPlugin =>
  new WsObservation(null, resolveLimits(options));
