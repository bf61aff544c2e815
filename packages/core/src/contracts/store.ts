import type { JsonValue } from './json.ts';
import type { Logger } from './logger.ts';
import type { RuntimeError } from './runtime-error.ts';

/** How much a log holds: its last line's number and the bytes of all its lines. `{ seq: 0, bytes: 0 }` is an empty log. */
export interface LogHead {
  readonly seq: number;
  readonly bytes: number;
}

/**
 * Where a line is: its number, and the bytes of all lines before it. Both follow from what was appended, so the
 * runtime computes positions itself and a store may use either: a file seeks to `offset` and checks that the line
 * there begins with its number, an array or a stream looks `seq` up. An offset that does not fit is a hint gone
 * stale: the store finds the line by `seq`.
 */
export interface LinePosition {
  readonly seq: number;
  readonly offset: number;
}

/** An idempotency key as a store keeps it, next to the log: hash of the key, digest of the request, line that it caused. */
export interface KeyEntry {
  readonly hash: string;
  readonly digest: string;
  readonly seq: number;
  readonly offset: number;
}

/** What one append adds to one log: all of it or nothing. */
export interface Batch {
  /**
   * Whole lines in UTF-8, each beginning with `{"seq":<its number>,` and ending in `\n`, numbered on without a gap.
   * The store never changes or parses them; the caller leaves them as they are, for the store may keep them.
   */
  readonly lines: Uint8Array;
  readonly count: number;
  readonly keys?: readonly KeyEntry[];
}

/** What a new log begins with. */
export interface NewLog {
  /** The Worker that the log belongs to. Two logs may have had the same Worker id, one after the other. */
  readonly workerId: string;
  /** Private to the runtime, kept unchanged beside the log (the resolved configuration, claim resources). */
  readonly record: JsonValue;
}

/** A hole that reading had to skip. The code says why. */
export interface LogGap {
  readonly afterSeq: number;
  readonly beforeSeq: number;
  readonly code: string;
}

/** Lines that follow each other without a hole. */
export interface LogSlice {
  /** Whole lines as they were appended, each ending in `\n`. Not to be changed: readers share it. */
  readonly lines: Uint8Array;
  readonly count: number;
  /** Position of the first line; where nothing was found, the position that was asked for. */
  readonly first: LinePosition;
  /** A hole between what was asked for and the lines (forward: before them, backward: after them). */
  readonly gap: LogGap | null;
}

export interface ReadLimits {
  readonly count: number;
  readonly bytes: number;
  readonly direction: 'forward' | 'backward';
}

/** The runtime's own view of one log at a position: one JSON value as text without newlines, opaque to the store. */
export interface Snapshot {
  readonly head: LogHead;
  readonly text: string;
}

/** A log as it is found when the store opens. */
export interface StoredLog {
  readonly log: string;
  readonly workerId: string;
  readonly head: LogHead;
  /** The last snapshot that the store kept, or null where it has none (it may always have none). */
  readonly snapshot: Snapshot | null;
  /**
   * The lines right after the snapshot, or from the first on where there is none, as far as the store has them at
   * hand; the runtime reads the rest. May be empty.
   */
  readonly tail: Uint8Array;
  /** A damaged log is readable as far as it goes and refuses every append with WORKER_DAMAGED. */
  readonly isDamaged: boolean;
}

/** Trouble that the store survived; the runtime makes a diagnostic of it. `detail` is for the operator's log only. */
export interface StoreFinding {
  readonly severity: 'info' | 'warning' | 'error';
  readonly code: string;
  readonly message: string;
  readonly workerId?: string;
  readonly details?: { readonly file?: string; readonly offset?: number; readonly phase?: string };
  readonly detail?: unknown;
}

/** What the runtime offers to the store that it opens. */
export interface StoreHost {
  readonly log: Logger;
  /** What the operator configured, without secrets and host paths, to be kept beside the identity for later reading. */
  readonly configuration: JsonValue;
  /** The number of key entries of each log that the runtime reads back: `limits.idempotencyKeys`. */
  readonly keptKeys: number;
  /** The present snapshot of a log, for a checkpoint; undefined for one that the runtime does not know (any more). */
  snapshotOf(log: string): Snapshot | undefined;
  report(finding: StoreFinding): void;
  /**
   * Ends the runtime, because the store has lost its place for good: another process has taken it over, or it is gone. The
   * store calls this once, with a STORE_LOST error, and before it rejects any call because of the loss.
   */
  lost(failure: RuntimeError): void;
}

