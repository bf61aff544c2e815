import type { JsonValue } from './json.ts';
import type { Logger } from './logger.ts';
import type { Metric } from './metric.ts';
import type { RuntimeError } from './runtime-error.ts';

/**
 * The end of a log: the number of its last line and the size of all its lines. `{ seq: 0, bytes: 0 }` is an empty
 * log.
 */
export interface LogHead {
  readonly seq: number;
  readonly bytes: number;
}

/**
 * The position of a line: its number, and the size of all lines before it. Both follow from the appended lines, so
 * the runtime computes positions itself, and a store may use either field: a file seeks to `offset` and checks that
 * the line there begins with its number; an array looks up `seq`. `offset` is a hint: if it does not fit, the store
 * finds the line by `seq`.
 */
export interface LinePosition {
  readonly seq: number;
  readonly offset: number;
}

/**
 * An idempotency key as a store keeps it beside the log: the hash of the key, the digest of its request, and its
 * line.
 */
export interface KeyEntry {
  readonly hash: string;
  readonly digest: string;
  readonly seq: number;
  readonly offset: number;
}

/** The content of one append to one log. It is added as a whole or not at all. */
export interface Batch {
  /**
   * Whole lines in UTF-8, numbered without a gap. Each begins with `{"seq":<its number>,` and ends with `\n`. The store
   * never changes or parses them. The caller must not change the bytes later, because the store may keep them.
   */
  readonly lines: Uint8Array;
  readonly count: number;
  readonly keys?: readonly KeyEntry[];
  /**
   * True if the batch only ends work: a run, an execution or a Worker. A store whose space is used up should still accept it,
   * so that work can end and space can be freed. Stores accept `remove` for the same reason.
   */
  readonly isEssential?: boolean;
  /**
   * True if the batch only begins work: it accepts inputs. A store whose queue is long should write the batches of work in progress
   * first, but must not let new work wait for good.
   */
  readonly isBeginning?: boolean;
}

/** The content of a new log besides its first lines. */
export interface NewLog {
  /** The Worker that the log belongs to. After a deletion, a new log may have the same Worker id. */
  readonly workerId: string;
  /** Private data of the runtime, kept unchanged beside the log (the resolved config, claim resources). */
  readonly record: JsonValue;
  /** The base of a log that begins trimmed: its first line has the number after that of the base. */
  readonly base?: Snapshot;
}

/** A hole in a log that a read skipped. The code is its reason. */
export interface LogGap {
  readonly afterSeq: number;
  readonly beforeSeq: number;
  readonly code: string;
}

/** Consecutive lines without a hole. */
export interface LogSlice {
  /** Whole lines as they were appended, each ending with `\n`. Shared by readers: do not change the bytes. */
  readonly lines: Uint8Array;
  readonly count: number;
  /** The position of the first line. Without lines, the requested position. */
  readonly first: LinePosition;
  /** A hole between the requested position and the lines (forward: before them, backward: after them). */
  readonly gap: LogGap | null;
}

/** The bounds of a read. */
export interface ReadLimits {
  readonly count: number;
  readonly bytes: number;
  readonly direction: 'forward' | 'backward';
  /** Memory of the caller that the store may read the lines into. After the read, the caller decides on its further use. */
  readonly into?: Uint8Array;
}

/** The state of one Worker at a position of its log: one JSON value as text without newlines, opaque to the store. */
export interface Snapshot {
  readonly head: LogHead;
  /** May be decoded at each access. */
  readonly text: string;
}

/**
 * A log, as the store finds it when it is opened. The runtime keeps this object for a Worker at rest, so a store may decode its members at
 * each access. They must not change.
 */
export interface StoredLog {
  readonly log: string;
  readonly workerId: string;
  readonly head: LogHead;
  /** The last snapshot that the store kept, or null. A store need not keep snapshots. */
  readonly snapshot: Snapshot | null;
  /**
   * The snapshot in place of the lines that were trimmed; absent if none were. It is never missing, and at no later position than
   * `snapshot`.
   */
  readonly base?: Snapshot;
  /**
   * The lines after the snapshot, or from the first line without a snapshot, as far as the store has them in memory.
   * May be empty; the runtime reads the rest.
   */
  readonly tail: Uint8Array;
  /** True if the log is damaged: it is readable up to the damage and refuses every append with WORKER_DAMAGED. */
  readonly isDamaged: boolean;
}

