import type { Capabilities, EngineCapabilities } from './capabilities.ts';
import type { Claim, ClaimMode } from './claim.ts';
import type { Cursor } from './cursor.ts';
import type {
  BundleRef,
  InputRole,
  RequestKind,
  RunError,
  RunOutcome,
  Severity,
  StopResult,
  TextPart,
  WorkerEvent,
} from './event.ts';
import type { JsonObject, JsonValue } from './json.ts';
import type { Limits } from './limits.ts';
import type { Overview, UsageTotals } from './overview.ts';
import type { ErrorCode } from './runtime-error.ts';
import type { LogGap } from './store.ts';
import type { TranscriptItem } from './transcript.ts';

export type WorkerStatus = 'idle' | 'running' | 'waiting' | 'stopped';
export type WorkerHealth = 'ok' | 'damaged';
export type RuntimeStatus = 'new' | 'starting' | 'running' | 'stopping' | 'stopped' | 'failed';

export interface CreateWorker {
  /** Required, unless a profile names it. */
  readonly engine?: string;
  /** `^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$`; minted where left out. */
  readonly workerId?: string;
  readonly displayName?: string | null;
  readonly labels?: Readonly<Record<string, string>>;
  readonly parent?: string | null;
  readonly bundle?: BundleRef | null;
  readonly profile?: string | null;
  /** The engine's own; kept private. */
  readonly config?: JsonObject;
  /** Explicit grants by name, never widened by a profile or an engine. */
  readonly tools?: readonly string[];
  readonly claims?: readonly Claim[];
  /** Atomic with the creation: both are, or neither. */
  readonly initialInput?: WorkerInput;
}

export type WorkerInput = (
  | { readonly text: string; readonly role?: InputRole }
  | { readonly parts: readonly TextPart[]; readonly role?: InputRole }
) & {
  /** What to do while a run is on: refuse with WORKER_BUSY (the default), or wait for its end, in order. */
  readonly whenBusy?: 'reject' | 'queue';
  readonly metadata?: JsonObject;
};

export interface UpdateWorker {
  readonly displayName?: string | null;
  /** Replaces all labels. */
  readonly labels?: Readonly<Record<string, string>>;
}

export interface WorkerSummary {
  readonly runtimeId: string;
  readonly workerId: string;
  /** A short label for people, derived from the workerId. Never accepted as input. */
  readonly displayRef: string;
  readonly displayName: string | null;
  readonly engine: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly parent: string | null;
  readonly status: WorkerStatus;
  readonly health: WorkerHealth;
  readonly execution: {
    /** Whether an engine is really attached now. */
    readonly connected: boolean;
    readonly generation: number;
    /** What an execution or a run ended with last; while inputs wait for an engine, why none can be attached. */
    readonly lastError: RunError | null;
  };
  readonly run: { readonly runId: string; readonly startedAt: string } | null;
  readonly queued: number;
  readonly createdAt: string;
  readonly updatedAt: string;
  readonly lastSeq: number;
  readonly asOf: Cursor;
}

export interface WorkerDetail extends WorkerSummary {
  readonly capabilities: Capabilities;
  readonly tools: readonly string[];
  readonly claims: readonly { readonly name: string; readonly mode: ClaimMode }[];
  readonly profile: string | null;
  readonly bundle: BundleRef | null;
  readonly configDigest: string;
}

export interface Page<T> {
  readonly items: readonly T[];
  /** Set while more is stored. */
  readonly next: Cursor | null;
  /** Up to where the page speaks; a stream from here repeats and misses nothing. */
  readonly asOf: Cursor;
  /** Where reading had to skip; left out where it had not. */
  readonly gaps?: readonly LogGap[];
}

export interface PageQuery {
  /** Exclusive. `"start"` names the beginning. */
  readonly after?: Cursor;
  readonly limit?: number;
}

export interface ListWorkers extends PageQuery {
  readonly status?: WorkerStatus;
  /** All of them must fit. */
  readonly labels?: Readonly<Record<string, string>>;
  readonly parent?: string;
}

export interface TranscriptQuery extends PageQuery {
  /** Exclusive, instead of `after`: the page before it. `"end"` names the end of the log. Items stay in log order. */
  readonly before?: Cursor;
}

export interface IdempotencyOptions {
  /** 1 to 255 characters. A retry with the same key and the same request is answered as the first time. */
  readonly idempotencyKey?: string;
}

export interface CreateReceipt {
  readonly worker: WorkerDetail;
  /** Whether this is the answer of an earlier call with the same key. */
  readonly replayed: boolean;
  /** Of the initial input, if there was one. */
  readonly input: InputReceipt | null;
}

export interface InputReceipt {
  readonly inputId: string;
  readonly runId: string;
  readonly seq: number;
  /** Just before the input's `input.accepted`: a stream from here shows the whole run. */
  readonly cursor: Cursor;
  readonly queued: boolean;
  /** The finished run; null unless `waited` is `finished`. */
  readonly run: RunResult | null;
  /** Why waiting ended; null if the call did not ask to wait. */
  readonly waited: WaitEnd | null;
  /** True if an earlier call with the same idempotency key created this input. */
  readonly replayed: boolean;
}

