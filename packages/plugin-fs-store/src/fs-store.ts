import { setTimeout } from 'node:timers/promises';
import { type JsonValue, RuntimeError, type RuntimeStore } from '@worker-runtime/core';
import type {
  Batch,
  KeyEntry,
  LinePosition,
  LogHead,
  LogSlice,
  Metric,
  NewLog,
  OpenedStore,
  ReadLimits,
  Snapshot,
  StoredBundle,
  StoreHost,
} from '@worker-runtime/core/plugin-kit';
import { DirectoryLock } from './disk/directory-lock.ts';
import type { Disk } from './disk/disk.ts';
import { unavailable } from './disk/disk-failure.ts';
import { FORMAT_VERSION } from './layout/layout.ts';
import { openDirectory } from './store/open-directory.ts';
import { StoreDirectory } from './store/store-directory.ts';
import { type FsStoreOptions, type Settings, settingsOf } from './store/store-settings.ts';

const TICK_MS = 1_000;
const LOCK_POLL_MS = 50;

interface OpenState {
  readonly directory: StoreDirectory;
  readonly lock: DirectoryLock;
  readonly timer: NodeJS.Timeout;
}

/** A store in a directory of this machine. FORMAT.md describes what it writes, and why that survives crashes. */
export class FsStore implements RuntimeStore {
  readonly kind = 'fs-store';
  readonly isDurable = true;
  readonly version = FORMAT_VERSION;
  readonly #settings: Settings;
  #open: OpenState | null = null;
  #loss: RuntimeError | null = null;
  #isOpening = false;
  #isClosing = false;

  constructor(options: FsStoreOptions, disk?: Disk) {
    this.#settings = settingsOf(options, disk);
  }

  async open(host: StoreHost): Promise<OpenedStore> {
    if (this.#open || this.#isOpening) throw new RuntimeError('STORE_LOCKED', 'This store is open already');
    this.#isOpening = true;
    const { disk, layout } = this.#settings;
    let lock: DirectoryLock | null = null;
    try {
      await disk.makeDirectory(layout.root);
      lock = await this.#takeLock(host);
      const { runtimeId, parts } = await openDirectory(this.#settings, host, lock);
      const loss = await lock.confirm();
      if (loss) {
        await parts.files.pool.close();
        throw loss;
      }
      const directory = new StoreDirectory(parts);
      const timer = setInterval(() => directory.tick(), TICK_MS);
      timer.unref();
      this.#open = { directory, lock, timer };
      return { runtimeId, logs: directory.list() };
    } catch (error) {
      await lock?.release();
      throw error instanceof RuntimeError ? error : unavailable('The store cannot be opened', error);
    } finally {
      this.#isOpening = false;
    }
  }

  async create(log: string, begin: NewLog, batch: Batch): Promise<void> {
    return this.#directory.create(log, begin, batch);
  }

  async append(log: string, after: LogHead, batch: Batch): Promise<void> {
    return this.#directory.append(log, after, batch);
  }

  async head(log: string): Promise<LogHead> {
    return this.#directory.head(log);
  }

  async read(log: string, position: LinePosition, limits: ReadLimits): Promise<LogSlice> {
    return this.#directory.read(log, position, limits);
  }

  async record(log: string): Promise<JsonValue> {
    return this.#directory.record(log);
  }

  async keys(log: string): Promise<readonly KeyEntry[]> {
    return this.#directory.keys(log);
  }

  async trim(log: string, base: Snapshot): Promise<void> {
    return this.#directory.trim(log, base);
  }

  async base(log: string): Promise<Snapshot | null> {
    return this.#directory.base(log);
  }

  async remove(log: string): Promise<void> {
    return this.#directory.remove(log);
  }

  async putBlob(log: string, name: string, body: Uint8Array): Promise<void> {
    return this.#directory.putBlob(log, name, body);
  }

  async blob(log: string, name: string): Promise<Uint8Array | null> {
    return this.#directory.blob(log, name);
  }

  async blobs(log: string): Promise<readonly string[]> {
    return this.#directory.blobs(log);
  }

  async putPluginState(name: string, body: Uint8Array): Promise<void> {
    return this.#directory.putPluginState(name, body);
  }

  async pluginState(name: string): Promise<Uint8Array | null> {
    return this.#directory.pluginState(name);
  }

  async pluginStates(): Promise<readonly string[]> {
    return this.#directory.pluginStates();
  }

  async putBundle(bundle: StoredBundle): Promise<void> {
    return this.#directory.putBundle(bundle);
  }

  async bundle(digest: string): Promise<Uint8Array | null> {
    return this.#directory.bundle(digest);
  }

  async bundles(): Promise<readonly string[]> {
    return this.#directory.bundles();
  }

  metrics(): readonly Metric[] {
    return this.#open?.directory.metrics() ?? [];
  }

  async close(): Promise<void> {
    const open = this.#open;
    if (!open || this.#isClosing) return;
    clearInterval(open.timer);
    // From here on calls are refused, but a loss that is found during the closing still fences the directory.
    this.#isClosing = true;
    try {
      if (!this.#loss) await open.directory.close();
      if (this.#loss) await open.directory.release();
    } finally {
      this.#open = null;
      this.#isClosing = false;
      this.#loss = null;
      await open.lock.release();
    }
  }

  get #directory(): StoreDirectory {
    if (this.#loss) throw this.#loss;
    if (!this.#open || this.#isClosing) throw unavailable('The store is not open');
    return this.#open.directory;
  }

  /** Takes the lock, and tries again for `lockWaitMs` while another process has it, unless the runtime stops. @throws as `DirectoryLock.take` */
  async #takeLock(host: StoreHost): Promise<DirectoryLock> {
    const { layout, lockWaitMs } = this.#settings;
    const until = performance.now() + lockWaitMs;
    for (let isFirst = true; ; isFirst = false) {
      try {
        return await DirectoryLock.take(layout.root, {
          run: (job) => (this.#open ? this.#open.directory.runWithReads(job) : job()),
          onLost: (loss) => this.#fence(host, loss),
        });
      } catch (error) {
        const isLocked = error instanceof RuntimeError && error.code === 'STORE_LOCKED';
        if (!isLocked || performance.now() >= until || host.stopping?.aborted) throw error;
        if (isFirst)
          host.log.info({ lockWaitMs }, 'another process has the store open; waiting until it is closed');
        await setTimeout(LOCK_POLL_MS);
      }
    }
  }

  /** Stops writing, because the directory belongs to another process, which this one could disturb, or because it is gone. */
  #fence(host: StoreHost, loss: RuntimeError): void {
    const open = this.#open;
    // During the opening, the opening itself fails.
    if (!open) return;
    this.#loss = loss;
    clearInterval(open.timer);
    open.directory.fence(loss);
    host.report({
      severity: 'error',
      code: 'STORE_LOCK_LOST',
      message: `${loss.message}; this process no longer writes to it`,
    });
    host.lost(loss);
  }
}

/** Makes a store in a directory, without opening it. @throws INVALID_REQUEST the options are not valid */
export const fileStore = (options: FsStoreOptions): RuntimeStore => new FsStore(options);
