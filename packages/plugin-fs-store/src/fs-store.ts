import {
  type Batch,
  type JsonValue,
  type KeyEntry,
  type LinePosition,
  type LogHead,
  type LogSlice,
  type NewLog,
  type OpenedStore,
  type ReadLimits,
  RuntimeError,
  type RuntimeStore,
  type StoredBundle,
  type StoredLog,
  type StoreHost,
} from '@worker-runtime/core';
import { DirectoryLock } from './disk/directory-lock.ts';
import type { Disk } from './disk/disk.ts';
import { unavailable } from './disk/disk-failure.ts';
import type { LogEntry } from './files/log-entry.ts';
import { FORMAT_VERSION } from './layout/layout.ts';
import { openDirectory } from './store/open-directory.ts';
import { type FsStoreOptions, type Settings, settingsOf } from './store/settings.ts';
import type { Session } from './store/store-directory.ts';

/** How long what is written stays out of the Workers' files, and the log unchecked for a checkpoint. */
const TICK_MS = 1_000;
/** What a log is listed with at most; the runtime reads the rest. */
const TAIL_BYTES = 65_536;
/** How long a store that is written seldom goes without a checkpoint, and one that nobody writes, in ticks. */
const IDLE_TICKS = 60;
const QUIET_TICKS = 5;

interface Open {
  readonly session: Session;
  readonly lock: DirectoryLock;
  readonly timer: NodeJS.Timeout;
}

/** A store in a directory of this machine; FORMAT.md says what is written and why it survives. */
export class FsStore implements RuntimeStore {
  readonly kind = 'fs-store';
  readonly isDurable = true;
  readonly version = FORMAT_VERSION;
  readonly #settings: Settings;
  #open: Open | null = null;
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
        run: (job) => (this.#open ? this.#open.session.parts.reads.run(job) : job()),
        onLost: () => this.#lose(host),
      });
      const { runtimeId, session } = await openDirectory(this.#settings, host, lock.epoch);
      const timer = this.#startTicking(session);
      this.#open = { session, lock, timer };
      return { runtimeId, logs: listed(session) };
    } catch (error) {
      await lock?.release();
      throw error instanceof RuntimeError ? error : unavailable('The store cannot be opened', error);
    } finally {
      this.#isOpening = false;
    }
  }

  async create(log: string, begin: NewLog, batch: Batch): Promise<void> {
    return this.#session.create(log, begin, batch);
  }

  async append(log: string, after: LogHead, batch: Batch): Promise<void> {
    return this.#session.append(log, after, batch);
  }

  async head(log: string): Promise<LogHead> {
    return this.#session.head(log);
  }

  async read(log: string, position: LinePosition, limits: ReadLimits): Promise<LogSlice> {
    return this.#session.read(log, position, limits);
  }

  async record(log: string): Promise<JsonValue> {
    return this.#session.record(log);
  }

  async keys(log: string): Promise<readonly KeyEntry[]> {
    return this.#session.keys(log);
  }

  async remove(log: string): Promise<void> {
    return this.#session.remove(log);
  }

  async putBundle(bundle: StoredBundle): Promise<void> {
    return this.#session.parts.bundles.put(bundle);
  }

  async bundle(digest: string): Promise<Uint8Array | null> {
    return this.#session.parts.bundles.get(digest);
  }

  async bundles(): Promise<readonly string[]> {
    return this.#session.parts.bundles.list();
  }

  /** What a checkpoint cannot write stays in the log, where the next open finds it: closing itself does not fail. */
  async close(): Promise<void> {
    const open = this.#open;
    if (!open) return;
    this.#open = null;
    clearInterval(open.timer);
    const { log, backlog, checkpoints, files, reads } = open.session.parts;
    backlog.end();
    try {
      await log.drained();
      await checkpoints.make(true);
      // A last sync that fails was reported; what it was for is written, and the next open finds it.
      await log.close().catch(() => {});
    } finally {
      await reads.drained();
      await files.pool.close();
      await open.lock.release();
    }
  }

  get #session(): Session {
    if (!this.#open) throw unavailable('The store is not open');
    return this.#open.session;
  }

  #startTicking(session: Session): NodeJS.Timeout {
    const { backlog, checkpoints, log } = session.parts;
    let ticks = 0;
    let quiet = 0;
    let written = log.writtenBytes;
    const timer = setInterval(() => {
      ticks += 1;
      quiet = log.writtenBytes === written ? quiet + 1 : 0;
      written = log.writtenBytes;
      if (checkpoints.isOverdue || quiet === QUIET_TICKS || ticks % IDLE_TICKS === 0) void checkpoints.make();
      else void backlog.flush();
    }, TICK_MS);
    timer.unref();
    return timer;
  }

  /** Another process took the lock: whatever is written now could destroy what it writes. */
  #lose(host: StoreHost): void {
    const open = this.#open;
    if (!open) return;
    this.#open = null;
    clearInterval(open.timer);
    open.session.parts.log.abandon();
    host.report({
      severity: 'error',
      code: 'STORE_LOCK_LOST',
      message: 'Another process took the store over; this one writes no more',
    });
  }
}

/** The logs as `open` lists them, made one by one: a snapshot is let go when it was taken. */
function* listed(session: Session): Generator<StoredLog> {
  for (const entry of [...session.parts.entries.values()]) {
    yield storedLog(entry);
    entry.snapshot = null;
  }
  session.parts.checkpoints.start();
}

const storedLog = (entry: LogEntry): StoredLog => {
  const found = entry.snapshot;
  const snapshot = found && found.head.seq <= entry.seq && found.head.bytes <= entry.bytes ? found : null;
  const { log, workerId, head, isDamaged } = entry;
  const tail = entry.tailFrom(snapshot?.head.bytes ?? 0, TAIL_BYTES);
  return { log, workerId, head, snapshot, tail, isDamaged };
};

/** A store that keeps its logs in a directory, not open yet. @throws INVALID_REQUEST options that are not valid */
export const fileStore = (options: FsStoreOptions): RuntimeStore => new FsStore(options);