/**
 * Why waiting for a run ended: the run has `finished`; it `asks` for something, see `listRequests`; `waitMs` passed, or
 * the signal was aborted (`timeout`); the runtime is `stopping`, and a queued run stays queued.
 */
export type WaitEnd = 'finished' | 'asks' | 'timeout' | 'stopping';

export interface WaitOptions {
  /** How long to wait at most. */
  readonly waitMs?: number;
  /** Ends the waiting early, as `waitMs` does. Does not cancel the run. */
  readonly signal?: AbortSignal;
}

export interface RunWait {
  readonly waited: WaitEnd;
  /** The finished run; null unless `waited` is `finished`. */
  readonly run: RunResult | null;
}

export interface RunResult {
  readonly runId: string;
  readonly outcome: RunOutcome;
  /** What the run said; shortened from the front where it is more than a page holds. */
  readonly messages: readonly TranscriptItem[];
  readonly usage: UsageTotals;
  readonly error: RunError | null;
}

export interface CancelOutcome {
  readonly changed: boolean;
  readonly status: WorkerStatus;
}

export interface StopOutcome {
  readonly changed: boolean;
  readonly status: 'stopped';
  readonly outcome: StopResult;
}

export interface OpenRequest {
  readonly requestId: string;
  readonly runId: string;
  readonly kind: RequestKind;
  readonly prompt: string;
  /** The tool call that it is about. */
  readonly call: string | null;
  readonly options: readonly string[];
  readonly openedAt: string;
  readonly expiresAt: string | null;
}

export interface Diagnostic {
  /** 1, 2, 3 … since the runtime started. */
  readonly id: number;
  readonly time: string;
  readonly severity: Severity;
  readonly code: string;
  readonly message: string;
  readonly worker: string | null;
  readonly details: JsonObject;
  /** Finds the full story in the operator's log. */
  readonly correlationId: string;
}

export interface RuntimeSummary {
  readonly runtimeId: string;
  readonly displayName: string | null;
  readonly status: RuntimeStatus;
  readonly versions: { readonly runtime: string; readonly protocol: number; readonly store: number };
  readonly store: { readonly kind: string; readonly durable: boolean; readonly healthy: boolean };
  readonly engines: readonly { readonly name: string; readonly capabilities: EngineCapabilities }[];
  readonly capabilities: Capabilities;
  readonly limits: Limits;
  readonly workers: { readonly total: number } & Readonly<Record<WorkerStatus, number>>;
  readonly diagnostics: number;
  readonly startedAt: string;
}

export interface BundleInfo {
  readonly id: string;
  readonly digest: string;
}

/** Text of a message that is being written; replaced by its `message.completed`. */
export interface InFlightMessage {
  readonly run: string;
  readonly message: string;
  readonly parts: readonly {
    readonly id: string;
    readonly type: 'text' | 'reasoning';
    readonly text: string;
  }[];
}

/** The new characters of one part. `offset` counts the UTF-16 units before them. */
export interface Delta {
  readonly run: string;
  readonly message: string;
  readonly part: string;
  readonly partType: 'text' | 'reasoning';
  readonly offset: number;
  readonly text: string;
}

export type Observation =
  | { readonly type: 'snapshot'; readonly worker: WorkerDetail; readonly asOf: Cursor }
  | { readonly type: 'event'; readonly event: WorkerEvent; readonly cursor: Cursor }
  | { readonly type: 'in-flight'; readonly messages: readonly InFlightMessage[] }
  | ({ readonly type: 'delta' } & Delta)
  | ({ readonly type: 'gap' } & LogGap)
  /** The last one: WORKER_NOT_FOUND after a deletion, RUNTIME_STOPPING, STORE_LOST. */
  | { readonly type: 'ended'; readonly code: ErrorCode };

export interface ObserveOptions {
  /** Continue after this position; `"start"` replays all; left out, begin with a snapshot. */
  readonly after?: Cursor;
  /** Whether to see text while it is written. Default true. */
  readonly deltas?: boolean;
  readonly signal?: AbortSignal;
}

export type WatchItem =
  /** What was known is void: the Workers follow anew. */
  | { readonly type: 'reset' }
  | { readonly type: 'worker'; readonly worker: WorkerSummary }
  | { readonly type: 'worker-removed'; readonly workerId: string }
  /** All Workers were told; from here on, changes as they come. Also said again with a newer cursor after each of them. */
  | { readonly type: 'synced'; readonly cursor: Cursor }
  | { readonly type: 'ended'; readonly code: ErrorCode };

export interface WatchOptions {
  /** Continue after this position; one that is gone begins with `reset`. */
  readonly after?: Cursor;
  readonly signal?: AbortSignal;
}

