import { RuntimeError } from './runtime-error.ts';

/** Every limit of a runtime with its default. What happens at each is said beside it. */
export const DEFAULT_LIMITS = {
  /** Workers of a runtime, stopped ones too; LIMIT_REACHED. */
  workers: 200_000,
  /** The text of one input; PAYLOAD_TOO_LARGE. */
  inputBytes: 262_144,
  /** Metadata of an input, and the engine's own config of a Worker; PAYLOAD_TOO_LARGE. */
  metadataBytes: 16_384,
  configBytes: 262_144,
  /** Inputs that wait behind a run (`whenBusy: "queue"`); LIMIT_REACHED. */
  queuedInputs: 16,
  /** Requests that a run has open at once; its `ask` rejects with LIMIT_REACHED. */
  openRequests: 16,
  /** Tool calls of a run that wait for their results; an engine that makes more fails its run with LIMIT_REACHED. */
  openCalls: 1_000,
  labels: 64,
  labelChars: 256,
  tools: 256,
  claims: 64,
  /** One event's line; an engine that yields more fails its run with OUTPUT_TOO_LARGE. */
  eventBytes: 1_048_576,
  /** What an execution records for the next one; OUTPUT_TOO_LARGE. */
  recordedBytes: 4_096,
  /** Streamed text that no message has superseded yet; OUTPUT_TOO_LARGE. */
  inFlightBytes: 1_048_576,
  /** A page: what is given without asking, the most that may be asked for (LIMIT_TOO_LARGE), and where it ends early. */
  pageItemsDefault: 100,
  pageItems: 1_000,
  pageBytes: 1_048_576,
  /** Idempotency keys remembered a Worker, and creations remembered a runtime: the oldest are forgotten. */
  idempotencyKeys: 1_000,
  /** Diagnostics kept for reading: the oldest are dropped. */
  diagnostics: 1_000,
  /** Deleted Workers that a watch can still be told of; one further behind gets `reset`. */
  removedWorkers: 1_000,
  /** Decisions that wait for the store, all Workers together; STORE_UNAVAILABLE. */
  pendingCommits: 10_000,
  /** Recent lines a Worker keeps in memory for its streams; the rest is read from the store. */
  tailBytes: 262_144,
  /** What was read from the store last, all Workers together, kept for whoever reads it next; the oldest goes. */
  recentReadBytes: 1_048_576,
  /** How long a Worker without work or readers keeps its tail and keys in memory. */
  idleUnloadMs: 60_000,
  /** Streams and watches open at once; LIMIT_REACHED. */
  subscriptions: 20_000,
  /** Executions that were detached and have not settled; LIMIT_REACHED for a new one. */
  unsettledExecutions: 100,
  /** Config bundles of a runtime (LIMIT_REACHED) and the size of one (PAYLOAD_TOO_LARGE). */
  bundles: 10_000,
  bundleBytes: 1_048_576,
  /** How long a commit may take; then STORE_UNAVAILABLE, and the log is asked what it holds. */
  commitTimeoutMs: 10_000,
  /** How long an engine may take to attach; ENGINE_UNAVAILABLE. */
  attachTimeoutMs: 30_000,
  /** How long a cancelled or stopped run may take to end before its execution is detached, and the most a stop may ask for. */
  stopDeadlineMs: 5_000,
  stopDeadlineMaxMs: 600_000,
  /** How long a run may take; RUN_DEADLINE. */
  runTimeoutMs: 3_600_000,
  /** How long a tap of `start`, `prepare`, `admit` may take; PLUGIN_TIMEOUT. */
  pluginTimeoutMs: 30_000,
  /** How long the whole of `stop` may take. */
  shutdownDeadlineMs: 10_000,
} as const satisfies Record<string, number>;

export type Limits = { readonly [K in keyof typeof DEFAULT_LIMITS]: number };

/** @throws INVALID_REQUEST an unknown limit, or one that is not a positive whole number */
export const resolveLimits = (overrides: Partial<Limits> = {}): Limits => {
  const limits = Object.keys(DEFAULT_LIMITS);
  const refuse = (name: string, why: string): never => {
    throw new RuntimeError('INVALID_REQUEST', `limits.${name} ${why}`, { details: { limits } });
  };
  for (const [name, value] of Object.entries(overrides)) {
    if (!limits.includes(name)) refuse(name, `is not a limit; there are ${limits.join(', ')}`);
    if (!Number.isSafeInteger(value) || value < 1) refuse(name, 'must be a positive whole number');
  }
  return { ...DEFAULT_LIMITS, ...overrides };
};
