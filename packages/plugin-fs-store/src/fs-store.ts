import { type JsonValue, RuntimeError, type RuntimeStore } from '@worker-runtime/core';
import type {
  Batch,
  KeyEntry,
  LinePosition,
  LogHead,
  LogSlice,
  NewLog,
  OpenedStore,
  ReadLimits,
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
  #isOpening = false;

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
      lock = await DirectoryLock.take(layout.root, {
        run: (job) => (this.#open ? this.#open.directory.runWithReads(job) : job()),
        onLost: () => this.#fence(host),
      });
      const { runtimeId, parts } = await openDirectory(this.#settings, host, lock.epoch);
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

  async remove(log: string): Promise<void> {
    return this.#directory.remove(log);
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

  async close(): Promise<void> {
    const open = this.#open;
    if (!open) return;
    this.#open = null;
    clearInterval(open.timer);
    try {
      await open.directory.close();
    } finally {
      await open.lock.release();
    }
  }

  get #directory(): StoreDirectory {
    if (!this.#open) throw unavailable('The store is not open');
    return this.#open.directory;
  }

  /** Stops writing, because another process has taken the lock and this one could destroy what it writes. */
  #fence(host: StoreHost): void {
    const open = this.#open;
    if (!open) return;
    this.#open = null;
    clearInterval(open.timer);
    open.directory.fence();
    host.report({
      severity: 'error',
      code: 'STORE_LOCK_LOST',
      message: 'Another process has taken over the store; this process no longer writes to it',
    });
  }
}

/** Makes a store in a directory, without opening it. @throws INVALID_REQUEST the options are not valid */
export const fileStore = (options: FsStoreOptions): RuntimeStore => new FsStore(options);
