import type { IncomingMessage } from 'node:http';
import { type Logger, type PluginHost, RuntimeError, type RuntimePlugin } from '@worker-runtime/core';
import type { ServedRuntime } from '@worker-runtime/core/plugin-kit';
import { type Access, TokenAccess } from './access/access.ts';
import { isLoopback } from './access/host-check.ts';
import { type Issuers, readIssuerFile } from './access/issuers.ts';
import { assertDistinct, type Token } from './access/token.ts';
import { readTokenFile } from './access/token-file.ts';
import { WatchedFile } from './access/watched-file.ts';
import { HttpServer } from './http-server.ts';
import { OneRuntime, SELF } from './one-runtime.ts';
import { type HttpOptions, resolveOptions } from './options.ts';
import { assertExtraName, type Extra } from './routes/extra.ts';
import type { UpgradeHandler } from './upgrades.ts';

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
   * Reads `tokenFile` and `issuerFile` again, as the plugin does by itself when they change. Streams of a token that is gone
   * end. A file that is not valid is logged and changes nothing. Resolves when both are read.
   */
  reload(): Promise<void>;
}

interface Handler {
  readonly handle: UpgradeHandler;
  readonly isWebSocket: ((request: IncomingMessage) => boolean) | undefined;
}

class HttpPlugin implements RuntimePlugin, HttpListener {
  readonly name = 'http';
  readonly #options: HttpOptions;
  readonly #handlers: Handler[] = [];
  readonly #extras: Extra[] = [];
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

  onGet(name: string, answer: () => Promise<unknown>): void {
    assertExtraName(name);
    this.#extras.push({ name, answer });
  }

  async reload(): Promise<void> {
    await Promise.all(this.#files.map((file) => file.readAgain()));
  }

  apply(host: PluginHost): void {
    const { runtime, hooks, log } = host;
    const server = new HttpServer(new OneRuntime(runtime), this.#options, log);
    this.#server = server;
    server.measure(SELF, runtime, hooks);
    hooks.start.tapPromise(async () => {
      const access = new TokenAccess();
      // before the files are read, so that no change is missed
      this.#files = this.#watch(access, runtime, log);
      host.defer(() => {
        for (const file of this.#files.splice(0)) file.close();
      });
      access.replaceTokens(await this.#tokens());
      access.replaceIssuers(await this.#issuers(runtime));
      this.#assertConsole(access);
      for (const { handle, isWebSocket } of this.#handlers) server.onUpgrade(handle, isWebSocket);
      for (const { name, answer } of this.#extras) server.onGet(name, answer);
      host.defer(() => server.close());
      await server.listen(access);
    });
    hooks.drain.tapPromise(({ signal }) => server.drain(signal));
  }

  #watch(access: TokenAccess, runtime: ServedRuntime, log: Logger): WatchedFile[] {
    const { tokenFile, issuerFile } = resolveOptions(this.#options);
    const files: WatchedFile[] = [];
    const replaceTokens = async (): Promise<object> => access.replaceTokens(await this.#tokens());
    if (tokenFile !== null) files.push(new WatchedFile(tokenFile, 'tokens', replaceTokens, log));
    const replaceIssuers = async (): Promise<object> => {
      access.replaceIssuers(await this.#issuers(runtime));
      return {};
    };
    if (issuerFile !== null) files.push(new WatchedFile(issuerFile, 'issuers', replaceIssuers, log));
    return files;
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

  async #tokens(): Promise<readonly Token[]> {
    const { tokens, tokenFile } = resolveOptions(this.#options);
    if (tokenFile === null) return tokens;
    const all = [...tokens, ...(await readTokenFile(tokenFile))];
    assertDistinct(all, 'The list of http.tokens and http.tokenFile together');
    return all;
  }

  async #issuers(runtime: ServedRuntime): Promise<Issuers | null> {
    const { issuerFile } = resolveOptions(this.#options);
    return issuerFile === null ? null : await readIssuerFile(issuerFile, () => runtime.runtimeId);
  }
}

/**
 * Serves a runtime over HTTP: commands, pages and live streams below `/v1`. It listens before the store opens, and
 * answers 503 until the runtime is ready. When the runtime stops, every stream gets its closing frame first.
 * @throws INVALID_REQUEST an option is unknown or invalid
 */
export const http = (options: HttpOptions = {}): RuntimePlugin & HttpListener => new HttpPlugin(options);
