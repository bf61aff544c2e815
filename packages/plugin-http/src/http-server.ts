import { lookup } from 'node:dns/promises';
import { once } from 'node:events';
import type { IncomingMessage, Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type Logger, type PluginHooks, RuntimeError } from '@worker-runtime/core';
import { abortAfter, type ServedRuntime } from '@worker-runtime/core/plugin-kit';
import type { Permission } from '@worker-runtime/core/scope';
import type { Access } from './access/access.ts';
import { assertMay } from './access/caller.ts';
import { ConnectionLimit } from './access/connection-limit.ts';
import { HostCheck, isLoopback } from './access/host-check.ts';
import { createApp } from './app.ts';
import type { Directory } from './directory.ts';
import type { Embedder } from './embedder.ts';
import { Measurements } from './metrics/measurements.ts';
import { type MountHandler, type MountPlace, Mounts } from './mount.ts';
import { type HttpOptions, type ResolvedOptions, resolveOptions } from './options.ts';
import { RouteTable } from './route-table.ts';
import { readConsole } from './routes/console.ts';
import { MountedAnswers } from './streams/mounted-answers.ts';
import { StreamResponses } from './streams/stream-responses.ts';
import { ByteTotal } from './traffic/byte-total.ts';
import { waitForPort } from './traffic/port-wait.ts';
import { Turns } from './traffic/turns.ts';
import { offerUpgrades, type UpgradeHandler } from './upgrades.ts';

/** Serves the runtimes of a directory over HTTP, from `listen` to `close`. */
export class HttpServer implements MountPlace {
  readonly #directory: Directory;
  readonly #options: ResolvedOptions;
  readonly #log: Logger;
  readonly #embedder: Embedder;
  readonly #hostCheck: HostCheck;
  readonly #upgrades: UpgradeHandler[] = [];
  readonly #webSockets: ((request: IncomingMessage) => boolean)[] = [];
  readonly #mounts = new Mounts();
  readonly #answers: ByteTotal;
  readonly #bodies: ByteTotal;
  readonly #connections: ConnectionLimit;
  readonly #turns: Turns;
  readonly #streams: StreamResponses;
  readonly #mounted: MountedAnswers;
  readonly #measurements: Measurements;
  #server: Server | null = null;
  #url: string | null = null;

