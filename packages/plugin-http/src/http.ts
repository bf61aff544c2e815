import { lookup } from 'node:dns/promises';
import type { IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import {
  type Drain,
  type Logger,
  type PluginHost,
  RuntimeError,
  type RuntimePlugin,
} from '@worker-runtime/core';
import type { FastifyInstance } from 'fastify';
import { Access, assertMay, type Caller } from './access/access.ts';
import { ConnectionLimit } from './access/connection-limit.ts';
import { HostCheck } from './access/host-check.ts';
import { isLoopback } from './access/loopback.ts';
import type { Permission } from './access/permission.ts';
import { assertDistinct, type Token } from './access/token.ts';
import { readTokenFile } from './access/token-file.ts';
import { createApp } from './app.ts';
import { logRefusal } from './errors/answer-error.ts';
import { refuseSocket } from './errors/raw-problem.ts';
import { Exchanges } from './exchanges.ts';
import { correlationIdOf } from './logging/correlation.ts';
import { Measurements } from './metrics/measurements.ts';
import { type HttpOptions, type ResolvedOptions, resolveOptions } from './options.ts';
import { RouteTable } from './route-table.ts';
import { assertExtraName, type Extra } from './routes/extra.ts';
import { LiveAnswers } from './streams/stream-responses.ts';

/** Takes a connection over that wants to speak something else. Returns whether it does. */
export type UpgradeHandler = (request: IncomingMessage, socket: Duplex, head: Buffer) => boolean;

/** Where a listener is, and what others may do with it. */
export interface HttpListener {
  /** `http://127.0.0.1:8787`, once it listens. @throws RUNTIME_NOT_READY before */
  readonly url: string;
  /**
   * Offers each upgrade, after its Host and Origin were checked and its caller may at least observe, to the handlers
   * in order until one takes it. What a handler throws is answered. A plain request for what `isWebSocket` knows is told
   * to ask for an upgrade. To be called before the runtime starts.
   */
  onUpgrade(handler: UpgradeHandler, isWebSocket?: (request: IncomingMessage) => boolean): void;
  /**
   * Shows what another plugin has: GET `/v1/runtimes/{r}/x/<name>`, as JSON, to whoever may observe. To be called
   * before the runtime starts. @throws INVALID_REQUEST a name that cannot be one
   */
  onGet(name: string, answer: () => Promise<unknown>): void;
  /**
   * Whose upgrade it is: for one that does more than observe, and for the log. The token is that of the header, or the
   * subprotocol `bearer.<base64url>`, which is never one to agree on.
   * @throws UNAUTHENTICATED · FORBIDDEN · RUNTIME_NOT_READY before it listens
   */
  authorize(request: IncomingMessage, needed: Permission): Caller;
}

class HttpPlugin implements RuntimePlugin, HttpListener {
  readonly name = 'http';
  readonly #options: ResolvedOptions;
  readonly #hostCheck: HostCheck;
  readonly #upgrades: UpgradeHandler[] = [];
  readonly #webSockets: ((request: IncomingMessage) => boolean)[] = [];
  readonly #extras: Extra[] = [];
  readonly #exchanges = new Exchanges();
  #access: Access | null = null;
  #url: string | null = null;

  constructor(options: ResolvedOptions) {
    this.#options = options;
    this.#hostCheck = new HostCheck(options);
  }

  get url(): string {
    if (this.#url === null) throw new RuntimeError('RUNTIME_NOT_READY', 'The http plugin does not listen');
    return this.#url;
  }

  onUpgrade(handler: UpgradeHandler, isWebSocket?: (request: IncomingMessage) => boolean): void {
    this.#upgrades.push(handler);
    if (isWebSocket) this.#webSockets.push(isWebSocket);
  }

  onGet(name: string, answer: () => Promise<unknown>): void {
    assertExtraName(name);
    this.#extras.push({ name, answer });
  }

  authorize({ headers }: IncomingMessage, needed: Permission): Caller {
    if (this.#access === null) throw new RuntimeError('RUNTIME_NOT_READY', 'The http plugin does not listen');
    const caller = this.#access.identifyUpgrade(headers);
    assertMay(caller, needed);
    return caller;
  }

  apply(host: PluginHost): void {
    const { runtime, hooks, log } = host;
    const live = new LiveAnswers(this.#options, log);
    const connections = new ConnectionLimit(this.#options.connections);
    const measurements = new Measurements(runtime, {
      connections: () => connections.open,
      streams: () => live.size,
    });
    hooks.committed.tap(measurements.committed);
    hooks.diagnostic.tap(measurements.diagnosed);

    hooks.start.tapPromise(async () => {
      const { port } = this.#options;
      const access = new Access(await this.#tokens());
      if (access.isOpen && !isLoopback(this.#options.host)) {
        throw new RuntimeError(
          'INVALID_REQUEST',
          'The option http.host must be a loopback address where there are no access tokens: give some by http.tokenFile or http.tokens',
          { details: { option: 'host' } },
        );
      }
      this.#access = access;
      const app = createApp({
        runtime,
        log,
        options: this.#options,
        hostCheck: this.#hostCheck,
        access,
        routes: new RouteTable(),
        extras: this.#extras,
        isWebSocket: (request) => this.#webSockets.some((knows) => knows(request)),
        live,
        exchanges: this.#exchanges,
        connections,
        measurements,
      });
      host.defer(async () => {
        this.#url = null;
        await app.close();
      });
      this.#offerUpgrades(app, log);
      // one address, where a name may stand for two
      const { address } = await lookup(this.#options.host);
      this.#url = await listen(app, address, port);
      log.info({ url: this.#url, isOpen: access.isOpen }, 'listening');
    });

    hooks.drain.tapPromise((drain) => this.#drain(live, drain));
  }

  async #tokens(): Promise<readonly Token[]> {
    const { tokens, tokenFile } = this.#options;
    if (tokenFile === null) return tokens;
    const all = [...tokens, ...(await readTokenFile(tokenFile))];
    assertDistinct(all, 'What http.tokens and http.tokenFile say together');
    return all;
  }

  async #drain(live: LiveAnswers, { signal }: Drain): Promise<void> {
    const cut = new AbortController();
    const abort = (): void => cut.abort();
    const timer = setTimeout(abort, this.#options.drainMs);
    signal.addEventListener('abort', abort, { once: true });
    if (signal.aborted) abort();
    await Promise.all([live.finish('RUNTIME_STOPPING', cut.signal), this.#exchanges.settled(cut.signal)]);
    clearTimeout(timer);
    signal.removeEventListener('abort', abort);
  }

  #offerUpgrades(app: FastifyInstance, log: Logger): void {
    // without a listener Node answers an upgrade as the plain request that it also is
    if (this.#upgrades.length === 0) return;
    app.server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
      try {
        this.#hostCheck.assert(request.headers, request.socket.localAddress);
        this.authorize(request, 'observe');
        if (this.#upgrades.some((handler) => handler(request, socket, head))) return;
        throw new RuntimeError('ROUTE_NOT_FOUND');
      } catch (error) {
        const refusal = RuntimeError.from(error);
        const correlationId = correlationIdOf(request.headers['x-request-id']);
        logRefusal(log, refusal, { correlationId });
        refuseSocket(socket, refusal, correlationId);
      }
    });
  }
}

/**
 * Connections that wait to be accepted, as far as the system allows. All clients come back at once when a server was
 * restarted; those beyond it would try again only after seconds. (Node's own is 511.)
 */
const BACKLOG = 65_535;

/** @throws PLUGIN_FAILED the address cannot be had; `details.reason` is the system's code for why */
const listen = async (app: FastifyInstance, host: string, port: number): Promise<string> => {
  try {
    await app.listen({ host, port, backlog: BACKLOG });
  } catch (error) {
    const reason = error instanceof Error && 'code' in error ? String(error.code) : 'unknown';
    const message =
      reason === 'EADDRINUSE' ? `Port ${port} is in use` : `Cannot listen on port ${port} (${reason})`;
    throw new RuntimeError('PLUGIN_FAILED', message, {
      cause: error,
      details: { plugin: 'http', hook: 'start', port, reason },
    });
  }
  const { port: bound } = app.server.address() as AddressInfo;
  return `http://${host.includes(':') ? `[${host}]` : host}:${bound}`;
};

/**
 * Serves a runtime over HTTP: commands, pages and live streams below `/v1`. It listens before the store opens and
 * answers 503 until the runtime is ready; it closes after every stream was told why.
 * @throws INVALID_REQUEST an option that does not exist or does not fit
 */
export const http = (options: HttpOptions = {}): RuntimePlugin & HttpListener =>
  new HttpPlugin(resolveOptions(options));
