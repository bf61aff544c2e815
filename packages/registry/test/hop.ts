import { silentLogger } from '@worker-runtime/core';
import { UNLIMITED } from '@worker-runtime/core/scope';
import { type Access, type Caller, HttpServer } from '@worker-runtime/plugin-http';
import { SocketServer } from '@worker-runtime/plugin-ws';
import { Registry, type Source } from '../src/index.ts';

export const OWNER: Caller = { name: 'ada', scope: UNLIMITED, expiresAt: null, withdrawn: null };

/** One HTTP server for the runtimes of a registry. `callers` gives the caller of each bearer token. */
export class Hop {
  readonly registry: Registry;
  readonly server: HttpServer;
  readonly #sockets = new SocketServer({}, silentLogger);

  private constructor(registry: Registry) {
    this.registry = registry;
    this.server = new HttpServer(registry, { port: 0 }, silentLogger);
  }

  static start(sources: readonly Source[], callers?: Readonly<Record<string, Caller>>): Promise<Hop> {
    return Hop.serve(new Registry(sources, { listDeadlineMs: 2_500 }), callers);
  }

  static async serve(registry: Registry, callers: Readonly<Record<string, Caller>> = {}): Promise<Hop> {
    const hop = new Hop(registry);
    const identify: Access['identify'] = ({ headers }) => {
      const token = headers.authorization?.slice('Bearer '.length);
      return (token === undefined ? undefined : callers[token]) ?? OWNER;
    };
    hop.#sockets.listenOn(hop.server);
    hop.#sockets.watch();
    await hop.server.listen({ isOpen: false, identify, identifyUpgrade: identify });
    return hop;
  }

  get url(): string {
    return this.server.url;
  }

  async close(): Promise<void> {
    this.#sockets.close();
    await this.server.close();
    this.registry.close();
  }
}
