import type { IncomingMessage } from 'node:http';
import { type Logger, type PluginHost, RuntimeError, type RuntimePlugin } from '@worker-runtime/core';
import type { Permission } from '@worker-runtime/core/scope';
import { type Access, type AudienceOf, TokenAccess } from './access/access.ts';
import { isLoopback } from './access/host-check.ts';
import { type Issuers, readIssuerFile } from './access/issuers.ts';
import { assertDistinct, type Token } from './access/token.ts';
import { readTokenFile } from './access/token-file.ts';
import { WatchedFile } from './access/watched-file.ts';
import { HttpServer } from './http-server.ts';
import { type MountHandler, type MountPlace, Mounts } from './mount.ts';
import { OneRuntime, SELF } from './one-runtime.ts';
import { type HttpOptions, resolveOptions } from './options.ts';
import { mountArchives } from './routes/archives.ts';
import type { UpgradeHandler } from './upgrades.ts';

/** The public side of the plugin: its address, and the ways for other plugins to use its port. */
export interface HttpListener extends MountPlace {
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
   * Reads `tokenFile` and `issuerFile` again, as the plugin does by itself when they change. Streams of a token that is gone
   * end. A file that is not valid is logged and changes nothing. Resolves when both are read.
   */
  reload(): Promise<void>;
}

interface Handler {
  readonly handle: UpgradeHandler;
  readonly isWebSocket: ((request: IncomingMessage) => boolean) | undefined;
}

const tokensOf = async (options: HttpOptions): Promise<readonly Token[]> => {
  const { tokens, tokenFile } = resolveOptions(options);
  if (tokenFile === null) return tokens;
  const all = [...tokens, ...(await readTokenFile(tokenFile))];
  assertDistinct(all, 'The list of http.tokens and http.tokenFile together');
  return all;
};

/** @throws INVALID_REQUEST the file of issuers is not valid */
const issuersOf = async (options: HttpOptions): Promise<Issuers | null> => {
  const { issuerFile } = resolveOptions(options);
  return issuerFile === null ? null : readIssuerFile(issuerFile);
};

/** Reads the files of tokens and issuers again when they change. */
const watch = (access: TokenAccess, options: HttpOptions, log: Logger): WatchedFile[] => {
  const { tokenFile, issuerFile } = resolveOptions(options);
  const files: WatchedFile[] = [];
  const replaceTokens = async (): Promise<object> => access.replaceTokens(await tokensOf(options));
  if (tokenFile !== null) files.push(new WatchedFile(tokenFile, 'tokens', replaceTokens, log));
  const replaceIssuers = async (): Promise<object> => {
    access.replaceIssuers(await issuersOf(options));
    return {};
  };
  if (issuerFile !== null) files.push(new WatchedFile(issuerFile, 'issuers', replaceIssuers, log));
  return files;
};

/**
 * Returns the access of the options `tokens`, `tokenFile` and `issuerFile`, for a server of several runtimes. `runtimeIdOf` returns the id of
 * the runtime that a path names, or null. A signed token is valid for requests about its runtime alone.
 * @throws INVALID_REQUEST a file cannot be read, or is not valid
 */
export const readAccess = async (
  options: HttpOptions,
  runtimeIdOf: (name: string) => string | null,
): Promise<Access> => {
  const audienceOf: AudienceOf = ({ url = '' }) => {
    const [, name] = /^\/v1\/runtimes\/([A-Za-z0-9._-]{1,64})(?=[/?]|$)/.exec(url) ?? [];
    const runtimeId = name === undefined ? null : runtimeIdOf(name);
    if (runtimeId !== null) return runtimeId;
    throw new RuntimeError('UNAUTHENTICATED', 'A signed token is for one runtime, which the path must name');
  };
  const access = new TokenAccess(await tokensOf(options), audienceOf);
  access.replaceIssuers(await issuersOf(options));
  return access;
};

class HttpPlugin implements RuntimePlugin, HttpListener {
  readonly name = 'http';
  readonly #options: HttpOptions;
  readonly #handlers: Handler[] = [];
  readonly #mounts = new Mounts();
  #server: HttpServer | null = null;
  #files: WatchedFile[] = [];

  /** @throws INVALID_REQUEST an option is unknown or invalid */
  constructor(options: HttpOptions) {
    resolveOptions(options);
    this.#options = options;
  }

  get url(): string {
    if (this.#server === null) throw new RuntimeError('RUNTIME_NOT_READY', 'The http plugin does not listen');
    return this.#server.url;
  }

  onUpgrade(handle: UpgradeHandler, isWebSocket?: (request: IncomingMessage) => boolean): void {
    this.#handlers.push({ handle, isWebSocket });
  }

  mount(name: string, permission: Permission, handler: MountHandler): void {
    this.#mounts.mount(name, permission, handler);
  }

  async reload(): Promise<void> {
    await Promise.all(this.#files.map((file) => file.readAgain()));
  }

  apply(host: PluginHost): void {
    const { runtime, hooks, log } = host;
    const server = new HttpServer(new OneRuntime(runtime), this.#options, log);
    this.#server = server;
    mountArchives(server);
    server.measure(SELF, runtime, hooks);
    hooks.start.tapPromise(async () => {
      const access = new TokenAccess([], () => runtime.runtimeId);
      // before the files are read, so that no change is missed
      this.#files = watch(access, this.#options, log);
      host.defer(() => {
        for (const file of this.#files.splice(0)) file.close();
      });
      access.replaceTokens(await tokensOf(this.#options));
      access.replaceIssuers(await issuersOf(this.#options));
      this.#assertConsole(access);
      for (const { handle, isWebSocket } of this.#handlers) server.onUpgrade(handle, isWebSocket);
      for (const { name, permission, handler } of this.#mounts) server.mount(name, permission, handler);
      host.defer(() => server.close());
      await server.listen(access, () => runtime.status === 'starting');
    });
    hooks.drain.tapPromise(({ signal }) => server.drain(signal));
  }

  /** @throws INVALID_REQUEST there is a console, whose pages have no token, and callers need one or come from elsewhere */
  #assertConsole(access: Access): void {
    const { console: folder, host } = resolveOptions(this.#options);
    if (folder === null || (access.isOpen && isLoopback(host))) return;
    throw new RuntimeError(
      'INVALID_REQUEST',
      'The option http.console needs a loopback address as http.host, and no access tokens: its pages have none',
      { details: { option: 'console' } },
    );
  }
}

/**
 * Serves a runtime over HTTP: commands, pages and live streams below `/v1`. It listens before the store opens, and
 * answers 503 until the runtime is ready. When the runtime stops, every stream gets its closing frame first.
 * @throws INVALID_REQUEST an option is unknown or invalid
 */
export const http = (options: HttpOptions = {}): RuntimePlugin & HttpListener => new HttpPlugin(options);