/**
 * A problem that the store survived. The runtime records it as a diagnostic. `detail` goes to the operator's log
 * only.
 */
export interface StoreFinding {
  readonly severity: 'info' | 'warning' | 'error';
  readonly code: string;
  readonly message: string;
  readonly workerId?: string;
  readonly details?: { readonly file?: string; readonly offset?: number; readonly phase?: string };
  readonly detail?: unknown;
}

/** The interface of a runtime for its store. */
export interface StoreHost {
  readonly log: Logger;
  /** The settings of the operator, without secrets and host paths. Kept beside the identity for later inspection. */
  readonly configuration: JsonValue;
  /** The number of key entries of each log that the runtime reads back: `limits.idempotencyKeys`. */
  readonly keptKeys: number;
  /** Returns the current snapshot of a log, for a checkpoint, or undefined if the runtime does not know the log. */
  snapshotOf(log: string): Snapshot | undefined;
  /**
   * The id that a new store keeps instead of one of its own. A store that has another id rejects with STORE_CONFLICT. Only an import into
   * an empty store gives it.
   */
  readonly runtimeId?: string;
  report(finding: StoreFinding): void;
  /** Aborted when the runtime is to stop. An `open` that waits, such as for another owner, then rejects. */
  readonly stopping?: AbortSignal;
  /**
   * Ends the runtime, because the store has lost its place for good: another process has taken it over, or it is gone. The
   * store calls this once, with a STORE_LOST error, and before it rejects any call because of the loss.
   */
  lost(failure: RuntimeError): void;
}

/** The content of a store that was opened. */
export interface OpenedStore {
  /** The id of the runtime. A new store makes it, and keeps it from then on. */
  readonly runtimeId: string;
  /**
   * Every log that was acknowledged before, once. The runtime iterates to the end, once and before any call that writes. It may
   * read logs while it iterates. So a store can fetch them step by step, and need not hold the snapshots of all at the same time.
   */
  readonly logs: Iterable<StoredLog> | AsyncIterable<StoredLog>;
}

/** A config bundle as a store keeps it. */
export interface StoredBundle {
  readonly digest: string;
  readonly body: Uint8Array;
}

/**
 * Keeps the logs and small documents of one runtime. A store never interprets the lines and documents that it keeps.
 * `testStore` of `@worker-runtime/core/testing` is this contract as tests; the memory store is its reference.
 *
 * Every method fails with a RuntimeError. The code of a failed `create` or `append` tells what happened:
 * - STORE_FULL, STORE_CONFLICT, WORKER_DAMAGED: *not done*. Nothing was added, neither now nor after a restart.
 * - STORE_LOST: *not done*, and the store accepts nothing more. The runtime ends.
 * - any other code: *in doubt*. The runtime writes nothing more to that log until `head` has returned its end.
 *
 * A store that belongs to one process at a time acknowledges nothing that its next owner might not see. If it finds its
 * loss during an append whose lines the next owner may have read, it calls `StoreHost.lost` and rejects that append as in
 * doubt. From then on it refuses every call except `close` with STORE_LOST.
 *
 * A log that does not exist is WORKER_NOT_FOUND; a store that is not open is STORE_UNAVAILABLE. The runtime makes the
 * ids of logs from letters, digits and `_`, and never uses an id twice.
 *
 * The interface follows well-known logs: each append names its expected position, as in Kurrent and S2, and reads
 * return raw lines, as in Kafka.
 */
export interface RuntimeStore {
  /** A short name for people: `memory`, `fs-store`. */
  readonly kind: string;
  /** True if acknowledged writes outlive the process. */
  readonly isDurable: boolean;
  /** The version of the format that the store writes. */
  readonly version: number;

  /**
   * Opens the store. Called once, before all other methods.
   * @throws STORE_LOCKED another process has it open · STORE_CONFLICT · STORE_VERSION · STORE_CORRUPT · STORE_UNAVAILABLE
   */
  open(host: StoreHost): Promise<OpenedStore>;

