import type { Capabilities, EngineCapabilities } from './capabilities.ts';
import type { Claim, ClaimMode } from './claim.ts';
import type { Cursor } from './cursor.ts';
import type {
  BundleRef,
  EventType,
  InputRole,
  RequestKind,
  RequestOption,
  RunError,
  RunOutcome,
  Severity,
  StopResult,
  TextPart,
  WhenInterrupted,
  WorkerEvent,
} from './event.ts';
import type { FileContent, FileDescription, FilePart, FileReference } from './file.ts';
import type { JsonObject, JsonValue } from './json.ts';
import type { Limits } from './limits.ts';
import type { Overview, UsageTotals } from './overview.ts';
import type { ErrorCode } from './runtime-error.ts';
import type { LogGap } from './store.ts';
import type { TranscriptItem } from './transcript.ts';
import type { UsageQuery, UsageReport } from './usage.ts';

/**
 * `idle`: takes inputs, no run is active. `running`: a run is active. `waiting`: the active run has open requests.
 * `stopped`: takes no inputs until `resumeWorker`.
 */
export type WorkerStatus = 'idle' | 'running' | 'waiting' | 'stopped';
/**
 * `damaged`: the log cannot be read to its end. It stays readable up to there, and every command that writes
 * to it fails with WORKER_DAMAGED.
 */
export type WorkerHealth = 'ok' | 'damaged';
export type RuntimeStatus = 'new' | 'starting' | 'running' | 'stopping' | 'stopped' | 'failed';

/** A request to create a Worker. */
export interface CreateWorker {
  /** The name of the engine that executes the Worker's runs. Required unless the profile names one. */
  readonly engine?: string;
  /** Must match `^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$`. Generated if absent. */
  readonly workerId?: string;
  readonly displayName?: string | null;
  readonly labels?: Readonly<Record<string, string>>;
  /**
   * The id of an existing Worker. A parent delegates parts of what it claims only to children that its engine creates, and
   * not to a Worker whose creator names it here.
   */
  readonly parent?: string | null;
  /** The config bundle that `profile` is taken from. */
  readonly bundle?: BundleRef | null;
  /** The name of a profile of the bundle. It supplies the engine and defaults for `config`. */
  readonly profile?: string | null;
  /** The configuration of the engine. Private: never shown and never part of an event. */
  readonly config?: JsonObject;
  /** The names of the tools that the Worker may use. No profile and no engine adds to them. */
  readonly tools?: readonly string[];
  /** The resources that the Worker uses. Conflicting write claims refuse the creation. */
  readonly claims?: readonly Claim[];
  /**
   * The fate of a run that was active when the runtime ended or crashed. `stop` (default): it ends as `interrupted`.
   * `continue`: the next start continues it, at most `limits.runAttempts` executions in all; requests that wait for people stay
   * open. Needs an engine whose capabilities have `continues`.
   */
  readonly whenInterrupted?: WhenInterrupted;
  /** The first input, accepted together with the creation: both succeed, or neither. */
  readonly initialInput?: WorkerInput;
}

/** An input of a Worker: what its next run works on. */
export type WorkerInput = (
  | { readonly text: string; readonly role?: InputRole }
  /** A file must have been stored with `putFile`, and its media type must be one that the Worker accepts. */
  | { readonly parts: readonly (TextPart | FileReference)[]; readonly role?: InputRole }
) & {
  /** While a run is active: `reject` (default) refuses the input with WORKER_BUSY, `queue` runs it later, in order. */
  readonly whenBusy?: 'reject' | 'queue';
  /** Free data of the caller. It is kept with the input and passed to the engine. */
  readonly metadata?: JsonObject;
  /** The id that the caller's own system has for this message, at most 256 characters. The transcript shows it. */
  readonly messageId?: string;
};

/** A change of a Worker. Absent fields stay as they are. */
export interface UpdateWorker {
  readonly displayName?: string | null;
  /** Replaces all labels, if present. */
  readonly labels?: Readonly<Record<string, string>>;
  readonly whenInterrupted?: WhenInterrupted;
  /** Replaces the config, if present. It is checked as at a creation, and applies to runs that start later. */
  readonly config?: JsonObject;
  /** Replaces the granted tools, if present. */
  readonly tools?: readonly string[];
}

