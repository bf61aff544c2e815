import { RuntimeError } from './runtime-error.ts';

/**
 * All limits of a runtime with their defaults. Sizes are in bytes and times in milliseconds. The code in each line is
 * the error of a request or a run that exceeds the limit.
 */
export const DEFAULT_LIMITS = {
  /** Workers of a runtime, including stopped ones. LIMIT_REACHED. */
  workers: 200_000,
  /** Forks of Workers that are being written. LIMIT_REACHED. */
  forks: 16,
  /** The size of one input. PAYLOAD_TOO_LARGE. */
  inputBytes: 262_144,
  /** The size of the metadata of an input. PAYLOAD_TOO_LARGE. */
  metadataBytes: 16_384,
  /** The size of the config of a Worker. PAYLOAD_TOO_LARGE. */
  configBytes: 262_144,
  /** The size of a file. PAYLOAD_TOO_LARGE. */
  fileBytes: 10_485_760,
  /** The size of all files of a Worker. LIMIT_REACHED. */
  workerFileBytes: 268_435_456,
  /** Files of a Worker. LIMIT_REACHED. */
  files: 1_000,
  /** Files of an input. INVALID_REQUEST. */
  inputFiles: 16,
  /** Queued inputs of a Worker (`whenBusy: "queue"`). LIMIT_REACHED. */
  queuedInputs: 16,
  /**
   * The size in memory of the inputs of all Workers that are queued or whose run is active. LIMIT_REACHED. The content of
   * a queued input is on disk only; this also bounds what their runs will need.
   */
  openInputBytes: 134_217_728,
  /**
   * The size in memory of what the states of all Workers hold: names, labels, tools, claims, entries of files, recorded
   * values, open requests and open tool calls. A command, a request or an output of a run that would exceed it is refused, or its run fails:
   * LIMIT_REACHED. What ends something is always accepted, and so is any store that is opened.
   */
  totalStateBytes: 268_435_456,
  /**
   * Executions that work on one run of a Worker with `whenInterrupted: "continue"`. After that many, a run that is interrupted
   * again ends as `interrupted`.
   */
  runAttempts: 5,
  /** Open requests of a run. `run.ask` rejects with LIMIT_REACHED. */
  openRequests: 16,
  /** Tool calls of a run that have no result yet. The run fails with LIMIT_REACHED. */
  openCalls: 1_000,
  /** Labels of a Worker. INVALID_REQUEST. */
  labels: 64,
  /** Characters of the key and of the value of a label. INVALID_REQUEST. */
  labelChars: 256,
  /** Tools that a Worker is granted. INVALID_REQUEST. */
  tools: 256,
  /** Claims of a Worker. INVALID_REQUEST. */
  claims: 64,
  /** The size of one event, as its line in the log. The run fails with OUTPUT_TOO_LARGE. */
  eventBytes: 1_048_576,
  /** The size of a value that an execution records for later ones. The run fails with OUTPUT_TOO_LARGE. */
  recordedBytes: 4_096,
  /** The size of streamed text that no message has replaced yet. The run fails with OUTPUT_TOO_LARGE. */
  inFlightBytes: 1_048_576,
  /**
   * The size of streamed text of all runs. Above it, a run that holds more than an equal share of it fails with
   * LIMIT_REACHED, so that many short messages are not affected by a few long ones.
   */
  totalInFlightBytes: 134_217_728,
  /** Items of a page if the caller names no limit. */
  pageItemsDefault: 100,
  /** Items of a page that a caller may ask for. LIMIT_TOO_LARGE. */
  pageItems: 1_000,
  /** The size of a page. A page that reaches it ends early, with `next`. */
  pageBytes: 1_048_576,
  /**
   * Idempotency keys that are kept for each Worker, and creations with a key for the runtime. The oldest are removed.
   */
  idempotencyKeys: 1_000,
  /**
   * The keys of all Workers that are in memory. Above it, the Workers whose keys were not used for the longest time keep a short mark of
   * each, and then none. A key that a mark may stand for is read from the store again.
   */
  totalIdempotencyKeys: 200_000,
  /** Diagnostics that are kept. The oldest are removed. */
  diagnostics: 1_000,
  /** Deletions that are kept for watches. A watch that missed more of them receives `reset`. */
  removedWorkers: 1_000,
  /** Commits of all Workers that wait for the store. STORE_UNAVAILABLE. */
  pendingCommits: 10_000,
  /**
   * The size of the last lines that a Worker keeps in memory for its streams. Earlier lines are read from the store.
   */
  tailBytes: 262_144,
  /**
   * The size of those lines of all Workers. Above it, the Workers that have had no commit for the longest time lose theirs.
   */
  totalTailBytes: 67_108_864,
  /** The size of the most recent reads of the store, over all Workers, that are kept for other readers. */
  recentReadBytes: 1_048_576,
  /** The time after which a Worker without runs and readers releases its tail and its keys from memory. */
  idleUnloadMs: 60_000,
  /** Open streams and watches. LIMIT_REACHED. */
  subscriptions: 20_000,
  /** Executions that were detached and have not ended yet. No new execution is attached: LIMIT_REACHED. */
  unsettledExecutions: 100,
  /** Config bundles of a runtime. LIMIT_REACHED. */
  bundles: 10_000,
  /** The size of a config bundle. PAYLOAD_TOO_LARGE. */
  bundleBytes: 1_048_576,
  /** The size of the state of a plugin, as JSON. PAYLOAD_TOO_LARGE. */
  pluginStateBytes: 1_048_576,
  /**
   * The time that the store has for the commit of a command, and for each read that a call needs. STORE_UNAVAILABLE; after a
   * commit, the runtime then asks the store what the log holds.
   */
  commitTimeoutMs: 10_000,
  /**
   * The time that an output or a read of a run waits for a store that is away. The engine is asked for no further output in the
   * meantime. The run fails with STORE_UNAVAILABLE.
   */
  storeOutageMs: 120_000,
  /** The time that an engine has to attach. ENGINE_UNAVAILABLE. */
  attachTimeoutMs: 30_000,
  /** The time that a run has to end after a cancel or a stop. Then its execution is detached. */
  stopDeadlineMs: 5_000,
  /** The longest deadline that a stop may ask for. INVALID_REQUEST. */
  stopDeadlineMaxMs: 600_000,
  /** The duration of a run. The run fails with RUN_DEADLINE. */
  runTimeoutMs: 3_600_000,
  /** The duration of one tap of `start`, `opened`, `prepare`, `admit` or `drain`. PLUGIN_TIMEOUT. */
  pluginTimeoutMs: 30_000,
  /** The duration of `stop`. */
  shutdownDeadlineMs: 10_000,
} as const satisfies Record<string, number>;

/** The limits of a runtime: the defaults and their overrides. */
export type Limits = { readonly [K in keyof typeof DEFAULT_LIMITS]: number };

/** Returns all limits. @throws INVALID_REQUEST a limit is unknown or not a positive whole number */
export const resolveLimits = (overrides: Partial<Limits> = {}): Limits => {
  const limits = Object.keys(DEFAULT_LIMITS);
  const refuse = (name: string, why: string): never => {
    throw new RuntimeError('INVALID_REQUEST', `limits.${name} ${why}`, { details: { limits } });
  };
  for (const [name, value] of Object.entries(overrides)) {
    if (!limits.includes(name)) refuse(name, `does not exist; the limits are ${limits.join(', ')}`);
    if (!Number.isSafeInteger(value) || value < 1) refuse(name, 'must be a positive whole number');
  }
  return { ...DEFAULT_LIMITS, ...overrides };
};