/**
 * The public API of a runtime: the embedded `Runtime`, and later a client of a remote one and a registry of many,
 * are this interface, and `testRuntimeApi` is its contract. Every method may reject with RUNTIME_NOT_READY,
 * RUNTIME_STOPPING, STORE_LOST and INVALID_REQUEST, those that take a Worker with WORKER_NOT_FOUND, and those that commit with
 * STORE_UNAVAILABLE and STORE_FULL; what they reject with besides is said on each.
 */
export interface RuntimeApi {
  summary(): Promise<RuntimeSummary>;
  /** Newest first. @throws CURSOR_INVALID · CURSOR_EXPIRED */
  diagnostics(query?: PageQuery): Promise<Page<Diagnostic>>;

  /**
   * On return the Worker exists durably and its engine is attached; failed, nothing was created.
   * @throws WORKER_EXISTS · ENGINE_UNKNOWN · ENGINE_UNAVAILABLE · CONFIG_UNSUPPORTED · PROFILE_INVALID · BUNDLE_NOT_FOUND ·
   * TOOL_UNKNOWN · CLAIM_CONFLICT · LIMIT_REACHED · PAYLOAD_TOO_LARGE · IDEMPOTENCY_MISMATCH · IDEMPOTENCY_IN_FLIGHT
   */
  createWorker(request: CreateWorker, options?: IdempotencyOptions): Promise<CreateReceipt>;
  /** In order of creation. Never opens a log. */
  listWorkers(query?: ListWorkers): Promise<Page<WorkerSummary>>;
  getWorker(workerId: string): Promise<WorkerDetail>;
  updateWorker(workerId: string, update: UpdateWorker): Promise<WorkerDetail>;
  /** Removes a stopped Worker and its data. @throws WORKER_NOT_STOPPED */
  deleteWorker(workerId: string): Promise<void>;

  /**
   * On return the input is durable. With `waitMs` the answer waits for the run to finish or to ask for something.
   * @throws WORKER_BUSY · WORKER_STOPPED · WORKER_DAMAGED · ENGINE_UNAVAILABLE · LIMIT_REACHED · PAYLOAD_TOO_LARGE ·
   * IDEMPOTENCY_MISMATCH · IDEMPOTENCY_IN_FLIGHT
   */
  sendInput(
    workerId: string,
    input: WorkerInput,
    options?: IdempotencyOptions & WaitOptions,
  ): Promise<InputReceipt>;
  /**
   * Waits until a run has finished or asks for something, at most `waitMs` (default: a day). The result of a run that
   * has finished already is read from the log, which costs the number of events since its start.
   * @throws RUN_NOT_FOUND
   */
  waitForRun(workerId: string, runId: string, options?: WaitOptions): Promise<RunWait>;
  /** Ends the current run and only that; the Worker stays usable. Nothing running: `changed: false`. @throws RUN_MISMATCH */
  cancelRun(
    workerId: string,
    options?: { readonly runId?: string; readonly reason?: string },
  ): Promise<CancelOutcome>;
  /** Ends the execution until `resumeWorker`, at the deadline by detaching it. Again: the same outcome, `changed: false`. */
  stopWorker(
    workerId: string,
    options?: { readonly deadlineMs?: number; readonly reason?: string },
  ): Promise<StopOutcome>;
  /** Attaches a new execution; one that is connected is left alone. @throws ENGINE_UNAVAILABLE · CLAIM_CONFLICT */
  resumeWorker(workerId: string, options?: { readonly reason?: string }): Promise<WorkerDetail>;

  listRequests(workerId: string): Promise<Page<OpenRequest>>;
  /** Answers once; the same answer again changes nothing. @throws REQUEST_NOT_FOUND · REQUEST_RESOLVED */
  respond(
    workerId: string,
    requestId: string,
    response: { readonly decision: string; readonly note?: string },
  ): Promise<{ readonly changed: boolean }>;

  /** @throws CURSOR_INVALID · CURSOR_FOREIGN · LIMIT_TOO_LARGE */
  events(workerId: string, query?: PageQuery): Promise<Page<WorkerEvent>>;
  /** @throws as `events` */
  transcript(workerId: string, query?: TranscriptQuery): Promise<Page<TranscriptItem>>;
  overview(workerId: string): Promise<Overview>;

  /** @throws BUNDLE_DIGEST_MISMATCH · CONFIG_UNSUPPORTED · PAYLOAD_TOO_LARGE · LIMIT_REACHED */
  putBundle(digest: string, bundle: JsonValue): Promise<BundleInfo>;
  /** @throws BUNDLE_NOT_FOUND */
  getBundle(digest: string): Promise<JsonObject>;
  listBundles(query?: PageQuery): Promise<Page<{ readonly digest: string }>>;

  /** One Worker, live: events without gap or repetition, text while it is written. @throws as `events`, at the first item */
  observe(workerId: string, options?: ObserveOptions): AsyncIterable<Observation>;
  /** All Workers, live: list, then watch. */
  watch(options?: WatchOptions): AsyncIterable<WatchItem>;
}