/** The bytes that a store keeps: those of events, and those of files. */
export interface StoredSize {
  readonly eventBytes: number;
  readonly fileBytes: number;
}

/** The history of a Worker that is in an archive. */
export interface ArchivedHistory {
  /** The number of the first event that is still there. */
  readonly firstSeq: number;
  /** The position before it. */
  readonly cursor: Cursor;
  /** The name of the file that has the events before it. */
  readonly archive: string;
}

/** A request to fork a Worker. */
export interface ForkWorker {
  /** The position at which the history ends, such as `@123` after the event 123. Default: the present end of the log. */
  readonly at?: Cursor;
  /** The id of the new Worker. Generated if absent. */
  readonly workerId?: string;
  /** Default: that of the source. */
  readonly displayName?: string | null;
  /** Default: those of the source. */
  readonly labels?: Readonly<Record<string, string>>;
  /** The resources that the new Worker uses. It gets none of the source. */
  readonly claims?: readonly Claim[];
}

/** The Worker that a Worker was forked from. */
export interface ForkedFrom {
  readonly workerId: string;
  /** The number of the last event that both have. */
  readonly seq: number;
  /** The caller that forked it, or null if the host or the transport does not know it. */
  readonly actor: string | null;
}

/**
 * Something that the work of a Worker waits for. `since`: the time of the event from which on nothing else was recorded, or of what is named here.
 * - `answer`: a person's answer to an open request.
 * - `tools`: the results of tool calls.
 * - `engine`: the next output of the engine, such as the answer of a model or an agent.
 * - `execution`: an engine to be attached. The error is the reason why the last attempt failed, such as a claim, a limit or an engine that is
 *   not there; null before the first attempt.
 * - `run`: queued inputs wait for the end of the active run.
 */
export type WorkerWait =
  | { readonly for: 'answer'; readonly since: string; readonly requestId: string }
  | { readonly for: 'tools'; readonly since: string; readonly calls: readonly string[] }
  | { readonly for: 'engine'; readonly since: string }
  | { readonly for: 'execution'; readonly since: string; readonly error: RunError | null }
  | { readonly for: 'run'; readonly since: string; readonly runId: string; readonly inputs: number };

/** The current state of a Worker. */
export interface WorkerSummary {
  readonly runtimeId: string;
  readonly workerId: string;
  /** A short label for people, derived from the workerId. It is never accepted in a request. */
  readonly displayRef: string;
  readonly displayName: string | null;
  readonly engine: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly parent: string | null;
  readonly status: WorkerStatus;
  readonly health: WorkerHealth;
  readonly execution: {
    /** True if an engine is attached now. */
    readonly connected: boolean;
    /** The number of the current or last execution, 1 for the first. */
    readonly generation: number;
    /** The last failure of an execution or a run. While queued inputs wait for an engine: why none can be attached. */
    readonly lastError: RunError | null;
  };
  /** The active run. A stream opened at `cursor` delivers it from its `run.started` on. */
  readonly run: { readonly runId: string; readonly startedAt: string; readonly cursor: Cursor } | null;
  /** The number of queued inputs. */
  readonly queued: number;
  /** The things that its work waits for. Empty without an active run and queued inputs. */
  readonly waits: readonly WorkerWait[];
  readonly createdAt: string;
  readonly updatedAt: string;
  /** The `seq` of the last event that this state includes, and its position. */
  readonly lastSeq: number;
  readonly asOf: Cursor;
  /** The bytes of its events and files, before any compression by the store. */
  readonly stored: StoredSize;
  /** The events that are in an archive instead; null if all are there. A reader of them gets CURSOR_EXPIRED, with the same members. */
  readonly archived: ArchivedHistory | null;
}

