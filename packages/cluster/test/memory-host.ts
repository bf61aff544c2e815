import { type Limits, Runtime, type RuntimeStore, silentLogger } from '@worker-runtime/core';
import type { ScriptedEngine } from '@worker-runtime/core/testing';
import { type ConfiguredAccess, HttpServer, readAccess } from '@worker-runtime/plugin-http';
import { SocketServer } from '@worker-runtime/plugin-ws';
import { Host, HostDirectory, type MemoryMembership, RuntimeService } from '../src/index.ts';

/** The lease of the tests. */
const LEASE_MS = 1_200;

const HTTP = { port: 0, host: '127.0.0.1' };

export interface MemoryHostOptions {
  readonly name: string;
  readonly membership: MemoryMembership;
  /** The store of each Runtime, which all hosts share. */
  readonly stores: ReadonlyMap<string, RuntimeStore>;
  readonly engine: ScriptedEngine;
  readonly limits?: Partial<Limits>;
  readonly leaseMs?: number;
}

/** A host with a listener, in the process of a test. */
export class MemoryHost {
  readonly name: string;
  readonly host: Host;
  readonly #server: HttpServer;
  readonly #directory: HostDirectory;
  readonly #sockets = new SocketServer({}, silentLogger);
  #access: ConfiguredAccess | null = null;

  constructor({ name, membership, stores, engine, limits = {}, leaseMs = LEASE_MS }: MemoryHostOptions) {
    this.name = name;
    const address = (): string => this.#server.url;
    this.host = new Host({
      membership,
      name,
      get address() {
        return address();
      },
      leaseMs,
      handOverMs: 10_000,
      serve: ({ name: runtime }) => {
        const store = stores.get(runtime);
        if (!store) throw new TypeError(`There is no store "${runtime}"`);
        return new RuntimeService(new Runtime({ store, engines: [engine], limits }));
      },
    });
    this.#directory = new HostDirectory(this.host);
    this.#server = new HttpServer(this.#directory, HTTP, silentLogger);
    this.#sockets.listenOn(this.#server);
  }

  get url(): string {
    return this.#server.url;
  }

  /** Starts it. With a file of issuers, only their signed tokens are valid. */
  async start(issuerFile?: string): Promise<void> {
    const options = { ...HTTP, ...(issuerFile !== undefined && { issuerFile }) };
    const audienceOf = (runtime: string): string | null => this.#directory.runtimeIdOf(runtime);
    this.#access = await readAccess(options, audienceOf, silentLogger);
    await this.#server.listen(this.#access.access);
    await this.host.start();
    this.#directory.opened();
  }

  /** Resolves when this host serves exactly these Runtimes. */
  async serves(...names: readonly string[]): Promise<void> {
    const isSo = (): boolean =>
      this.host.seats.size === names.length &&
      names.every((name) => this.host.seats.get(name)?.state === 'serving');
    await new Promise<void>((resolve) => {
      const check = (): void => {
        if (!isSo()) return;
        stop();
        resolve();
      };
      const stop = this.host.onChange(check);
      check();
    });
  }

  async stop(): Promise<void> {
    this.#directory.stopping();
    await this.host.stop();
    await this.close();
  }

  async close(): Promise<void> {
    this.host.close();
    this.#directory.close();
    this.#sockets.close();
    this.#access?.close();
    await this.#server.close();
  }
}
