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
import { TcpProxy } from './tcp-proxy.ts';

type Release = () => void | Promise<void>;

/** One life of a runtime process, as far as that can be had within a test's own. */
class Life {
  readonly runtime: Runtime;
  readonly #web: ReturnType<typeof http>;
  readonly #releases: Release[] = [];
  readonly #timers = new Set<() => void>();
  #isOver = false;

  constructor(place: RuntimeStore, engine: ScriptedEngine, limits: Partial<Limits>, options: HttpOptions) {
    const web = http({ port: 0, ...options });
    this.#web = web;
    const sockets = wsObservation({ on: web });
    const listening = [web, sockets].map(
      (plugin): RuntimePlugin => ({
        name: plugin.name,
        // so that a kill can close the port and its sockets, as the end of a process does
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
        host.useStore(this.#mortal(place));
        host.useEngine(engine);
      },
    };
    this.runtime = new Runtime({ plugins: [...listening, parts], clock: this.#clock(), limits });
  }

  async start(): Promise<string> {
    await this.runtime.start();
    return this.#web.url;
  }

  /** Nothing that this runtime still does leaves it any more. */
  async kill(): Promise<void> {
    this.#isOver = true;
    for (const callOff of this.#timers) callOff();
    for (const release of this.#releases.toReversed()) await release();
  }

  /** The store, until this life is over: then no write is done or answered. */
  #mortal(place: RuntimeStore): RuntimeStore {
    const alive = async <T>(act: () => Promise<T>): Promise<T> => {
      // a write takes some turns, so that a kill finds some on their way
      await new Promise((resolve) => setImmediate(resolve));
      return this.#isOver ? new Promise<never>(() => {}) : act();
    };
    return {
      kind: 'mortal',
      isDurable: true,
      version: 1,
      open: (host) =>
        place.open({ ...host, snapshotOf: (log) => (this.#isOver ? undefined : host.snapshotOf(log)) }),
      create: (log, begin, batch) => alive(() => place.create(log, begin, batch)),
      append: (log, after, batch) => alive(() => place.append(log, after, batch)),
      remove: (log) => alive(() => place.remove(log)),
      putBundle: (bundle) => alive(() => place.putBundle(bundle)),
      head: (log) => place.head(log),
      read: (log, position, limits) => place.read(log, position, limits),
      record: (log) => place.record(log),
      keys: (log) => place.keys(log),
      bundle: (digest) => place.bundle(digest),
      bundles: () => place.bundles(),
      close: () => (this.#isOver ? Promise.resolve() : place.close()),
    };
  }

  #clock(): Clock {
    return {
      now: () => systemClock.now(),
      after: (delayMs, callback) => {
        if (this.#isOver) return () => {};
        const callOff = systemClock.after(delayMs, () => {
          this.#timers.delete(callOff);
          callback();
        });
        this.#timers.add(callOff);
        return () => {
          this.#timers.delete(callOff);
          callOff();
        };
      },
    };
  }
}

/** A runtime behind a real port and a proxy that keeps its address over restarts. */
export class Served {
  readonly engine = scriptedEngine();
  readonly proxy: TcpProxy;
  readonly #place = memoryStore();
  readonly #limits: Partial<Limits>;
  readonly #http: HttpOptions;
  #life: Life | null = null;

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
    const served = new Served(await TcpProxy.open(null), limits, options);
    await served.begin();
    return served;
  }

  get runtime(): Runtime {
    if (!this.#life) throw new TypeError('The runtime is stopped');
    return this.#life.runtime;
  }

  /** Where it listens itself. */
  url = '';

  async begin(): Promise<void> {
    const life = new Life(this.#place, this.engine, this.#limits, this.#http);
    this.url = await life.start();
    this.proxy.target(this.url);
    this.#life = life;
  }

  /** Stops it in peace. */
  async stop(): Promise<void> {
    const life = this.#life;
    this.#life = null;
    await life?.runtime.stop();
    this.proxy.untarget();
  }

  /** As `kill -9` would. */
  async kill(): Promise<void> {
    const life = this.#life;
    this.#life = null;
    this.proxy.untarget();
    this.proxy.cut();
    await life?.kill();
    await this.#place.close();
  }

  async dispose(): Promise<void> {
    await this.stop();
    await this.proxy.close();
  }
}