/** The current state of a Worker, with what was fixed at its creation. */
export interface WorkerDetail extends WorkerSummary {
  readonly capabilities: Capabilities;
  /** The tools that were granted. */
  readonly tools: readonly string[];
  readonly claims: readonly { readonly name: string; readonly mode: ClaimMode }[];
  readonly profile: string | null;
  readonly bundle: BundleRef | null;
  readonly whenInterrupted: WhenInterrupted;
  /** A digest of the resolved config, to compare Workers without showing the config. */
  readonly configDigest: string;
  /** Null for a Worker that is no fork. */
  readonly forkedFrom: ForkedFrom | null;
}

/** One page of a list or a log. */
export interface Page<T> {
  readonly items: readonly T[];
  /** The cursor of the next page, or null if this page reaches the end. */
  readonly next: Cursor | null;
  /** The position of this page. A stream opened at this cursor delivers every later event exactly once. */
  readonly asOf: Cursor;
  /** The holes of a damaged log that this page skipped. Absent without holes. */
  readonly gaps?: readonly LogGap[];
}

export interface PageQuery {
  /** The position to read from: the page begins with the item after it. `"start"`, the default, is the beginning. */
  readonly after?: Cursor;
  /** The most items of the page. Default: the limit `pageItemsDefault`. */
  readonly limit?: number;
}

export interface ListWorkers extends PageQuery {
  readonly status?: WorkerStatus;
  /** Selects Workers that have all of these labels with these values. */
  readonly labels?: Readonly<Record<string, string>>;
  readonly parent?: string;
  /** Adds the counts and usage of each Worker. The page then also ends at the limit `pageBytes`. */
  readonly include?: 'overview';
}

/** A Worker in a list. */
export interface ListedWorker extends WorkerSummary {
  /** Only if the query includes it. */
  readonly overview?: Overview;
}

/**
 * A query of a Worker's log. Besides cursors, `after` and `before` take a position by number: `@123` is the position after the
 * event 123, so a link can hold the number of an event. A number beyond the end is CURSOR_FOREIGN.
 */
export interface TranscriptQuery extends PageQuery {
  /**
   * Instead of `after`: the page ends with the item before this position, and `next` leads further back. `"end"` is the
   * end of the log. Items are in log order in either case.
   */
  readonly before?: Cursor;
}

export interface EventQuery extends TranscriptQuery {
  /** Selects the events of these types. All others are skipped without being parsed. */
  readonly types?: readonly EventType[];
}

export interface IdempotencyOptions {
  /** 1 to 255 characters. A retry with the same key and the same request returns the first answer and has no effect. */
  readonly idempotencyKey?: string;
}

export interface CreateReceipt {
  readonly worker: WorkerDetail;
  /** True if an earlier call with the same idempotency key had this effect. */
  readonly replayed: boolean;
  /** The receipt of the initial input; null without one, and in a repetition whose event is in an archive. */
  readonly input: InputReceipt | null;
}

export interface InputReceipt {
  readonly inputId: string;
  /** The run that works on this input. It may not have started yet. */
  readonly runId: string;
  /** The number of the event `input.accepted`. */
  readonly seq: number;
  /** The position just before `input.accepted`: a stream opened here delivers the whole run. */
  readonly cursor: Cursor;
  /** True if the input waits for the end of an earlier run. */
  readonly queued: boolean;
  /**
   * The finished run. Null unless `waited` is `finished`, and also if the Worker was deleted in the meantime or the log
   * could not be read.
   */
  readonly run: RunResult | null;
  /** The reason for which the waiting ended. Null if the call did not ask to wait. */
  readonly waited: WaitEnd | null;
  /** True if an earlier call with the same idempotency key had this effect. */
  readonly replayed: boolean;
}

/**
 * The end of waiting for a run. `finished`: the run has finished. `asks`: it has open requests, see `listRequests`.
 * `timeout`: `waitMs` passed, or the signal was aborted. `stopping`: the runtime stops; a queued run stays queued.
 */
export type WaitEnd = 'finished' | 'asks' | 'timeout' | 'stopping';

export interface WaitOptions {
  /** The longest time to wait, in milliseconds. */
  readonly waitMs?: number;
  /** Ends the waiting early, as `waitMs` does. Does not cancel the run. */
  readonly signal?: AbortSignal;
}