  /**
   * Creates a log with its first lines, beginning with number 1. On return log, record and lines are as durable as an
   * append.
   * @throws STORE_CONFLICT the log exists
   */
  create(log: string, begin: NewLog, batch: Batch): Promise<void>;

  /**
   * Appends lines after the position `after`, all or none. On return they are readable, and durable by the policy of
   * the store. The runtime has at most one pending append for each log; a store may group those of different logs.
   * @throws STORE_CONFLICT `after` is not the head
   */
  append(log: string, after: LogHead, batch: Batch): Promise<void>;

  /**
   * Returns the end of a log. On return every earlier append to it has either happened or never will.
   * @throws WORKER_NOT_FOUND the log does not exist: a `create` that was in doubt did not happen
   */
  head(log: string): Promise<LogHead>;

  /**
   * Reads consecutive lines: forward from the line at `position`, or backward the lines before it. Returns them in
   * log order in either case, within both limits, but at least one line if there is one. A forward read from beyond
   * the head returns no lines; a backward read from there returns the last ones. The cost depends on the returned
   * lines only, and not on the length of the log.
   */
  read(log: string, position: LinePosition, limits: ReadLimits): Promise<LogSlice>;

  /**
   * Removes the lines up to `base.head`, and keeps `base` in their place. At least one line stays. On return that is as durable as an
   * append; the space may become free later. After a failure, also one that is *not done*, the log has all of its lines or begins at
   * `base`, and the call may be repeated. Positions, the head, the record, the keys and the blobs stay as they are, and appends may be
   * in progress at the same time. From then on a forward read of a removed line fails with CURSOR_EXPIRED, and a backward read ends at
   * the first line that is there.
   * @throws STORE_CONFLICT `base.head` is not before the last line, or is before the present base · WORKER_DAMAGED
   */
  trim(log: string, base: Snapshot): Promise<void>;
  /** Returns the base of a log; null if it has all of its lines. */
  base(log: string): Promise<Snapshot | null>;

  /** Returns the private record that was given at the creation. It does not change. */
  record(log: string): Promise<JsonValue>;

  /**
   * Returns the key entries appended last, oldest first: at least the last `StoreHost.keptKeys`, or all if there are
   * fewer. Older entries may be removed for good, even if a later `open` asks for more.
   */
  keys(log: string): Promise<readonly KeyEntry[]>;

  /**
   * Removes a log that the runtime has ended with `worker.deleted`. On return it is not listed, neither now nor after a
   * restart. A repeated call is not an error.
   */
  remove(log: string): Promise<void>;

  /**
   * Keeps bytes beside a log, under a name of at most 128 letters, digits, `-` and `_`. On return they are as durable as an
   * append. A repeated call with the same bytes is not an error; the runtime never stores other bytes under the same name.
   * `remove` also removes the blobs of the log.
   */
  putBlob(log: string, name: string, body: Uint8Array): Promise<void>;
  /** Returns a blob of a log, or null if the log has none of this name. */
  blob(log: string, name: string): Promise<Uint8Array | null>;
  /** Returns the names of all blobs of a log, sorted. */
  blobs(log: string): Promise<readonly string[]>;

  /**
   * Keeps the state of a plugin in place of the one before, under a name of at most 128 visible ASCII characters. On return
   * it is as durable as an append. After a failure either of the two states is kept, as a whole.
   */
  putPluginState(name: string, body: Uint8Array): Promise<void>;
  /** Returns the state that was kept last under a name, or null. */
  pluginState(name: string): Promise<Uint8Array | null>;
  /** Returns the names of all states that are kept, sorted. */
  pluginStates(): Promise<readonly string[]>;

  /** Keeps a bundle under its digest. A repeated call is not an error. */
  putBundle(bundle: StoredBundle): Promise<void>;
  /** Returns the content of a bundle, or null for an unknown digest. */
  bundle(digest: string): Promise<Uint8Array | null>;
  /** Returns the digests of all bundles, sorted. */
  bundles(): Promise<readonly string[]>;

  /** Returns the current metrics. May be called at any time, also before `open` and while it waits. */
  metrics?(): readonly Metric[];

  /** Closes the store. On return `open` finds every acknowledged write, and another process may open the store. */
  close(): Promise<void>;
}
