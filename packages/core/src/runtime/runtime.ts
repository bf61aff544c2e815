import { admitted } from '../admission.ts';
import {
  assertWorkerId,
  checkCall,
  checkCancel,
  checkEventQuery,
  checkListQuery,
  checkOptions,
  checkPageQuery,
  checkResponse,
  checkResume,
  checkRunId,
  checkStop,
  checkTranscriptQuery,
  checkUpdate,
  checkUsageQuery,
  checkWait,
} from '../commands/requests.ts';
import { resume } from '../commands/resume.ts';
import { updateWorker } from '../commands/update.ts';
import { runtimeCapabilities } from '../contracts/capabilities.ts';
import { type Clock, systemClock } from '../contracts/clock.ts';
import type { Engine } from '../contracts/engine.ts';
import { decodeEvent, type WorkerEvent } from '../contracts/event.ts';
import type { FileContent, FileDescription, FilePart } from '../contracts/file.ts';
import type { Hooks } from '../contracts/hooks.ts';
import type { JsonObject, JsonValue } from '../contracts/json.ts';
import { type Limits, resolveLimits } from '../contracts/limits.ts';
import { type Logger, silentLogger } from '../contracts/logger.ts';
import type { Metric } from '../contracts/metric.ts';
import type { Observation, ObserveOptions, WatchItem, WatchOptions } from '../contracts/observation.ts';
import type { OpenRequest, RequestResponse, WorkerRequest } from '../contracts/open-request.ts';
import type { EventQuery, Page, PageQuery, TranscriptQuery } from '../contracts/page.ts';
import type { RuntimePlugin } from '../contracts/plugin.ts';
import type { CancelOutcome, InputReceipt, RunInfo, RunWait, WaitOptions } from '../contracts/run.ts';
import type {
  CreateReceipt,
  IdempotencyOptions,
  RuntimeApi,
  SendOptions,
  StopOutcome,
} from '../contracts/runtime-api.ts';
import { RuntimeError } from '../contracts/runtime-error.ts';
import type { BundleInfo, Diagnostic, RuntimeStatus, RuntimeSummary } from '../contracts/runtime-summary.ts';
import type { ServedArchives } from '../contracts/served-archives.ts';
import type { CallOptions, ServedRuntime } from '../contracts/served-runtime.ts';
import type { RuntimeStore } from '../contracts/store.ts';
import type { RawPage, WatchStream, WorkerStream } from '../contracts/stream.ts';
import type { TranscriptItem } from '../contracts/transcript.ts';
import type { UsageQuery, UsageReport } from '../contracts/usage.ts';
import type {
  CreateWorker,
  ForkWorker,
  ListedWorker,
  ListWorkers,
  UpdateWorker,
  WorkerDetail,
  WorkerInput,
} from '../contracts/worker.ts';
import { Diagnostics } from '../diagnostics.ts';
import { DAYS } from '../domain/daily-usage.ts';
import { type Remark, remove, resolveRequest } from '../domain/decide.ts';
import { decodeRequestsCursor, decodeWorkersCursor, encodeCursor } from '../log/cursor.ts';
import { linesOf, textOf } from '../log/lines.ts';
import { observe, watch } from '../observation/observe.ts';
import { pageLimit, readEventPage, readTranscriptPage } from '../observation/pages.ts';
import { steadyClock } from '../steady-clock.ts';
import { version } from '../version.ts';
import { usageReport } from '../workers/usage-report.ts';
import { detailOf, factsOf, overviewOf, withOverviews } from '../workers/views.ts';
import type { Worker } from '../workers/worker.ts';
import { createHooks } from './hook-guard.ts';
import { Lifecycle } from './lifecycle.ts';
import { assertPart } from './part-check.ts';
import { Registrations } from './registrations.ts';
import { RuntimeArchives } from './runtime-archives.ts';