export interface SendOptions extends IdempotencyOptions, WaitOptions {
  /** The W3C trace context of the caller (https://www.w3.org/TR/trace-context/), recorded with the input. */
  readonly traceparent?: string;
}

/** The result of `waitForRun`. */
export interface RunWait {
  readonly waited: WaitEnd;
  /** The finished run. Null unless `waited` is `finished`. */
  readonly run: RunResult | null;
}

/** A finished run. */
export interface RunResult {
  readonly runId: string;
  readonly outcome: RunOutcome;
  /** The messages and tool calls of the run. If they exceed one page, the earliest are left out. */
  readonly messages: readonly TranscriptItem[];
  readonly usage: UsageTotals;
  readonly error: RunError | null;
}

export interface CancelOutcome {
  /** True if this call ended a run. */
  readonly changed: boolean;
  readonly status: WorkerStatus;
}

export interface StopOutcome {
  /** True if this call stopped the Worker; false if it was stopped already. */
  readonly changed: boolean;
  readonly status: 'stopped';
  /** `graceful`: the execution ended in time. `detached`: it did not, and was detached at the deadline. */
  readonly outcome: StopResult;
}

/** A question of a run that waits for an answer by `respond`. */
export interface OpenRequest {
  readonly requestId: string;
  readonly runId: string;
  readonly kind: RequestKind;
  readonly prompt: string;
  /** The tool call that the request is about, or null. */
  readonly call: string | null;
  /** The answers that are allowed. */
  readonly options: readonly RequestOption[];
  /** The JSON Schema of the value that may come with an answer, or null if none may. */
  readonly schema: JsonObject | null;
  readonly openedAt: string;
  /** The time at which the request is resolved without an answer, or null. */
  readonly expiresAt: string | null;
}

/** An open request, with the Worker whose run waits for the answer. */
export interface WorkerRequest extends OpenRequest {
  readonly workerId: string;
}

/** An answer to a request. */
export interface RequestResponse {
  /** The id of one of the options. */
  readonly decision: string;
  /** The value that the schema of the request asks for. */
  readonly value?: JsonValue;
  /** A remark for the engine, at most 4,096 characters. */
  readonly note?: string;
}

/** A run, as the log describes it. */
export interface RunInfo {
  readonly runId: string;
  /** The input that the run works on, or null for a run that its engine began without one. */
  readonly inputId: string | null;
  /** `queued`: its input waits for the end of earlier runs. */
  readonly status: 'queued' | 'running' | 'waiting' | 'finished';
  /** A stream opened here delivers the run from its beginning: from `input.accepted` if it is queued, else from `run.started`. */
  readonly cursor: Cursor;
  readonly startedAt: string | null;
  readonly finishedAt: string | null;
  readonly outcome: RunOutcome | null;
  readonly error: RunError | null;
  /** The tokens used so far. */
  readonly usage: UsageTotals;
}

/** A problem that the runtime survived. */
export interface Diagnostic {
  /** Counts from 1 since the start of the runtime. */
  readonly id: number;
  readonly time: string;
  readonly severity: Severity;
  readonly code: string;
  readonly message: string;
  readonly worker: string | null;
  readonly details: JsonObject;
  /** The id under which the operator's log has the cause. */
  readonly correlationId: string;
}

/** The runtime itself: status, versions, engines, limits and counts. */
export interface RuntimeSummary {
  readonly runtimeId: string;
  readonly displayName: string | null;
  readonly status: RuntimeStatus;
  readonly versions: { readonly runtime: string; readonly protocol: number; readonly store: number };
  /** The bytes are those of all Workers together. */
  readonly store: {
    readonly kind: string;
    readonly durable: boolean;
    readonly healthy: boolean;
  } & StoredSize;
  readonly engines: readonly {
    readonly name: string;
    readonly capabilities: EngineCapabilities;
    /** A JSON Schema of the config, if the engine has one. */
    readonly configSchema?: JsonObject;
  }[];
  readonly capabilities: Capabilities;
  readonly limits: Limits;
  readonly workers: { readonly total: number } & Readonly<Record<WorkerStatus, number>>;
  /** The number of diagnostics that can be read. */
  readonly diagnostics: number;
  readonly startedAt: string;
}

