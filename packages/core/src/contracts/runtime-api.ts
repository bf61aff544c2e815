import type { StopResult, WorkerEvent } from './event.ts';
import type { FileContent, FileDescription, FilePart } from './file.ts';
import type { JsonObject, JsonValue } from './json.ts';
import type { Observation, ObserveOptions, WatchItem, WatchOptions } from './observation.ts';
import type { OpenRequest, RequestResponse, WorkerRequest } from './open-request.ts';
import type { Overview } from './overview.ts';
import type { EventQuery, Page, PageQuery, TranscriptQuery } from './page.ts';
import type { CancelOutcome, InputReceipt, RunInfo, RunWait, WaitOptions } from './run.ts';
import type { BundleInfo, Diagnostic, RuntimeSummary } from './runtime-summary.ts';
import type { TranscriptItem } from './transcript.ts';
import type { UsageQuery, UsageReport } from './usage.ts';
import type {
  CreateWorker,
  ForkWorker,
  ListedWorker,
  ListWorkers,
  UpdateWorker,
  WorkerDetail,
  WorkerInput,
} from './worker.ts';

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

export interface SendOptions extends IdempotencyOptions, WaitOptions {
  /** The W3C trace context of the caller (https://www.w3.org/TR/trace-context/), recorded with the input. */
  readonly traceparent?: string;
}

export interface StopOutcome {
  /** True if this call stopped the Worker; false if it was stopped already. */
  readonly changed: boolean;
  readonly status: 'stopped';
  /** `graceful`: the execution ended in time. `detached`: it did not, and was detached at the deadline. */
  readonly outcome: StopResult;
}

/**
 * The public API of a runtime. The embedded `Runtime` and the client of a remote runtime both implement it, and
 * `testRuntimeApi` of `@worker-runtime/core/testing` is its contract as tests.
 *
 * Every method may reject with RUNTIME_NOT_READY, RUNTIME_STOPPING, RUNTIME_MOVED, STORE_UNAVAILABLE, STORE_LOST and INVALID_REQUEST.
 * Methods that take a Worker may reject with WORKER_NOT_FOUND, methods that write with STORE_FULL, and methods that write to the
 * log of a Worker with WORKER_DAMAGED. Further codes are listed at each method. A rejection is a `RuntimeError` (over a wire, a
 * `RemoteError` of the same shape).
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
   * BUNDLE_NOT_FOUND · BUNDLE_DIGEST_MISMATCH the bundle has another id · FILE_NOT_FOUND a file of the first input ·
   * TOOL_UNKNOWN · CLAIM_CONFLICT · LIMIT_REACHED · PAYLOAD_TOO_LARGE · IDEMPOTENCY_MISMATCH · IDEMPOTENCY_IN_FLIGHT
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