export interface RuntimeOptions {
  /** The engines that Workers can name. Plugins may add more. */
  readonly engines?: readonly Engine[];
  /** The store that keeps the Workers. Without one here or from a plugin, Workers live in memory and are lost at exit. */
  readonly store?: RuntimeStore;
  /** Applied in this order. */
  readonly plugins?: readonly RuntimePlugin[];
  /** The operator's log. Nothing is logged by default. */
  readonly log?: Logger;
  /** Overrides of `DEFAULT_LIMITS`. */
  readonly limits?: Partial<Limits>;
  /** A name for people, shown in the summary. */
  readonly displayName?: string;
  readonly clock?: Clock;
}

/** The compiler requires an entry for each option, so that none is refused by mistake. */
const OPTIONS: Readonly<Record<keyof RuntimeOptions, true>> = {
  engines: true,
  store: true,
  plugins: true,
  log: true,
  limits: true,
  displayName: true,
  clock: true,
};

/** @throws INVALID_REQUEST an option that does not exist, which would otherwise have no effect */
const assertOptions = (options: RuntimeOptions): void => {
  const known = Object.keys(OPTIONS);
  const option = Object.keys(options).find((name) => !Object.hasOwn(OPTIONS, name));
  if (option === undefined) return;
  throw new RuntimeError(
    'INVALID_REQUEST',
    `The option "${option}" of a runtime does not exist; the options are ${known.join(', ')}`,
    { details: { option, known } },
  );
};

/** Returns null in place of a receipt whose event is in an archive. */
const nullIfArchived = (error: unknown): null => {
  if (RuntimeError.from(error).code === 'CURSOR_EXPIRED') return null;
  throw error;
};

/** @throws INVALID_REQUEST the caller has no valid name */
const remarkOf = ({ reason }: { readonly reason?: string }, call?: CallOptions): Remark => ({
  ...(reason !== undefined && { reason }),
  ...checkCall(call),
});

export interface StopOptions {
  readonly reason?: string;
  /** Default `shutdownDeadlineMs`. */
  readonly deadlineMs?: number;
}

export interface HandOverOptions {
  /** The time for which active runs may end. */
  readonly waitMs: number;
  /** Called when commands are about to be refused: requests should go to the next process from here on. */
  readonly leaving?: () => void | Promise<void>;
  /** The time for the stop itself. Default `shutdownDeadlineMs`. */
  readonly deadlineMs?: number;
}

/** The version of the API that this class and its wires implement. */
const PROTOCOL = 1;

/**
 * The environment in which Workers live. Any Node.js process can embed it; the server is a wrapper around this class.
 * A runtime starts once and stops once.
 *
 * @example
 * const echo = engine('echo', async function* (run) {
 *   yield { type: 'text', text: inputText(run.input) };
 * });
 * const runtime = await Runtime.start({ engines: [echo] });
 * await runtime.createWorker({ engine: 'echo', workerId: 'ada' });
 * const { run } = await runtime.sendInput('ada', { text: 'hello' }, { waitMs: 5_000 });
 * await runtime.stop();
 */
export class Runtime implements ServedRuntime {
  /** Resolves when the runtime accepts commands; rejects when its start fails. */
  readonly ready: Promise<void>;
  /**
   * Resolves with a STORE_LOST error when the store is lost to another process, or after `fence`; pending until then. The runtime has ended:
   * it refuses every call, and a program that is supervised should stop it and exit.
   */
  readonly lost: Promise<RuntimeError>;
  readonly limits: Limits;
  readonly archives: ServedArchives;
  readonly #displayName: string | null;
  readonly #clock: Clock;
  readonly #hooks: Hooks;
  readonly #diagnostics: Diagnostics;
  readonly #lifecycle: Lifecycle;