export interface BundleInfo {
  readonly id: string;
  readonly digest: string;
}

/** The text of a message that is still being written. Its `message.completed` event replaces it. */
export interface InFlightMessage {
  readonly run: string;
  readonly message: string;
  readonly parts: readonly {
    readonly id: string;
    readonly type: 'text' | 'reasoning';
    readonly text: string;
  }[];
}

/**
 * New characters of one part of a message that is being written. `offset` is the number of UTF-16 units before them.
 */
export interface Delta {
  readonly run: string;
  readonly message: string;
  readonly part: string;
  readonly partType: 'text' | 'reasoning';
  readonly offset: number;
  readonly text: string;
}

/** One item of the stream of a Worker. */
export type Observation =
  /** `requests` are those that are open at this position. */
  | {
      readonly type: 'snapshot';
      readonly worker: WorkerDetail;
      readonly requests: readonly OpenRequest[];
      readonly asOf: Cursor;
    }
  | { readonly type: 'event'; readonly event: WorkerEvent; readonly cursor: Cursor }
  | { readonly type: 'in-flight'; readonly messages: readonly InFlightMessage[] }
  | ({ readonly type: 'delta' } & Delta)
  | ({ readonly type: 'gap' } & LogGap)
  /**
   * The last item: WORKER_NOT_FOUND after a deletion, CURSOR_EXPIRED if the events that follow are in an archive by now, RUNTIME_STOPPING when
   * the runtime stops, RUNTIME_MOVED when another process continues, STORE_LOST after its end.
   */
  | { readonly type: 'ended'; readonly code: ErrorCode };

export interface ObserveOptions {
  /**
   * Continues after this position, which may be a number such as `@123`; `"start"` delivers the whole log. Without it, the
   * stream begins with a snapshot.
   */
  readonly after?: Cursor;
  /** Delivers text while it is written. Default true. */
  readonly deltas?: boolean;
  /** Ends the stream when it is aborted. */
  readonly signal?: AbortSignal;
}

/** One item of the watch over all Workers. */
export type WatchItem =
  /** Earlier items are obsolete: discard all known Workers. The current ones follow. */
  | { readonly type: 'reset' }
  | { readonly type: 'worker'; readonly worker: WorkerSummary }
  | { readonly type: 'worker-removed'; readonly workerId: string }
  /**
   * All current Workers were delivered; changes follow as they happen, each followed by `synced` with a newer cursor.
   */
  | { readonly type: 'synced'; readonly cursor: Cursor }
  /** The last item: RUNTIME_STOPPING, RUNTIME_MOVED or STORE_LOST. */
  | { readonly type: 'ended'; readonly code: ErrorCode };

export interface WatchOptions {
  /** Continues after this position. If the runtime no longer has it, the watch begins with `reset`. */
  readonly after?: Cursor;
  /** Ends the watch when it is aborted. */
  readonly signal?: AbortSignal;
}

/**
 * The public API of a runtime. The embedded `Runtime` and the client of a remote runtime both implement it, and
 * `testRuntimeApi` of `@worker-runtime/core/testing` is its contract as tests.
 *
 * Every method may reject with RUNTIME_NOT_READY, RUNTIME_STOPPING, RUNTIME_MOVED, STORE_UNAVAILABLE, STORE_LOST and INVALID_REQUEST.
 * Methods that take a Worker may reject with WORKER_NOT_FOUND, methods that write with STORE_FULL, and methods that write to the log of a
 * Worker with WORKER_DAMAGED. Further codes are listed at each method. A rejection is a `RuntimeError` (over a wire, a `RemoteError` of the same shape).
 */
export interface RuntimeApi {
  /** Returns status, versions, engines, limits and counts of the runtime. */
  summary(): Promise<RuntimeSummary>;
  /** Returns a page of diagnostics, newest first. @throws CURSOR_INVALID · CURSOR_EXPIRED · CURSOR_FOREIGN · LIMIT_TOO_LARGE */
  diagnostics(query?: PageQuery): Promise<Page<Diagnostic>>;

