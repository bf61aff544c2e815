import {
  type Clock,
  type Limits,
  memoryStore,
  Runtime,
  type RuntimePlugin,
  type RuntimeStore,
  systemClock,
} from '@worker-runtime/core';
import { type ScriptedEngine, scriptedEngine } from '@worker-runtime/core/testing';
import { type HttpOptions, http } from '@worker-runtime/plugin-http';
import { wsObservation } from '@worker-runtime/plugin-ws';
import { TcpProxy } from '@worker-runtime/test-environment/tcp-proxy';

type Release = () => void | Promise<void>;

/** Simulates one process of a runtime within the process of the test. */
class RuntimeProcess {
  readonly runtime: Runtime;
  readonly #web: ReturnType<typeof http>;
  readonly #releases: Release[] = [];
  readonly #timers = new Set<() => void>();
  #isKilled = false;

  constructor(store: RuntimeStore, engine: ScriptedEngine, limits: Partial<Limits>, options: HttpOptions) {
    const web = http({ port: 0, ...options });
    this.#web = web;
    const sockets = wsObservation({ on: web });
    const listening = [web, sockets].map(
      (plugin): RuntimePlugin => ({
        name: plugin.name,
        // record the releases, so that a kill can close the port and its sockets as the end of a process does
        apply: (host) =>
          plugin.apply({
            ...host,
            runtime: host.runtime,
            hooks: host.hooks,
            log: host.log,
            useStore: (store) => host.useStore(store),
            useEngine: (own) => host.useEngine(own),
            defer: (release) => {
              this.#releases.push(release);
              host.defer(release);
            },
          }),
      }),
    );
    const parts: RuntimePlugin = {
      name: 'under-test',
      apply: (host) => {
        host.useStore(this.#killable(store));
        host.useEngine(engine);
      },
    };
    this.runtime = new Runtime({ plugins: [...listening, parts], clock: this.#clock(), limits });
  }

  async start(): Promise<string> {
    await this.runtime.start();
    return this.#web.url;
  }

  /** Ends all effects of this runtime: its timers, writes and connections. */
  async kill(): Promise<void> {
    this.#isKilled = true;
    for (const cancelTimer of this.#timers) cancelTimer();
    for (const release of this.#releases.toReversed()) await release();
  }

  /** Wraps the store. After a kill, no write is executed or answered. A close waits for the writes in progress. */
  #killable(store: RuntimeStore): RuntimeStore {
    const inProgress = new Set<Promise<unknown>>();
    const unlessKilled = <T>(act: () => Promise<T>): Promise<T> => {
      // a write takes some time, so that a kill can interrupt it
      const write = new Promise((resolve) => setImmediate(resolve)).then(() =>
        this.#isKilled ? new Promise<never>(() => {}) : act(),
      );
      const ended = (): boolean => inProgress.delete(write);
      inProgress.add(write);
      write.then(ended, ended);
      return write;
    };
    return {
      kind: 'killable',
      isDurable: true,
      version: 1,
      open: (host) =>
        store.open({ ...host, snapshotOf: (log) => (this.#isKilled ? undefined : host.snapshotOf(log)) }),
      create: (log, begin, batch) => unlessKilled(() => store.create(log, begin, batch)),
      append: (log, after, batch) => unlessKilled(() => store.append(log, after, batch)),
      base: (log) => store.base(log),
      trim: (log, base) => unlessKilled(() => store.trim(log, base)),
      remove: (log) => unlessKilled(() => store.remove(log)),
      putBlob: (log, name, body) => unlessKilled(() => store.putBlob(log, name, body)),
      blob: (log, name) => unlessKilled(() => store.blob(log, name)),
      blobs: (log) => store.blobs(log),
      putPluginState: (name, body) => unlessKilled(() => store.putPluginState(name, body)),
      pluginState: (name) => store.pluginState(name),
      pluginStates: () => store.pluginStates(),
      putBundle: (bundle) => unlessKilled(() => store.putBundle(bundle)),
      head: (log) => store.head(log),
      read: (log, position, limits) => store.read(log, position, limits),
      record: (log) => store.record(log),
      keys: (log) => store.keys(log),
      bundle: (digest) => store.bundle(digest),
      bundles: () => store.bundles(),
      close: async () => {
        if (this.#isKilled) return;
        await Promise.allSettled(inProgress);
        await store.close();
      },
    };
  }

  #clock(): Clock {
    return {
      now: () => systemClock.now(),
      after: (delayMs, callback) => {
        if (this.#isKilled) return () => {};
        const cancelTimer = systemClock.after(delayMs, () => {
          this.#timers.delete(cancelTimer);
          callback();
        });
        this.#timers.add(cancelTimer);
        return () => {
          this.#timers.delete(cancelTimer);
          cancelTimer();
        };
      },
    };
  }
}

/** A runtime on a real port, behind a proxy whose address stays the same across restarts. */
export class Served {
  readonly engine = scriptedEngine();
  readonly proxy: TcpProxy;
  readonly #store = memoryStore();
  readonly #limits: Partial<Limits>;
  readonly #http: HttpOptions;
  #process: RuntimeProcess | null = null;

  private constructor(proxy: TcpProxy, limits: Partial<Limits>, options: HttpOptions) {
    this.proxy = proxy;
    this.#limits = limits;
    this.#http = options;
  }

  static async start({
    limits = {},
    http: options = {},
  }: {
    readonly limits?: Partial<Limits>;
    readonly http?: HttpOptions;
  } = {}): Promise<Served> {
    const served = new Served(await TcpProxy.to(null), limits, options);
    await served.begin();
    return served;
  }

  get runtime(): Runtime {
    if (!this.#process) throw new TypeError('The runtime is stopped');
    return this.#process.runtime;
  }

  /** The address of the runtime itself, without the proxy. */
  url = '';

  /** The address of the proxy. */
  get address(): string {
    return `http://127.0.0.1:${this.proxy.port}`;
  }

  async begin(): Promise<void> {
    const current = new RuntimeProcess(this.#store, this.engine, this.#limits, this.#http);
    this.url = await current.start();
    this.lead(this);
    this.#process = current;
  }

  /** Leads later connections to a runtime; null resets them. */
  lead(other: Served | null): void {
    this.proxy.lead(other && Number(new URL(other.url).port));
  }

  /** Stops the runtime normally. */
  async stop(): Promise<void> {
    const current = this.#process;
    this.#process = null;
    await current?.runtime.stop();
    this.lead(null);
  }

  /** Ends the runtime as `kill -9` would. */
  async kill(): Promise<void> {
    const current = this.#process;
    this.#process = null;
    this.lead(null);
    this.proxy.reset();
    await current?.kill();
    await this.#store.close();
  }

  async dispose(): Promise<void> {
    await this.stop();
    await this.proxy.close();
  }
}