  /**
   * The options `tokens` and `tokenFile` are those of the plugin: a server gets its callers from `listen`.
   * @throws INVALID_REQUEST an option is unknown or invalid
   */
  constructor(directory: Directory, httpOptions: HttpOptions, log: Logger, embedder: Embedder = {}) {
    const options = resolveOptions(httpOptions);
    this.#directory = directory;
    this.#options = options;
    this.#log = log;
    this.#embedder = embedder;
    this.#hostCheck = new HostCheck(options);
    this.#answers = new ByteTotal(options.totalAnswerBytes, options.stallMs);
    this.#bodies = new ByteTotal(options.totalBodyBytes);
    const slowest = [this.#answers.cutLongest, this.#bodies.cutLongest];
    this.#connections = new ConnectionLimit(options.connections, slowest);
    this.#turns = new Turns(this.#connections);
    this.#streams = new StreamResponses(options, this.#connections, this.#answers, log);
    this.#mounted = new MountedAnswers(options, this.#connections, this.#answers, log);
    this.#measurements = new Measurements({
      connections: () => this.#connections.open,
      streams: () => this.#streams.size + this.#mounted.streams,
      answerBytes: () => this.#answers.bytes,
      bodyBytes: () => this.#bodies.bytes,
    });
  }

  /** The base URL, such as `http://127.0.0.1:8787`. @throws RUNTIME_NOT_READY the server does not listen */
  get url(): string {
    if (this.#url === null) throw new RuntimeError('RUNTIME_NOT_READY', 'The server does not listen');
    return this.#url;
  }

  /** Adds a handler of upgrades. Call it before `listen`. */
  onUpgrade(handler: UpgradeHandler, isWebSocket?: (request: IncomingMessage) => boolean): void {
    this.#upgrades.push(handler);
    if (isWebSocket) this.#webSockets.push(isWebSocket);
  }

  /** As `MountPlace.mount`. Call it before `listen`. @throws as there */
  mount(name: string, permission: Permission, handler: MountHandler): void {
    this.#mounts.mount(name, permission, handler);
  }

  /** Adds a runtime of this process to the metrics, under its name in the configuration. Call it before it starts. */
  measure(name: string, runtime: ServedRuntime, hooks: Pick<PluginHooks, 'committed' | 'diagnostic'>): void {
    this.#measurements.measure(name, runtime, hooks);
  }

  /**
   * Listens. Until the directory is ready, requests are answered with RUNTIME_NOT_READY. While another program uses the port, waits
   * for up to `portWaitMs`, as long as `isWanted` returns true.
   * @throws INVALID_REQUEST callers are not identified, and the host is not loopback; the console cannot be read
   * @throws PLUGIN_FAILED the system refuses
   * @throws RUNTIME_STOPPING the server was closed in the meantime
   */
  async listen(access: Access, isWanted: () => boolean = () => true): Promise<void> {
    const { host, port, portWaitMs, console: folder } = this.#options;
    if (access.isOpen && !isLoopback(host)) {
      throw new RuntimeError(
        'INVALID_REQUEST',
        'The option http.host must be a loopback address if there are no access tokens; set http.tokenFile, http.tokens or http.issuerFile',
        { details: { option: 'host' } },
      );
    }
    const consoleFiles = folder === null ? null : await readConsole(folder);
    const server = createApp({
      directory: this.#directory,
      log: this.#log,
      options: this.#options,
      hostCheck: this.#hostCheck,
      access,
      routes: new RouteTable(this.#options.headerBytes),
      mounts: this.#mounts,
      embedder: this.#embedder,
      consoleFiles,
      isWebSocket: (request) => this.#webSockets.some((matches) => matches(request)),
      streams: this.#streams,
      mounted: this.#mounted,
      connections: this.#connections,
      turns: this.#turns,
      answers: this.#answers,
      bodies: this.#bodies,
      measurements: this.#measurements,
    });
    this.#server = server;
    this.#offerUpgrades(server, access);
    // resolved here, since a name may stand for two addresses
    const { address } = await lookup(host);
    await waitForPort({ host: address, port, portWaitMs }, this.#log, isWanted);
    if (this.#server !== server) throw new RuntimeError('RUNTIME_STOPPING');
    const url = await listen(server, address, port);
    if (this.#server !== server) {
      await closeServer(server);
      throw new RuntimeError('RUNTIME_STOPPING');
    }
    this.#url = url;
    this.#log.info(
      { url: this.#url, callers: access.isOpen ? 'any program of this machine' : 'with a token' },
      'listening',
    );
  }

  /**
   * Makes every stream send what is due and its closing frame, and waits for requests in progress: until `drainMs` have
   * passed, or the signal aborts.
   */
  async drain(signal: AbortSignal): Promise<void> {
    this.#mounted.finish('RUNTIME_STOPPING');
    await abortAfter(this.#options.drainMs, signal, (cut) =>
      Promise.all([this.#streams.finish('RUNTIME_STOPPING', cut), this.#turns.settled(cut)]),
    );
  }

  /** Closes the port and all connections. */
  async close(): Promise<void> {
    this.#url = null;
    const server = this.#server;
    this.#server = null;
    // a server that does not listen yet is closed by `listen`
    if (server?.listening) await closeServer(server);
  }

  #offerUpgrades(server: Server, access: Access): void {
    // without an 'upgrade' listener Node treats an upgrade as a plain request
    if (this.#upgrades.length === 0) return;
    offerUpgrades(server, {
      handlers: this.#upgrades,
      connections: this.#connections,
      answers: this.#answers,
      turns: this.#turns,
      log: this.#log,
      directory: this.#directory,
      embedder: this.#embedder,
      addressOf: this.#options.addressOf,
      check: async (request) => {
        this.#hostCheck.assert(request, false);
        const caller = await access.identifyUpgrade(request);
        assertMay(caller, 'observe');
        return caller;
      },
    });
  }
}

/**
 * The queue of connections to accept, within the limit of the system. All clients reconnect at once after a restart;
 * the kernel makes those beyond the queue wait for seconds. (Node's default is 511.)
 */
const ACCEPT_BACKLOG = 65_535;

const closeServer = async (server: Server): Promise<void> => {
  const closed = once(server, 'close');
  server.close();
  server.closeAllConnections();
  await closed;
};

/** Listens, and returns the base URL. @throws PLUGIN_FAILED the system refuses; `details.reason` is its code */
const listen = async (server: Server, host: string, port: number): Promise<string> => {
  try {
    const listening = once(server, 'listening');
    server.listen({ host, port, backlog: ACCEPT_BACKLOG });
    await listening;
  } catch (error) {
    const reason = error instanceof Error && 'code' in error ? String(error.code) : 'unknown';
    const message =
      reason === 'EADDRINUSE'
        ? `Port ${port} is in use: end its program, or choose another port`
        : `Cannot listen on port ${port} (${reason})`;
    throw new RuntimeError('PLUGIN_FAILED', message, {
      cause: error,
      details: { plugin: 'http', hook: 'start', port, reason },
    });
  }
  const { port: bound } = server.address() as AddressInfo;
  return `http://${host.includes(':') ? `[${host}]` : host}:${bound}`;
};