  /**
   * Creates a Worker. On return the Worker is stored durably and its engine is attached. If the call fails, nothing
   * was created.
   * @throws WORKER_EXISTS · ENGINE_UNKNOWN · ENGINE_UNAVAILABLE · CONFIG_UNSUPPORTED · PROFILE_INVALID ·
   * BUNDLE_NOT_FOUND · BUNDLE_DIGEST_MISMATCH the bundle has another id · FILE_NOT_FOUND a file of the first input · TOOL_UNKNOWN · CLAIM_CONFLICT · LIMIT_REACHED · PAYLOAD_TOO_LARGE · IDEMPOTENCY_MISMATCH ·
   * IDEMPOTENCY_IN_FLIGHT
   * @example
   * const { worker } = await runtime.createWorker(
   *   { engine: 'echo', workerId: 'ada', labels: { team: 'docs' } },
   *   { idempotencyKey: 'create-ada' },
   * );
   */
  createWorker(request: CreateWorker, options?: IdempotencyOptions): Promise<CreateReceipt>;
  /**
   * Creates a Worker whose history begins with that of another one, up to a position. It has the engine, config and tools that the source
   * has now, and neither its claims nor its queued inputs. A run that is active at the position ends as `interrupted` in the fork. Costs the
   * number of events that are copied. On return the fork is stored durably, and its first input attaches an engine. If the call fails,
   * nothing was created.
   * @throws WORKER_EXISTS · ENGINE_UNKNOWN · CONFIG_UNSUPPORTED · TOOL_UNKNOWN · CLAIM_CONFLICT · LIMIT_REACHED · IDEMPOTENCY_MISMATCH ·
   * IDEMPOTENCY_IN_FLIGHT · CURSOR_INVALID · CURSOR_FOREIGN · CURSOR_EXPIRED the first events are in an archive · WORKER_DAMAGED ·
   * STORE_CORRUPT · OPERATION_UNSUPPORTED the engine keeps a part of the conversation that is not in the log
   * @example
   * // another attempt from the event 42 on
   * const { worker } = await runtime.forkWorker('ada', { at: '@42', workerId: 'ada-2' });
   */
  forkWorker(workerId: string, request?: ForkWorker, options?: IdempotencyOptions): Promise<CreateReceipt>;
  /**
   * Returns a page of Workers, in the order of their creation. Reads no logs.
   * @throws CURSOR_INVALID · LIMIT_TOO_LARGE
   */
  listWorkers(query?: ListWorkers): Promise<Page<ListedWorker>>;
  /** Returns the current state of a Worker. */
  getWorker(workerId: string): Promise<WorkerDetail>;
  /**
   * Changes a Worker. Returns its new state. If the config or the tools change, the execution of an idle Worker ends, and the
   * next input attaches another one; an active run continues as it began.
   * @throws CONFIG_UNSUPPORTED also if the engine cannot continue runs · TOOL_UNKNOWN · ENGINE_UNAVAILABLE the engine is not
   * loaded · PAYLOAD_TOO_LARGE · LIMIT_REACHED
   */
  updateWorker(workerId: string, update: UpdateWorker): Promise<WorkerDetail>;
  /** Deletes a stopped Worker with its log. @throws WORKER_NOT_STOPPED */
  deleteWorker(workerId: string): Promise<void>;

