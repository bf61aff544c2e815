import type { IncomingMessage } from 'node:http';
import { type PluginHost, RuntimeError, type RuntimePlugin } from '@worker-runtime/core';
import type { Permission } from '@worker-runtime/core/scope';
import type { Access } from './access/access.ts';
import { isLoopback } from './access/host-check.ts';
import { ConfiguredAccess } from './configured-access.ts';
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

class HttpPlugin implements RuntimePlugin, HttpListener {
  readonly name = 'http';
  readonly #options: HttpOptions;
  readonly #handlers: Handler[] = [];
  readonly #mounts = new Mounts();
  #server: HttpServer | null = null;
  #access: ConfiguredAccess | null = null;

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
    await this.#access?.reload();
  }

  apply(host: PluginHost): void {
    const { runtime, hooks, log } = host;
    const server = new HttpServer(new OneRuntime(runtime), this.#options, log);
    this.#server = server;
    mountArchives(server);
    server.measure(SELF, runtime, hooks);
    hooks.start.tapPromise(async () => {
      const configured = await ConfiguredAccess.read(this.#options, () => runtime.runtimeId, log);
      this.#access = configured;
      host.defer(() => configured.close());
      const { access } = configured;
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