  /**
   * @throws INVALID_REQUEST an unknown option or limit, or an option that has something else than the parts it is for ·
   * VERSION_UNSUPPORTED · PLUGIN_CONFLICT · PLUGIN_FAILED
   */
  constructor(options: RuntimeOptions = {}) {
    assertOptions(options);
    const { engines = [], store, plugins = [], log = silentLogger, limits = {}, displayName } = options;
    for (const plugin of plugins) assertPart('plugin', plugin);
    const clock = steadyClock(options.clock ?? systemClock);
    this.limits = resolveLimits(limits);
    this.#displayName = displayName ?? null;
    this.#clock = clock;
    this.#diagnostics = new Diagnostics({
      clock,
      log,
      limit: this.limits.diagnostics,
      listener: (diagnostic) => {
        if (this.#hooks.diagnostic.taps.length > 0) this.#hooks.diagnostic.call(diagnostic);
      },
    });
    this.#hooks = createHooks({
      clock,
      timeoutMs: this.limits.pluginTimeoutMs,
      isolated: (plugin, hook, cause) => {
        // a diagnostic about a failing diagnostic tap would fail again
        if (hook === 'diagnostic')
          return log.error({ plugin, hook, err: cause }, 'A plugin failed in a hook');
        this.#diagnostics.report({
          severity: 'error',
          code: RuntimeError.from(cause, 'PLUGIN_FAILED').code,
          message: `The plugin "${plugin}" failed in ${hook}`,
          details: { plugin, hook },
          cause,
        });
      },
    });
    const registrations = new Registrations({
      clock,
      limits: this.limits,
      openStore: () => this.#lifecycle.opened().store,
    });
    this.#lifecycle = new Lifecycle({
      limits: this.limits,
      clock,
      log,
      hooks: this.#hooks,
      registrations,
      configuration: {
        plugins: plugins.map((plugin) => plugin.name),
        limits: { ...limits } as JsonObject,
      },
      report: this.#diagnostics.report,
    });
    this.archives = new RuntimeArchives({
      limits: this.limits,
      lifecycle: this.#lifecycle,
      hooks: this.#hooks,
      clock,
      report: this.#diagnostics.report,
    });
    this.ready = this.#lifecycle.ready;
    this.lost = this.#lifecycle.lost;
    registrations.addOptions(engines, store);
    registrations.apply(plugins, this, this.#hooks, log);
  }

  /** Creates and starts a runtime. @throws as the constructor · as `start` */
  static async start(options?: RuntimeOptions): Promise<Runtime> {
    const runtime = new Runtime(options);
    await runtime.start();
    return runtime;
  }

  /**
   * Returns the store that the options and plugins of a runtime provide, without starting the runtime; null if they provide none.
   * @throws as the constructor
   */
  static storeOf(options: RuntimeOptions): RuntimeStore | null {
    return new Runtime(options).#lifecycle.store;
  }

  get status(): RuntimeStatus {
    return this.#lifecycle.status;
  }

  get failure(): RuntimeError | null {
    return this.#lifecycle.failure;
  }

  /** @throws RUNTIME_NOT_READY until the store is open, because the store holds the id */
  get runtimeId(): string {
    return this.#lifecycle.opened().runtimeId;
  }

  /**
   * Starts the runtime. On return it accepts commands. If the start fails, everything acquired is released, last first.
   * @throws PLUGIN_FAILED · PLUGIN_TIMEOUT · STORE_LOCKED · STORE_VERSION · STORE_CORRUPT · STORE_UNAVAILABLE
   */
  start(): Promise<void> {
    return this.#lifecycle.start();
  }

  /**
   * Stops the runtime within `deadlineMs`: refuses commands, ends runs and commits their ends, drains streams and
   * requests, calls the releases of plugins, and closes the store last. A second call waits for the same stop.
   */
  stop({ reason = 'stop', deadlineMs = this.limits.shutdownDeadlineMs }: StopOptions = {}): Promise<void> {
    return this.#lifecycle.stop(reason, deadlineMs);
  }

  /**
   * Ends the runtime so that another process can continue with the same store. From now on no run starts: inputs are accepted and
   * queued. When the active runs have ended, at most after `waitMs`, `leaving` is called and awaited, and then the runtime stops.
   * From then on, callers and streams get RUNTIME_MOVED. @throws RUNTIME_NOT_READY · RUNTIME_STOPPING · STORE_LOST
   */
  handOver({
    waitMs,
    leaving = () => {},
    deadlineMs = this.limits.shutdownDeadlineMs,
  }: HandOverOptions): Promise<void> {
    return this.#lifecycle.handOver(waitMs, leaving, deadlineMs);
  }

  /**
   * Ends the runtime at once, because another process may continue with the same store: executions are fenced, and callers and
   * streams get RUNTIME_MOVED, which is also the `failure`. Nothing more is written. Call `stop` afterwards, to release what it has.
   */
  fence(): void {
    this.#lifecycle.fence();
  }

  async summary(): Promise<RuntimeSummary> {
    const { workers, journal, store, engines, runtimeId } = this.#lifecycle.opened();
    const loaded = [...engines.values()];
    return {
      runtimeId,
      displayName: this.#displayName,
      status: this.status,
      versions: { runtime: version, protocol: PROTOCOL, store: store.version },
      store: {
        kind: store.kind,
        durable: store.isDurable,
        healthy: journal.isHealthy,
        ...workers.stored,
      },
      engines: loaded.map(({ name, capabilities, configSchema }) => ({
        name,
        capabilities,
        ...(configSchema && { configSchema }),
      })),
      capabilities: runtimeCapabilities(loaded.map((engine) => engine.capabilities)),
      limits: this.limits,
      workers: { total: workers.total, ...workers.counts },
      diagnostics: this.#diagnostics.size,
      startedAt: this.#lifecycle.startedAt,
    };
  }

  storeMetrics(): readonly Metric[] {
    return this.#lifecycle.storeMetrics();
  }

  async diagnostics(query: PageQuery = {}): Promise<Page<Diagnostic>> {
    checkPageQuery(query);
    return this.#diagnostics.page(query, pageLimit(query.limit, this.limits));
  }

  async createWorker(
    request: CreateWorker,
    options: IdempotencyOptions & CallOptions = {},
  ): Promise<CreateReceipt> {
    const { creation, inputs } = this.#lifecycle.running();
    const { worker, replayed, before, receipt: known } = await creation.create(request, options);
    const detail = this.#detail(worker);
    const reading = before && inputs.receiptAt(worker, before);
    // the Worker was created, so a log that cannot be read must not fail the call
    const receipt = await (known ? reading?.catch(() => known) : reading?.catch(nullIfArchived));
    return {
      worker: detail,
      replayed,
      input: receipt ? { ...receipt, run: null, waited: null, replayed } : null,
    };
  }

  async forkWorker(
    workerId: string,
    request: ForkWorker = {},
    options: IdempotencyOptions & CallOptions = {},
  ): Promise<CreateReceipt> {
    const { forks } = this.#lifecycle.running();
    const { worker, replayed } = await forks.fork(this.#worker(workerId), request, options);
    return { worker: this.#detail(worker), replayed, input: null };
  }

  async listWorkers(query: ListWorkers = {}): Promise<Page<ListedWorker>> {
    const { workers, streams, runtimeId } = this.#lifecycle.opened();
    checkListQuery(query, this.limits);
    const limit = pageLimit(query.limit, this.limits);
    const found = workers.list(query, decodeWorkersCursor(query.after) ?? '', limit);
    const items =
      query.include === 'overview'
        ? withOverviews(found.items, runtimeId, this.limits.pageBytes)
        : found.items.map((worker) => workers.summaries.of(worker, runtimeId));
    const hasMore = found.hasMore || items.length < found.items.length;
    return {
      items,
      next: hasMore ? (found.items[items.length - 1]?.log ?? null) : null,
      asOf: streams.asOf,
    };
  }

  async getWorker(workerId: string): Promise<WorkerDetail> {
    return this.#detail(this.#worker(workerId));
  }

  labelsOf(workerId: string): Readonly<Record<string, string>> | null {
    return this.#lifecycle.opened().workers.find(workerId)?.state.labels ?? null;
  }

  async updateWorker(workerId: string, request: UpdateWorker, call?: CallOptions): Promise<WorkerDetail> {
    const parts = this.#lifecycle.running();
    const worker = this.#worker(workerId);
    checkUpdate(request, this.limits);
    const options = { ...parts, hooks: this.#hooks, clock: this.#clock, limits: this.limits };
    await updateWorker(options, worker, request, call ?? {});
    return this.#detail(worker);
  }

  async deleteWorker(workerId: string, options?: CallOptions): Promise<void> {
    const { journal, creation } = this.#lifecycle.running();
    const call = checkCall(options);
    const worker = this.#worker(workerId);
    return admitted(
      this.#hooks.admit,
      { type: 'worker.delete', workerId, worker: factsOf(worker) },
      async () => {
        // a damaged log accepts no event, and nothing runs on it
        if (worker.isDamaged) worker.state = { ...worker.state, phase: 'deleted' };
        else await journal.commit(worker, (state) => remove(state, 'delete', call));
        await creation.removeData(worker);
        worker.live?.readers.wake();
      },
    );
  }

  async sendInput(
    workerId: string,
    input: WorkerInput,
    options: SendOptions & CallOptions = {},
  ): Promise<InputReceipt> {
    return this.#lifecycle.running().inputs.send(this.#worker(workerId), input, options);
  }

  async getRun(workerId: string, runId: string): Promise<RunInfo> {
    checkRunId(runId);
    return this.#lifecycle.opened().runs.info(this.#worker(workerId), runId);
  }

  async waitForRun(workerId: string, runId: string, options: WaitOptions = {}): Promise<RunWait> {
    checkRunId(runId);
    checkOptions('wait', options);
    checkWait(options.waitMs);
    return this.#lifecycle.opened().waits.wait(this.#worker(workerId), runId, options);
  }

  async cancelRun(
    workerId: string,
    options: { readonly runId?: string; readonly reason?: string } = {},
    call?: CallOptions,
  ): Promise<CancelOutcome> {
    const { supervisor } = this.#lifecycle.running();
    checkCancel(options);
    return supervisor.cancel(this.#worker(workerId), options.runId, remarkOf(options, call));
  }

  async stopWorker(
    workerId: string,
    options: { readonly deadlineMs?: number; readonly reason?: string } = {},
    call?: CallOptions,
  ): Promise<StopOutcome> {
    const { supervisor } = this.#lifecycle.running();
    checkStop(options, this.limits);
    const { deadlineMs = this.limits.stopDeadlineMs } = options;
    return supervisor.stop(this.#worker(workerId), deadlineMs, remarkOf(options, call));
  }

  async resumeWorker(
    workerId: string,
    options: { readonly reason?: string } = {},
    call?: CallOptions,
  ): Promise<WorkerDetail> {
    const { supervisor, workers, journal } = this.#lifecycle.running();
    checkResume(options);
    const worker = this.#worker(workerId);
    await resume({ hooks: this.#hooks, workers, supervisor, journal }, worker, remarkOf(options, call));
    return this.#detail(worker);
  }

  async listOpenRequests(query: PageQuery = {}): Promise<Page<WorkerRequest>> {
    const { workers, streams } = this.#lifecycle.opened();
    checkPageQuery(query);
    const limit = pageLimit(query.limit, this.limits);
    const after = decodeRequestsCursor(query.after) ?? '';
    const { items, hasMore } = workers.requests.list(after, limit, this.limits.pageBytes);
    return {
      items: items.map(({ worker: { workerId }, request }) => ({ workerId, ...request })),
      next: hasMore ? (items.at(-1)?.request.requestId ?? null) : null,
      asOf: streams.asOf,
    };
  }

  async listRequests(workerId: string): Promise<Page<OpenRequest>> {
    const { state } = this.#worker(workerId);
    return { items: state.requests, next: null, asOf: encodeCursor(state.log, state.head) };
  }

  async respond(
    workerId: string,
    requestId: string,
    response: RequestResponse,
    call?: CallOptions,
  ): Promise<{ readonly changed: boolean }> {
    const { journal, supervisor } = this.#lifecycle.running();
    checkResponse(response, this.limits);
    const worker = this.#worker(workerId);
    const { value } = response;
    if (value !== undefined) supervisor.checkValue(worker, requestId, value);
    // copied, because the caller may change its object
    const answer = { ...structuredClone(response), by: 'client', ...checkCall(call) } as const;
    const { events } = await journal.commit(worker, (state) => resolveRequest(state, requestId, answer));
    return { changed: events.length > 0 };
  }

  async events(workerId: string, query: EventQuery = {}): Promise<Page<WorkerEvent>> {
    const { lines, next, asOf, gaps } = await this.readEvents(workerId, query);
    const items = [...linesOf({ lines, first: { seq: 0, offset: 0 } })].map((line) =>
      decodeEvent(textOf(line)),
    );
    return { items, next, asOf, ...(gaps.length > 0 && { gaps }) };
  }

  /** Reads a page of events as the bytes that are stored, for transports. @throws as `events` */
  async readEvents(workerId: string, query: EventQuery = {}): Promise<RawPage> {
    checkEventQuery(query);
    return readEventPage(this.#lifecycle.opened().reader, this.#worker(workerId), query, this.limits);
  }

  async transcript(workerId: string, query: TranscriptQuery = {}): Promise<Page<TranscriptItem>> {
    checkTranscriptQuery(query);
    return readTranscriptPage(this.#lifecycle.opened().reader, this.#worker(workerId), query, this.limits);
  }

  async overview(workerId: string): ReturnType<RuntimeApi['overview']> {
    return overviewOf(this.#worker(workerId));
  }

  async usage(
    query: UsageQuery = {},
    isSelected: (labels: Readonly<Record<string, string>>) => boolean = () => true,
  ): Promise<UsageReport> {
    const { workers, runtimeId } = this.#lifecycle.opened();
    checkUsageQuery(query, this.limits);
    const wanted = Object.entries(query.labels ?? {});
    return usageReport(workers, {
      runtimeId,
      now: this.#clock.now(),
      days: query.days ?? DAYS,
      limit: pageLimit(query.limit, this.limits),
      isSelected: (labels) =>
        isSelected(labels) &&
        wanted.every(([name, value]) => Object.hasOwn(labels, name) && labels[name] === value),
    });
  }

  async putFile(workerId: string, bytes: Uint8Array, description: FileDescription): Promise<FilePart> {
    return this.#lifecycle.running().files.upload(this.#worker(workerId), bytes, description);
  }

  async getFile(workerId: string, digest: string): Promise<FileContent> {
    return this.#lifecycle.opened().files.get(this.#worker(workerId), digest);
  }

  async putBundle(digest: string, bundle: JsonValue): Promise<BundleInfo> {
    const { bundles } = this.#lifecycle.running();
    return admitted(this.#hooks.admit, { type: 'bundle.put', digest, bundle }, () =>
      bundles.put(digest, bundle),
    );
  }

  async getBundle(digest: string): Promise<JsonObject> {
    return this.#lifecycle.opened().bundles.get(digest);
  }

  async listBundles(query: PageQuery = {}): Promise<Page<{ readonly digest: string }>> {
    checkPageQuery(query);
    return this.#lifecycle.opened().bundles.list(query, pageLimit(query.limit, this.limits));
  }

  observe(workerId: string, { signal, ...options }: ObserveOptions = {}): AsyncIterable<Observation> {
    return observe(() => this.openStream(workerId, options), signal);
  }

  watch({ signal, ...options }: WatchOptions = {}): AsyncIterable<WatchItem> {
    return watch(() => this.openWatch(options), signal);
  }

  /** Opens a stream of one Worker, for transports. The caller closes it. @throws as `events` · LIMIT_REACHED */
  async openStream(workerId: string, options: Omit<ObserveOptions, 'signal'> = {}): Promise<WorkerStream> {
    const { streams } = this.#lifecycle.opened();
    checkOptions('stream', options);
    return streams.open(this.#worker(workerId), options);
  }

  /** Opens a stream of all Workers, for transports. The caller closes it. @throws CURSOR_INVALID · LIMIT_REACHED */
  openWatch(options: Omit<WatchOptions, 'signal'> = {}): WatchStream {
    checkOptions('watch', options);
    return this.#lifecycle.opened().streams.openWatch(options.after);
  }

  #worker(workerId: string): Worker {
    assertWorkerId(workerId);
    return this.#lifecycle.opened().workers.get(workerId);
  }

  #detail(worker: Worker): WorkerDetail {
    const { runtimeId, engines } = this.#lifecycle.opened();
    return detailOf(worker, runtimeId, engines.get(worker.state.engine));
  }
}