  /**
   * Sends an input. On return it is stored durably, and a run works on it now or, if it is queued, later. With `waitMs`
   * (milliseconds, at most one day) the call waits until the run has finished, opens a request, or the time is over.
   * `signal` ends the waiting, not the run.
   * @throws WORKER_BUSY · WORKER_STOPPED · WORKER_DAMAGED · ENGINE_UNAVAILABLE · LIMIT_REACHED · PAYLOAD_TOO_LARGE ·
   * FILE_NOT_FOUND · OPERATION_UNSUPPORTED the Worker does not accept a file of this type · IDEMPOTENCY_MISMATCH ·
   * IDEMPOTENCY_IN_FLIGHT · CURSOR_EXPIRED the first call with this key was accepted, and its event is in an archive
   * @example
   * const { run } = await runtime.sendInput('ada', { text: 'Hello' }, { waitMs: 30_000 });
   * console.log(run?.outcome, run?.messages);
   */
  sendInput(workerId: string, input: WorkerInput, options?: SendOptions): Promise<InputReceipt>;
  /**
   * Returns a run as the log describes it. Costs the number of its events, and a few reads in a log of any length to find them.
   * @throws RUN_NOT_FOUND · STORE_CORRUPT
   */
  getRun(workerId: string, runId: string): Promise<RunInfo>;
  /**
   * Waits until a run has finished or opens a request, at most `waitMs` (default: one day). The result of a run that
   * has already finished is read from the log, which costs the same as `getRun`.
   * @throws RUN_NOT_FOUND · STORE_CORRUPT
   */
  waitForRun(workerId: string, runId: string, options?: WaitOptions): Promise<RunWait>;
  /**
   * Cancels the active run and nothing else: the Worker stays usable, and queued inputs follow. Without an active run
   * it returns `changed: false`. With `runId` it cancels only that run.
   * @throws RUN_MISMATCH another run is active
   */
  cancelRun(
    workerId: string,
    options?: { readonly runId?: string; readonly reason?: string },
  ): Promise<CancelOutcome>;
  /**
   * Stops a Worker until `resumeWorker`: cancels its active run and its queued inputs and detaches its execution. The
   * engine has `deadlineMs` milliseconds to end (default: the limit `stopDeadlineMs`); after that its execution is
   * detached anyway. On return the Worker is stopped. A repeated call returns the same outcome with `changed: false`;
   * during the stop it can shorten the deadline, and not extend it.
   * @example
   * const { outcome } = await runtime.stopWorker('ada', { deadlineMs: 2_000, reason: 'maintenance' });
   * if (outcome === 'detached') console.warn('The engine did not end in time');
   */
  stopWorker(
    workerId: string,
    options?: { readonly deadlineMs?: number; readonly reason?: string },
  ): Promise<StopOutcome>;
  /**
   * Attaches a new execution, so that the Worker takes inputs again. Has no effect on a Worker that is connected.
   * @throws ENGINE_UNAVAILABLE also if a stop takes long, or came in the meantime · CLAIM_CONFLICT · LIMIT_REACHED
   */
  resumeWorker(workerId: string, options?: { readonly reason?: string }): Promise<WorkerDetail>;

  /**
   * Returns a page of the open requests of all Workers, oldest first. Reads no logs, and costs what it returns. A page also
   * ends at the limit `pageBytes`. A watch that is opened at `asOf` delivers every Worker whose requests change later.
   * @throws CURSOR_INVALID · LIMIT_TOO_LARGE
   */
  listOpenRequests(query?: PageQuery): Promise<Page<WorkerRequest>>;
  /** Returns the open requests of a Worker. */
  listRequests(workerId: string): Promise<Page<OpenRequest>>;
  /**
   * Answers an open request; its run continues with `decision`, which must be the id of one of the options. The same answer
   * again returns `changed: false`.
   * @throws REQUEST_NOT_FOUND · REQUEST_RESOLVED it was resolved with another answer
   * @example
   * const { items } = await runtime.listRequests('ada');
   * for (const { requestId, options } of items) {
   *   const consent = options.find(({ kind }) => kind === 'allow-once');
   *   if (consent) await runtime.respond('ada', requestId, { decision: consent.id, note: 'approved by the operator' });
   * }
   */
  respond(
    workerId: string,
    requestId: string,
    response: RequestResponse,
  ): Promise<{ readonly changed: boolean }>;

