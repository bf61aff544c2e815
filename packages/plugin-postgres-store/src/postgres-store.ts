import {
  type JsonValue,
  type Logger,
  RuntimeError,
  type RuntimeStore,
  silentLogger,
} from '@worker-runtime/core';
import type {
  Batch,
  KeyEntry,
  LinePosition,
  LogHead,
  LogSlice,
  Membership,
  Metric,
  NewLog,
  OpenedStore,
  ReadLimits,
  Snapshot,
  StoredBundle,
  StoreHost,
} from '@worker-runtime/core/plugin-kit';
import { unavailable } from './database/failure.ts';
import { PostgresMembership } from './membership/postgres-membership.ts';
import { Counts, metricsOf, NOT_OPEN } from './metrics/counts.ts';
import { SCHEMA_VERSION } from './schema/tables.ts';
import { OpenStore } from './store/open-store.ts';
import { type PostgresStoreOptions, type Settings, settingsOf } from './store-settings.ts';

/** A store in a PostgreSQL database. FORMAT.md describes the tables, and why two processes never both write. */
export class PostgresStore implements RuntimeStore {
  readonly kind = 'postgres-store';
  readonly isDurable = true;
  readonly version = SCHEMA_VERSION;
  readonly #settings: Settings;
  readonly #counts = new Counts();
  #open: OpenStore | null = null;
  #isOpening = false;

  constructor(options: unknown) {
    this.#settings = settingsOf(options);
  }

  async open(host: StoreHost): Promise<OpenedStore> {
    if (this.#open || this.#isOpening) throw new RuntimeError('STORE_LOCKED', 'This store is open already');
    this.#isOpening = true;
    try {
      const store = await OpenStore.open(this.#settings, host, this.#counts);
      this.#open = store;
      return { runtimeId: store.runtimeId, logs: store.list() };
    } finally {
      this.#isOpening = false;
    }
  }

  async create(log: string, begin: NewLog, batch: Batch): Promise<void> {
    return this.#call((store) => store.create(log, begin, batch));
  }

  /** Passes the promise of the write on, because each further one for each append was measurable. */
  append(log: string, after: LogHead, batch: Batch): Promise<void> {
    try {
      return this.#opened.append(log, after, batch);
    } catch (error) {
      return Promise.reject(error as Error);
    }
  }

  async head(log: string): Promise<LogHead> {
    return this.#call((store) => store.head(log));
  }

  async read(log: string, position: LinePosition, limits: ReadLimits): Promise<LogSlice> {
    return this.#call((store) => store.read(log, position, limits));
  }

  async record(log: string): Promise<JsonValue> {
    return this.#call((store) => store.record(log));
  }

  async keys(log: string): Promise<readonly KeyEntry[]> {
    return this.#call((store) => store.keys(log));
  }

  async trim(log: string, base: Snapshot): Promise<void> {
    return this.#call((store) => store.trim(log, base));
  }

  async base(log: string): Promise<Snapshot | null> {
    return this.#call((store) => store.base(log));
  }

  async remove(log: string): Promise<void> {
    return this.#call((store) => store.remove(log));
  }

  async putBlob(log: string, name: string, body: Uint8Array): Promise<void> {
    return this.#call((store) => store.putBlob(log, name, body));
  }

  async blob(log: string, name: string): Promise<Uint8Array | null> {
    return this.#call((store) => store.blob(log, name));
  }

  async blobs(log: string): Promise<readonly string[]> {
    return this.#call((store) => store.blobs(log));
  }

  async putPluginState(name: string, body: Uint8Array): Promise<void> {
    return this.#call((store) => store.putPluginState(name, body));
  }

  async pluginState(name: string): Promise<Uint8Array | null> {
    return this.#call((store) => store.pluginState(name));
  }

  async pluginStates(): Promise<readonly string[]> {
    return this.#call((store) => store.pluginStates());
  }

  async putBundle(bundle: StoredBundle): Promise<void> {
    return this.#call((store) => store.putBundle(bundle));
  }

  async bundle(digest: string): Promise<Uint8Array | null> {
    return this.#call((store) => store.bundle(digest));
  }

  async bundles(): Promise<readonly string[]> {
    return this.#call((store) => store.bundles());
  }

  metrics(): readonly Metric[] {
    return metricsOf(this.#counts, this.#open?.state ?? NOT_OPEN);
  }

  async close(): Promise<void> {
    const store = this.#open;
    this.#open = null;
    await store?.close();
  }

  get #opened(): OpenStore {
    const store = this.#open;
    if (!store) throw unavailable('The store is not open');
    if (store.loss) throw store.loss;
    return store;
  }

  async #call<T>(act: (store: OpenStore) => Promise<T>): Promise<T> {
    return act(this.#opened);
  }
}

/** Makes a store in a PostgreSQL database, without opening it. @throws INVALID_REQUEST the options are not valid */
export const postgresDatabase = (options: PostgresStoreOptions): RuntimeStore => new PostgresStore(options);

/**
 * Returns the membership of the cluster whose Runtimes are in a PostgreSQL database. It takes the options of the store, and uses those about
 * the database. @throws INVALID_REQUEST the options are not valid
 */
export const postgresMembership = (options: PostgresStoreOptions, log: Logger = silentLogger): Membership =>
  new PostgresMembership(settingsOf(options), log);
