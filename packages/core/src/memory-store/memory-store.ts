import type { JsonValue } from '../contracts/json.ts';
import { RuntimeError } from '../contracts/runtime-error.ts';
import type {
  Batch,
  KeyEntry,
  LinePosition,
  LogHead,
  LogSlice,
  NewLog,
  OpenedStore,
  ReadLimits,
  RuntimeStore,
  Snapshot,
  StoredBundle,
  StoreHost,
} from '../contracts/store.ts';
import { mintId } from '../id.ts';
import { MemoryLog } from './memory-log.ts';

class MemoryStore implements RuntimeStore {
  readonly kind = 'memory';
  readonly isDurable = false;
  readonly version = 1;
  #runtimeId: string | null = null;
  readonly #logs = new Map<string, MemoryLog>();
  readonly #bundles = new Map<string, Uint8Array>();
  readonly #states = new Map<string, Uint8Array>();
  #host: StoreHost | null = null;

  async open(host: StoreHost): Promise<OpenedStore> {
    if (this.#host) throw new RuntimeError('STORE_LOCKED', 'Another runtime has this memory store open');
    const runtimeId = this.#runtimeId ?? host.runtimeId ?? mintId('runtime');
    if (host.runtimeId !== undefined && host.runtimeId !== runtimeId)
      throw new RuntimeError(
        'STORE_CONFLICT',
        'The store belongs to another runtime; use a new place, or make a copy',
      );
    this.#runtimeId = runtimeId;
    this.#host = host;
    return { runtimeId, logs: Array.from(this.#logs.values(), (log) => log.stored()) };
  }

  async create(log: string, begin: NewLog, batch: Batch): Promise<void> {
    const { keptKeys } = this.#openHost();
    if (this.#logs.has(log)) {
      throw new RuntimeError('STORE_CONFLICT', 'The log already exists', { details: { log } });
    }
    this.#logs.set(log, new MemoryLog(log, begin, batch, keptKeys));
  }

  async append(log: string, after: LogHead, batch: Batch): Promise<void> {
    this.#log(log).append(after, batch, this.#openHost().keptKeys);
  }

  async head(log: string): Promise<LogHead> {
    return this.#log(log).head;
  }

  async read(log: string, position: LinePosition, limits: ReadLimits): Promise<LogSlice> {
    return this.#log(log).read(position, limits);
  }

  async trim(log: string, base: Snapshot): Promise<void> {
    this.#log(log).trim(base);
  }

  async base(log: string): Promise<Snapshot | null> {
    return this.#log(log).base;
  }

  async record(log: string): Promise<JsonValue> {
    return this.#log(log).record;
  }

  async keys(log: string): Promise<readonly KeyEntry[]> {
    return this.#log(log).keys;
  }

  async remove(log: string): Promise<void> {
    this.#openHost();
    this.#logs.delete(log);
  }

  async putBlob(log: string, name: string, body: Uint8Array): Promise<void> {
    this.#log(log).blobs.set(name, Uint8Array.from(body));
  }

  async blob(log: string, name: string): Promise<Uint8Array | null> {
    return this.#log(log).blobs.get(name) ?? null;
  }

  async blobs(log: string): Promise<readonly string[]> {
    return [...this.#log(log).blobs.keys()].sort();
  }

  async putPluginState(name: string, body: Uint8Array): Promise<void> {
    this.#openHost();
    this.#states.set(name, body);
  }

  async pluginState(name: string): Promise<Uint8Array | null> {
    this.#openHost();
    return this.#states.get(name) ?? null;
  }

  async pluginStates(): Promise<readonly string[]> {
    this.#openHost();
    return [...this.#states.keys()].sort();
  }

  async putBundle(bundle: StoredBundle): Promise<void> {
    this.#openHost();
    this.#bundles.set(bundle.digest, bundle.body);
  }

  async bundle(digest: string): Promise<Uint8Array | null> {
    this.#openHost();
    return this.#bundles.get(digest) ?? null;
  }

  async bundles(): Promise<readonly string[]> {
    this.#openHost();
    return [...this.#bundles.keys()].sort();
  }

  async close(): Promise<void> {
    const host = this.#host;
    if (!host) return;
    this.#host = null;
    for (const [id, log] of this.#logs) log.keepSnapshot(host.snapshotOf(id));
  }

  #log(log: string): MemoryLog {
    this.#openHost();
    const found = this.#logs.get(log);
    if (!found) throw new RuntimeError('WORKER_NOT_FOUND', 'The log does not exist', { details: { log } });
    return found;
  }

  #openHost(): StoreHost {
    if (!this.#host) throw new RuntimeError('STORE_UNAVAILABLE', 'The memory store is not open');
    return this.#host;
  }
}

/**
 * Returns a store in the memory of this process: the default of the library and the reference of the store contract.
 * Its content ends with the process.
 *
 * `close` keeps the content, with a snapshot of each log, and the same object may be opened again, which is a restart
 * without files. `open` returns up to 64 KiB of the lines after each snapshot. Appended bytes are kept without a
 * copy.
 */
export const memoryStore = (): RuntimeStore => new MemoryStore();