  /**
   * Returns a page of a Worker's log. With `types`, a page may have fewer items than asked for, even none, while `next` is
   * set: follow `next` to its end.
   * @throws CURSOR_INVALID · CURSOR_FOREIGN · CURSOR_EXPIRED the events after the position are in an archive, which the details name ·
   * LIMIT_TOO_LARGE · STORE_CORRUPT
   * @example
   * // the last 20 calls of tools
   * await runtime.events('ada', { before: 'end', limit: 20, types: ['tool.called'] });
   * // what happened from event 123 on
   * await runtime.events('ada', { after: '@122' });
   */
  events(workerId: string, query?: EventQuery): Promise<Page<WorkerEvent>>;
  /**
   * Returns a page of a Worker's conversation. A page may have fewer items than asked for, even none, while `next` is
   * set: follow `next` to its end.
   * @throws as `events`
   * @example
   * // the last 20 items, oldest first
   * const { items, next } = await runtime.transcript('ada', { before: 'end', limit: 20 });
   * // the 20 items before them
   * if (next) await runtime.transcript('ada', { before: next, limit: 20 });
   */
  transcript(workerId: string, query?: TranscriptQuery): Promise<Page<TranscriptItem>>;
  /** Returns counts and usage of a Worker since its creation. */
  overview(workerId: string): Promise<Overview>;
  /**
   * Returns the tokens that all Workers used, by day, model and Worker, also after a restart. Costs the number of Workers.
   * @throws LIMIT_TOO_LARGE
   * @example
   * // the last week of one team
   * const { days, workers } = await runtime.usage({ days: 7, labels: { team: 'blue' } });
   */
  usage(query?: UsageQuery): Promise<UsageReport>;

  /**
   * Stores a file of a Worker, for inputs that refer to it. On return it is durable. Files are named by the digest of their
   * bytes: the same bytes again have no effect, and return the media type that they have already. Files stay until the Worker
   * is deleted. A host that embeds the runtime must not change the bytes before the call returns.
   * @throws WORKER_STOPPED · WORKER_DAMAGED · PAYLOAD_TOO_LARGE · LIMIT_REACHED
   * @example
   * const photo = await runtime.putFile('ada', bytes, { mediaType: 'image/png', name: 'photo.png' });
   * await runtime.sendInput('ada', { parts: [{ type: 'text', text: 'What is this?' }, photo] });
   */
  putFile(workerId: string, bytes: Uint8Array, description: FileDescription): Promise<FilePart>;
  /** Reads a file of a Worker: one of an upload, of a message or of a tool. @throws FILE_NOT_FOUND · STORE_CORRUPT */
  getFile(workerId: string, digest: string): Promise<FileContent>;

  /**
   * Stores a config bundle under its digest, which is `bundleDigest(bundle)`. A repeated call has no effect.
   * @throws BUNDLE_DIGEST_MISMATCH · CONFIG_UNSUPPORTED · PAYLOAD_TOO_LARGE · LIMIT_REACHED
   */
  putBundle(digest: string, bundle: JsonValue): Promise<BundleInfo>;
  /** Returns a config bundle. @throws BUNDLE_NOT_FOUND · STORE_CORRUPT */
  getBundle(digest: string): Promise<JsonObject>;
  /** Returns a page of the digests of all bundles, sorted. @throws CURSOR_INVALID · LIMIT_TOO_LARGE */
  listBundles(query?: PageQuery): Promise<Page<{ readonly digest: string }>>;

  /**
   * Streams one Worker live: its events without gap or repetition, and text while it is written. The stream ends after
   * the item `ended`, when `signal` is aborted, and when the caller leaves the loop.
   * @throws as `events`, and LIMIT_REACHED; all at the first item
   * @example
   * const { cursor } = await runtime.sendInput('ada', { text: 'Hello' });
   * for await (const item of runtime.observe('ada', { after: cursor })) {
   *   if (item.type === 'delta') process.stdout.write(item.text);
   *   if (item.type === 'event' && item.event.type === 'run.finished') break;
   * }
   */
  observe(workerId: string, options?: ObserveOptions): AsyncIterable<Observation>;
  /**
   * Streams the state of all Workers live: the current Workers, then `synced`, then each change. A Worker that changes
   * faster than the caller reads is delivered once, in its latest state.
   * @throws CURSOR_INVALID · LIMIT_REACHED, at the first item
   * @example
   * const workers = new Map<string, WorkerSummary>();
   * for await (const item of runtime.watch()) {
   *   if (item.type === 'reset') workers.clear();
   *   if (item.type === 'worker') workers.set(item.worker.workerId, item.worker);
   *   if (item.type === 'worker-removed') workers.delete(item.workerId);
   * }
   */
  watch(options?: WatchOptions): AsyncIterable<WatchItem>;
}