export interface OpenedStore {
  /** Made by the store when it was new, the same ever since. */
  readonly runtimeId: string;
  readonly logs: Iterable<StoredLog>;
}

export interface StoredBundle {
  readonly digest: string;
  readonly body: Uint8Array;
}

/**
 * Where logs and small documents live. A store serves one runtime, keeps lines and blobs, and never interprets them.
 * `testStore` of `@worker-runtime/core/testing` is this contract as tests; the memory store is its reference.
 *
 * Failures of every method are RuntimeErrors. For `create` and `append` the code says what holds:
 * - STORE_FULL, STORE_CONFLICT, WORKER_DAMAGED: *not done*. Nothing was added, now or after a restart.
 * - STORE_LOST: *not done*, and the store accepts nothing more. The runtime ends.
 * - any other: *in doubt*. The runtime writes nothing more to that log until `head` has told what is there.
 *
 * A store that belongs to one process at a time acknowledges nothing that its next owner might not see. If it finds its loss
 * during an append whose lines the next owner may have read, it calls `StoreHost.lost` and rejects that append as in doubt.
 * From then on every call except `close` is refused with STORE_LOST.
 *
 * A log that is not there is WORKER_NOT_FOUND, a store that is not open STORE_UNAVAILABLE. A log's id is made by the
 * runtime, of letters, digits and `_`, and never given to a second log.
 *
 * The shape follows a few well-known logs: an expected position per append as in Kurrent and S2, raw pages as in Kafka.
 */
export interface RuntimeStore {
  /** Short name for people: `memory`, `fs-store`. */
  readonly kind: string;
  /** Whether what was acknowledged outlives the process. */
  readonly isDurable: boolean;
  /** Version of the format that the store writes. */
  readonly version: number;

  /**
   * Called once, first. On return every log that was acknowledged before is listed.
   * @throws STORE_LOCKED another process has it open · STORE_VERSION · STORE_CORRUPT · STORE_UNAVAILABLE
   */
  open(host: StoreHost): Promise<OpenedStore>;

  /**
   * Begins a log with its first lines, number 1 on. On return log, record and lines are as durable as an append.
   * @throws STORE_CONFLICT the log exists
   */
  create(log: string, begin: NewLog, batch: Batch): Promise<void>;

  /**
   * Adds lines right after `after`, all or none. On return they are durable by the store's policy and readable.
   * The runtime has at most one append a log on its way; stores group those of different logs.
   * @throws STORE_CONFLICT `after` is not the head
   */
  append(log: string, after: LogHead, batch: Batch): Promise<void>;

  /**
   * What the log really holds. On return an earlier append of that log has either happened or never will.
   * @throws WORKER_NOT_FOUND there is no such log: a `create` that never was
   */
  head(log: string): Promise<LogHead>;

  /**
   * A slice: forward from the line at `position` on, or backward the lines before it, in log order either way, within
   * both limits but at least one line where there is one. Beyond the head there is nothing; backward from there comes
   * the end of the log. Cost depends on what is returned, never on the log's length.
   */
  read(log: string, position: LinePosition, limits: ReadLimits): Promise<LogSlice>;

  /** The private record given at creation. */
  record(log: string): Promise<JsonValue>;

  /**
   * Returns the key entries appended last, oldest first: at least the last `StoreHost.keptKeys`, or all if there are
   * fewer. Older entries may be removed for good, even if a later `open` asks for more.
   */
  keys(log: string): Promise<readonly KeyEntry[]>;

  /**
   * Takes a log away that the runtime has ended with `worker.deleted`. On return it is not listed, now or after a
   * restart. Again is no error.
   */
  remove(log: string): Promise<void>;

  /** Keeps a bundle by its digest; again is no error. */
  putBundle(bundle: StoredBundle): Promise<void>;
  bundle(digest: string): Promise<Uint8Array | null>;
  /** All digests, sorted. */
  bundles(): Promise<readonly string[]>;

  /** On return everything acknowledged is where `open` will find it, and another process may open the store. */
  close(): Promise<void>;
}
