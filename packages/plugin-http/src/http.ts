import { lookup } from 'node:dns/promises';
import type { IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type Drain, type PluginHost, RuntimeError, type RuntimePlugin } from '@worker-runtime/core';
import type { FastifyInstance } from 'fastify';
import { Access, assertMay, type Caller } from './access/access.ts';
import { ConnectionLimit } from './access/connection-limit.ts';
import { HostCheck, isLoopback } from './access/host-check.ts';
import type { Permission } from './access/permission.ts';
import { assertDistinct, type Token } from './access/token.ts';
import { readTokenFile } from './access/token-file.ts';
import { createApp } from './app.ts';
import { Exchanges } from './exchanges.ts';
import { Measurements } from './metrics/measurements.ts';
import { type HttpOptions, type ResolvedOptions, resolveOptions } from './options.ts';
import { RouteTable } from './route-table.ts';
import { assertExtraName, type Extra } from './routes/extra.ts';
import { StreamResponses } from './streams/stream-responses.ts';
import { ByteTotal } from './traffic/byte-total.ts';
import { Turns } from './traffic/turns.ts';
import { offerUpgrades, type UpgradeHandler, type UpgradeParts } from './upgrades.ts';

/** The public side of the plugin: its address, and the ways for other plugins to use its port. */
export interface HttpListener {
  /** The base URL, such as `http://127.0.0.1:8787`. @throws RUNTIME_NOT_READY the plugin does not listen */
  readonly url: string;
  /**
   * Adds a handler of upgrades. An upgrade that passes the checks of Host and Origin, and whose caller may observe, is
   * offered to the handlers in order until one takes it. An error of a handler becomes the answer. An upgrade that no
   * handler takes is ignored, and the request is answered like any other; a WebSocket is refused. A plain request that
   * `isWebSocket` recognizes is refused with VERSION_UNSUPPORTED. Call it before the runtime starts.
   */
  onUpgrade(handler: UpgradeHandler, isWebSocket?: (request: IncomingMessage) => boolean): void;
  /**
   * Serves a JSON resource of another plugin at GET `/v1/runtimes/{r}/x/<name>`, with the permission `observe`. Call it
   * before the runtime starts.
   * @throws INVALID_REQUEST the name is not lower-case letters, digits and "-"
   */
  onGet(name: string, answer: () => Promise<unknown>): void;
  /**
   * Returns the caller of an upgrade and checks its permission. The token is in the header, or in the subprotocol
   * `bearer.<base64url>`, which a handler must never select.
   * @throws UNAUTHENTICATED · FORBIDDEN · RUNTIME_NOT_READY the plugin does not listen
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
    const { totalAnswerBytes, totalBodyBytes, stallMs } = this.#options;
    const answers = new ByteTotal(totalAnswerBytes, stallMs);
    const bodies = new ByteTotal(totalBodyBytes);
    const slowest = [answers.cutLongest, bodies.cutLongest];
    const connections = new ConnectionLimit(this.#options.connections, slowest);
    const streams = new StreamResponses(this.#options, connections, answers, log);
    const turns = new Turns(connections);
    const measurements = new Measurements(runtime, {
      connections: () => connections.open,
      streams: () => streams.size,
      answerBytes: () => answers.bytes,
      bodyBytes: () => bodies.bytes,
    });
    hooks.committed.tap(measurements.committed);
    hooks.diagnostic.tap(measurements.diagnosed);

    hooks.start.tapPromise(async () => {
      const { port } = this.#options;
      const access = new Access(await this.#tokens());
      if (access.isOpen && !isLoopback(this.#options.host)) {
        throw new RuntimeError(
          'INVALID_REQUEST',
          'The option http.host must be a loopback address if there are no access tokens; set http.tokenFile or http.tokens',
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
        isWebSocket: (request) => this.#webSockets.some((matches) => matches(request)),
        streams,
        exchanges: this.#exchanges,
        connections,
        turns,
        answers,
        bodies,
        measurements,
      });
      host.defer(async () => {
        this.#url = null;
        await app.close();
      });
      this.#offerUpgrades(app, { connections, answers, turns, log });
      // resolved here, since a name may stand for two addresses
      const { address } = await lookup(this.#options.host);
      this.#url = await listen(app, address, port);
      log.info({ url: this.#url, isOpen: access.isOpen }, 'listening');
    });

    hooks.drain.tapPromise((drain) => this.#drain(streams, drain));
  }

  async #tokens(): Promise<readonly Token[]> {
    const { tokens, tokenFile } = this.#options;
    if (tokenFile === null) return tokens;
    const all = [...tokens, ...(await readTokenFile(tokenFile))];
    assertDistinct(all, 'The list of http.tokens and http.tokenFile together');
    return all;
  }

  async #drain(streams: StreamResponses, { signal }: Drain): Promise<void> {
    const cut = new AbortController();
    const abort = (): void => cut.abort();
    const timer = setTimeout(abort, this.#options.drainMs);
    signal.addEventListener('abort', abort, { once: true });
    if (signal.aborted) abort();
    await Promise.all([streams.finish('RUNTIME_STOPPING', cut.signal), this.#exchanges.settled(cut.signal)]);
    clearTimeout(timer);
    signal.removeEventListener('abort', abort);
  }

  #offerUpgrades(
    app: FastifyInstance,
    parts: Pick<UpgradeParts, 'connections' | 'answers' | 'turns' | 'log'>,
  ): void {
    // without an 'upgrade' listener Node treats an upgrade as a plain request
    if (this.#upgrades.length === 0) return;
    offerUpgrades(app, {
      ...parts,
      handlers: this.#upgrades,
      check: (request) => {
        this.#hostCheck.assert(request, false);
        this.authorize(request, 'observe');
      },
    });
  }
}

/**
 * The queue of connections to accept, within the limit of the system. All clients reconnect at once after a restart;
 * the kernel makes those beyond the queue wait for seconds. (Node's default is 511.)
 */
const ACCEPT_BACKLOG = 65_535;

/** Listens, and returns the base URL. @throws PLUGIN_FAILED the system refuses; `details.reason` is its code */
const listen = async (app: FastifyInstance, host: string, port: number): Promise<string> => {
  try {
    await app.listen({ host, port, backlog: ACCEPT_BACKLOG });
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
 * Serves a runtime over HTTP: commands, pages and live streams below `/v1`. It listens before the store opens, and
 * answers 503 until the runtime is ready. When the runtime stops, every stream gets its closing frame first.
 * @throws INVALID_REQUEST an option is unknown or invalid
 */
export const http = (options: HttpOptions = {}): RuntimePlugin & HttpListener =>
  new HttpPlugin(resolveOptions(options));
