import { runtimeCapabilities } from './capabilities.ts';
import { type Clock, systemClock } from './clock.ts';
import {
  assertWorkerId,
  checkCancel,
  checkListQuery,
  checkPageQuery,
  checkResponse,
  checkResume,
  checkStop,
  checkTranscriptQuery,
  checkUpdate,
} from './commands/requests.ts';
import { settling } from './commands/settling.ts';
import { Diagnostics } from './diagnostics.ts';
import { createHooks, type Hooks } from './hooks.ts';
import { mintId } from './id.ts';
import type { JsonObject, JsonValue } from './json.ts';
import { type Limits, resolveLimits } from './limits.ts';
import { type Logger, silentLogger } from './logger.ts';
import { memoryStore } from './memory-store/memory-store.ts';
import { encodeCursor } from './observation/cursor.ts';
import { linesOf, textOf } from './observation/lines.ts';
import { observe, watch } from './observation/observe.ts';
import { pageLimit, type RawPage, readEventPage, readTranscriptPage } from './observation/pages.ts';
import { encodeWatchCursor, WatchStream } from './observation/watch-stream.ts';
import { WorkerStream } from './observation/worker-stream.ts';
import { attachWaiting, type Opened, openRuntime } from './opening.ts';
import { Registrations, type RuntimePlugin } from './plugin.ts';
import type * as Api from './runtime-api.ts';
import { type ErrorCode, RuntimeError } from './runtime-error.ts';
import type { RuntimeStore } from './store.ts';
import { version } from './version.ts';
import { attached, remove, resolveRequest, update } from './worker/decide.ts';
import { decodeEvent, type WorkerEvent } from './worker/event.ts';
import type { TranscriptItem } from './worker/transcript.ts';
import { detailOf, overviewOf, summaryOf } from './worker/views.ts';
import type { Worker } from './worker/worker.ts';

export interface RuntimeOptions {
  /** Applied in this order. Without a store among them, Workers live in memory and are lost at exit. */
  readonly plugins?: readonly RuntimePlugin[];
  readonly log?: Logger;
  readonly limits?: Partial<Limits>;
  readonly displayName?: string;
  readonly clock?: Clock;
}

export interface StopOptions {
  readonly reason?: string;
  /** Default `shutdownDeadlineMs`. */
  readonly deadlineMs?: number;
}

/** Version of the API that this class and its wires speak. */
const PROTOCOL = 1;

/**
 * The environment that Workers live in, embeddable in any process. A server is a wrapper around the same class.
 * Starts once and stops once.
 */
export class Runtime implements Api.RuntimeApi {
  /** Resolves when Workers can be used; rejects when the start failed. */
  readonly ready: Promise<void>;
  readonly limits: Limits;
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #displayName: string | null;
  readonly #hooks: Hooks;
  readonly #registrations = new Registrations();
  readonly #store: RuntimeStore;
  readonly #diagnostics: Diagnostics;
  readonly #configuration: JsonValue;
  readonly #epoch = mintId('log');
  readonly #watches = new Set<WatchStream>();
  #streams = 0;
  #areRunsEnded = false;
  #status: Api.RuntimeStatus = 'new';
  #open: Opened | null = null;
  #startedAt = '';
  #starting: Promise<void> = Promise.resolve();
  #stopping: Promise<void> | null = null;
  #callOffSweep: () => void = () => {};
  #becomeReady: () => void = () => {};
  #failReady: (error: unknown) => void = () => {};

  /** @throws VERSION_UNSUPPORTED · PLUGIN_CONFLICT · PLUGIN_FAILED · INVALID_REQUEST limits */
  constructor({
    plugins = [],
    log = silentLogger,
    limits = {},
    displayName,
    clock = systemClock,
  }: RuntimeOptions = {}) {
    this.limits = resolveLimits(limits);
    this.#clock = clock;
    this.#log = log;
    this.#displayName = displayName ?? null;
    this.#diagnostics = new Diagnostics({
      clock,
      log,
      limit: this.limits.diagnostics,
      told: (diagnostic) => {
        if (this.#hooks.diagnostic.taps.length > 0) this.#hooks.diagnostic.call(diagnostic);
      },
    });
    this.#hooks = createHooks({
      clock,
      timeoutMs: this.limits.pluginTimeoutMs,
      isolated: (plugin, hook, cause) => {
        // a diagnostic about a failing diagnostic tap would never end
        if (hook === 'diagnostic')
          return log.error({ plugin, hook, err: cause }, 'A plugin failed in a hook');
        const error = RuntimeError.from(cause, 'PLUGIN_FAILED');
        this.#diagnostics.report({
          severity: 'error',
          code: error.code,
          message: `The plugin "${plugin}" failed in ${hook}`,
          details: { plugin, hook },
          cause,
        });
      },
    });
    this.ready = new Promise((resolve, reject) => {
      this.#becomeReady = resolve;
      this.#failReady = reject;
    });
    this.ready.catch(() => {});
    this.#registrations.apply(plugins, this, this.#hooks, log);
    this.#store = this.#registrations.store ?? memoryStore();
    this.#configuration = {
      plugins: plugins.map((plugin) => plugin.name),
      limits: { ...limits } as JsonObject,
    };
  }

  /** A runtime that runs. */
  static async start(options?: RuntimeOptions): Promise<Runtime> {
    const runtime = new Runtime(options);
    await runtime.start();
    return runtime;
  }

  get status(): Api.RuntimeStatus {
    return this.#status;
  }

  /** @throws RUNTIME_NOT_READY before the store is open, which has it */
  get runtimeId(): string {
    return this.#opened().runtimeId;
  }

  /**
   * On return the runtime takes commands. Failed, everything that was acquired is released, last first.
   * @throws PLUGIN_FAILED · PLUGIN_TIMEOUT · STORE_LOCKED · STORE_VERSION · STORE_CORRUPT · STORE_UNAVAILABLE
   */
  async start(): Promise<void> {
    if (this.#status !== 'new') throw new TypeError('A runtime starts once');
    this.#status = 'starting';
    this.#starting = this.#start();
    return this.#starting;
  }

  async #start(): Promise<void> {
    this.#startedAt = new Date(this.#clock.now()).toISOString();
    this.#registrations.closeTaps();
    try {
      await this.#hooks.start.promise();
      this.#open = await openRuntime({
        store: this.#store,
        limits: this.limits,
        clock: this.#clock,
        log: this.#log,
        hooks: this.#hooks,
        engines: this.#registrations.engines,
        configuration: this.#configuration,
        report: this.#diagnostics.report,
        assertRunning: () => this.#assertRunning(),
        areRunsEnded: () => this.#areRunsEnded,
      });
      this.#assertStatus('starting');
      this.#status = 'running';
      this.#becomeReady();
      void attachWaiting(this.#open, this.#registrations.engines);
      this.#scheduleSweep();
    } catch (error) {
      // a stop that came meanwhile waits for this, and says itself how it ended
      if (this.#status === 'starting') this.#status = 'failed';
      this.#failReady(error);
      this.#log.error({ err: error }, 'The runtime did not start');
      this.#open?.supervisor.giveUp();
      this.#open?.journal.close();
      await this.#release();
      await this.#closeStore();
      throw error;
    }
  }

  /**
   * Ends in bounded time: commands are refused, runs ended and their ends committed, streams and requests drained,
   * what was acquired released, the store closed last. Called again, it waits for the same end.
   */
  stop(options: StopOptions = {}): Promise<void> {
    this.#stopping ??= this.#stop(options);
    return this.#stopping;
  }

  async summary(): Promise<Api.RuntimeSummary> {
    const { workers, journal, runtimeId } = this.#opened();
    const engines = [...this.#registrations.engines.values()];
    return {
      runtimeId,
      displayName: this.#displayName,
      status: this.#status,
      versions: { runtime: version, protocol: PROTOCOL, store: this.#store.version },
      store: { kind: this.#store.kind, durable: this.#store.isDurable, healthy: journal.isHealthy },
      engines: engines.map(({ name, capabilities }) => ({ name, capabilities })),
      capabilities: runtimeCapabilities(engines.map((engine) => engine.capabilities)),
      limits: this.limits,
      workers: { total: workers.total, ...workers.counts },
      diagnostics: this.#diagnostics.size,
      startedAt: this.#startedAt,
    };
  }

  async diagnostics(query: Api.PageQuery = {}): Promise<Api.Page<Api.Diagnostic>> {
    checkPageQuery(query);
    return this.#diagnostics.page(query, pageLimit(query.limit, this.limits));
  }

  async createWorker(
    request: Api.CreateWorker,
    options: Api.IdempotencyOptions = {},
  ): Promise<Api.CreateReceipt> {
    const { creation, inputs } = this.#running();
    const { worker, replayed, input } = await creation.create(request, options);
    const detail = this.#detail(worker);
    if (replayed) {
      const receipt = request.initialInput
        ? await inputs.receiptAt(worker, { seq: 0, offset: 0, end: 0, sum: 0 })
        : null;
      return { worker: detail, replayed, input: receipt && { ...receipt, run: null, replayed } };
    }
    if (!input) return { worker: detail, replayed, input: null };
    // execution.attached comes first in the commit of the initial input
    const receipt = await inputs.receiptAt(worker, input.before);
    return { worker: detail, replayed, input: { ...receipt, run: null, replayed } };
  }

  async listWorkers(query: Api.ListWorkers = {}): Promise<Api.Page<Api.WorkerSummary>> {
    const { workers, runtimeId } = this.#opened();
    checkListQuery(query, this.limits);
    const limit = pageLimit(query.limit, this.limits);
    const after =
      query.after === undefined || query.after === 'start' || query.after === '0' ? '' : query.after;
    if (after !== '' && !/^log_[a-z0-9]{26}$/.test(after)) throw new RuntimeError('CURSOR_INVALID');
    const asOf = encodeWatchCursor(this.#epoch, workers.changes.revision);
    const { items, hasMore } = workers.list(query, after, limit);
    return {
      items: items.map((worker) => summaryOf(worker, runtimeId)),
      next: hasMore ? (items.at(-1)?.state.log ?? null) : null,
      asOf,
    };
  }

  async getWorker(workerId: string): Promise<Api.WorkerDetail> {
    return this.#detail(this.#worker(workerId));
  }

  async updateWorker(workerId: string, request: Api.UpdateWorker): Promise<Api.WorkerDetail> {
    const { journal } = this.#running();
    const worker = this.#worker(workerId);
    checkUpdate(request, this.limits);
    return settling(this.#hooks.admit, { type: 'worker.update', workerId, update: request }, async () => {
      await journal.commit(worker, (state) => update(state, request));
      return this.#detail(worker);
    });
  }

  async deleteWorker(workerId: string): Promise<void> {
    const { journal, creation } = this.#running();
    const worker = this.#worker(workerId);
    return settling(this.#hooks.admit, { type: 'worker.delete', workerId }, async () => {
      // a damaged log takes no last event, and nothing runs on it
      if (worker.isDamaged) worker.state = { ...worker.state, phase: 'deleted' };
      else await journal.commit(worker, (state) => remove(state, 'delete'));
      await creation.discard(worker);
      worker.live?.wake();
    });
  }

  async sendInput(
    workerId: string,
    input: Api.WorkerInput,
    options: Api.IdempotencyOptions & { readonly waitMs?: number; readonly signal?: AbortSignal } = {},
  ): Promise<Api.InputReceipt> {
    return this.#running().inputs.send(this.#worker(workerId), input, options);
  }

  async cancelRun(
    workerId: string,
    options: { readonly runId?: string; readonly reason?: string } = {},
  ): Promise<Api.CancelOutcome> {
    const { supervisor } = this.#running();
    checkCancel(options);
    return supervisor.cancel(this.#worker(workerId), options.runId, options.reason);
  }

  async stopWorker(
    workerId: string,
    options: { readonly deadlineMs?: number; readonly reason?: string } = {},
  ): Promise<Api.StopOutcome> {
    const { supervisor } = this.#running();
    checkStop(options, this.limits);
    return supervisor.stop(
      this.#worker(workerId),
      options.deadlineMs ?? this.limits.stopDeadlineMs,
      options.reason,
    );
  }

  async resumeWorker(
    workerId: string,
    options: { readonly reason?: string } = {},
  ): Promise<Api.WorkerDetail> {
    const { supervisor, workers } = this.#running();
    checkResume(options);
    const worker = this.#worker(workerId);
    const { claims } = await supervisor.recordOf(worker);
    return settling(this.#hooks.admit, { type: 'worker.resume', workerId, claims }, async () => {
      await worker.live?.stopping?.catch(() => {});
      if (worker.state.status !== 'stopped') {
        await supervisor.attach(worker);
        return this.#detail(worker);
      }
      const isThere = (): boolean => workers.byLog(worker.state.log) === worker;
      const release = (): void => {
        if (worker.state.status === 'stopped' && isThere()) workers.claims.release(workerId);
      };
      if (isThere()) workers.claims.take(workerId, claims);
      try {
        await supervisor.attach(worker, (state, generation) => {
          const resumed = {
            type: 'worker.resumed',
            data: { ...(options.reason !== undefined && { reason: options.reason }) },
          } as const;
          return [...(state.status === 'stopped' ? [resumed] : []), ...attached(state, generation)];
        });
      } catch (error) {
        // in doubt, it may yet turn out that the Worker is resumed
        if (worker.live?.isInDoubt) void supervisor.persist(worker, () => []).then(release);
        else release();
        throw error;
      }
      return this.#detail(worker);
    });
  }

  async listRequests(workerId: string): Promise<Api.Page<Api.OpenRequest>> {
    const { state } = this.#worker(workerId);
    return { items: state.requests, next: null, asOf: encodeCursor(state.log, state.head) };
  }

  async respond(
    workerId: string,
    requestId: string,
    response: { readonly decision: string; readonly note?: string },
  ): Promise<{ readonly changed: boolean }> {
    const { journal } = this.#running();
    checkResponse(response);
    const answer = { ...response, by: 'client' } as const;
    const { events } = await journal.commit(this.#worker(workerId), (state) =>
      resolveRequest(state, requestId, answer),
    );
    return { changed: events.length > 0 };
  }

  async events(workerId: string, query: Api.PageQuery = {}): Promise<Api.Page<WorkerEvent>> {
    const { lines, next, asOf, gaps } = await this.readEvents(workerId, query);
    const items = [...linesOf({ lines, first: { seq: 0, offset: 0 } })].map((line) =>
      decodeEvent(textOf(line)),
    );
    return { items, next, asOf, ...(gaps.length > 0 && { gaps }) };
  }

  /** A page of events as the bytes that are stored, for transports. @throws as `events` */
  async readEvents(workerId: string, query: Api.PageQuery = {}): Promise<RawPage> {
    checkPageQuery(query);
    return readEventPage(this.#opened().reader, this.#worker(workerId), query, this.limits);
  }

  async transcript(workerId: string, query: Api.TranscriptQuery = {}): Promise<Api.Page<TranscriptItem>> {
    checkTranscriptQuery(query);
    return readTranscriptPage(this.#opened().reader, this.#worker(workerId), query, this.limits);
  }

  async overview(workerId: string): ReturnType<Api.RuntimeApi['overview']> {
    return overviewOf(this.#worker(workerId));
  }

  async putBundle(digest: string, bundle: JsonValue): Promise<Api.BundleInfo> {
    const { bundles } = this.#running();
    return settling(this.#hooks.admit, { type: 'bundle.put', digest, bundle }, () =>
      bundles.put(digest, bundle),
    );
  }

  async getBundle(digest: string): Promise<JsonObject> {
    return this.#opened().bundles.get(digest);
  }

  async listBundles(query: Api.PageQuery = {}): Promise<Api.Page<{ readonly digest: string }>> {
    checkPageQuery(query);
    return this.#opened().bundles.list(query, pageLimit(query.limit, this.limits));
  }

  observe(workerId: string, { signal, ...options }: Api.ObserveOptions = {}): AsyncIterable<Api.Observation> {
    return observe(() => this.openStream(workerId, options), signal);
  }

  watch({ signal, ...options }: Api.WatchOptions = {}): AsyncIterable<Api.WatchItem> {
    return watch(() => this.openWatch(options), signal);
  }

  /** One Worker live as bytes, to be pulled, for transports. Close it. @throws as `events` · LIMIT_REACHED */
  async openStream(
    workerId: string,
    { after, deltas = true }: Omit<Api.ObserveOptions, 'signal'> = {},
  ): Promise<WorkerStream> {
    const { reader } = this.#opened();
    const worker = this.#worker(workerId);
    const from = after === undefined ? null : await reader.locate(worker, after);
    this.#assertStreams();
    this.#streams += 1;
    return new WorkerStream({
      worker,
      from,
      deltas,
      reader,
      limits: this.limits,
      detailOf: (observed) => this.#detail(observed),
      endOf: (observed) => (observed.state.phase === 'deleted' ? 'WORKER_NOT_FOUND' : this.#endCode()),
      closed: () => {
        this.#streams -= 1;
      },
    });
  }

  /** All Workers live, to be pulled, for transports. Close it. @throws CURSOR_INVALID · LIMIT_REACHED */
  openWatch({ after }: Omit<Api.WatchOptions, 'signal'> = {}): WatchStream {
    const { workers, runtimeId } = this.#opened();
    this.#assertStreams();
    const stream: WatchStream = new WatchStream({
      changes: workers.changes,
      epoch: this.#epoch,
      after,
      summaryOf: (worker) => summaryOf(worker, runtimeId),
      endOf: () => this.#endCode(),
      closed: () => {
        this.#watches.delete(stream);
        this.#streams -= 1;
      },
    });
    this.#streams += 1;
    this.#watches.add(stream);
    return stream;
  }

  #assertStreams(): void {
    if (this.#streams >= this.limits.subscriptions) {
      throw new RuntimeError('LIMIT_REACHED', 'Too many streams are open', {
        details: { limit: 'subscriptions', value: this.limits.subscriptions },
      });
    }
  }

  /** Streams end when the runs have ended: by then everything that was committed can be read. */
  #endCode(): ErrorCode | null {
    return this.#areRunsEnded ? 'RUNTIME_STOPPING' : null;
  }

  #assertStatus(status: Api.RuntimeStatus): void {
    if (this.#status !== status)
      throw new RuntimeError(this.#status === 'stopping' ? 'RUNTIME_STOPPING' : 'RUNTIME_NOT_READY');
  }

  #opened(): Opened {
    if (!this.#open) throw new RuntimeError('RUNTIME_NOT_READY');
    if (this.#status === 'stopped') throw new RuntimeError('RUNTIME_STOPPING');
    return this.#open;
  }

  #running(): Opened {
    const open = this.#opened();
    this.#assertRunning();
    return open;
  }

  #assertRunning(): void {
    if (this.#status !== 'running') {
      throw new RuntimeError(
        this.#status === 'starting' || this.#status === 'new' ? 'RUNTIME_NOT_READY' : 'RUNTIME_STOPPING',
      );
    }
  }

  #worker(workerId: string): Worker {
    assertWorkerId(workerId);
    return this.#opened().workers.get(workerId);
  }

  #detail(worker: Worker): Api.WorkerDetail {
    const { runtimeId } = this.#opened();
    return detailOf(worker, runtimeId, this.#registrations.engines.get(worker.state.engine));
  }

  /** Workers that nothing happens to fall back to their record. */
  #scheduleSweep(): void {
    this.#callOffSweep = this.#clock.after(this.limits.idleUnloadMs, () => {
      const before = this.#clock.now() - this.limits.idleUnloadMs;
      for (const worker of this.#open?.workers ?? []) {
        const { live } = worker;
        if (
          !live ||
          live.activeAt > before ||
          live.isTurning ||
          live.attaching ||
          live.stopping ||
          live.holds > 0 ||
          live.wakes.size > 0
        )
          continue;
        if (live.execution === null) worker.live = null;
        else if (worker.state.run === null) {
          live.tail.clear();
          live.keys = null;
        }
      }
      this.#scheduleSweep();
    });
  }

  async #stop({ reason = 'stop', deadlineMs = this.limits.shutdownDeadlineMs }: StopOptions): Promise<void> {
    if (this.#status === 'new' || this.#status === 'failed') {
      this.#status = 'stopped';
      return;
    }
    if (this.#status === 'starting') {
      this.#status = 'stopping';
      const starting = this.#starting.catch(() => {});
      await this.#inTime(starting, deadlineMs, 'the start');
      this.#status = 'stopped';
      return;
    }
    this.#status = 'stopping';
    this.#callOffSweep();
    const open = this.#opened();
    const until = this.#clock.now() + deadlineMs;
    await open.supervisor.drain(deadlineMs * 0.6);
    this.#areRunsEnded = true;
    for (const worker of open.workers) worker.live?.wake();
    for (const stream of [...this.#watches]) stream.wake();
    const controller = new AbortController();
    const callOff = this.#clock.after(deadlineMs * 0.2, () => controller.abort());
    await this.#inTime(
      this.#hooks.drain.promise({ signal: controller.signal, reason }),
      deadlineMs * 0.2,
      'drain',
    );
    callOff();
    open.supervisor.giveUp();
    open.journal.close();
    await this.#release(deadlineMs * 0.1);
    // what the others left: a store that can put things in order now opens faster next time
    await this.#closeStore(Math.max(until - this.#clock.now(), deadlineMs * 0.1));
    this.#status = 'stopped';
  }

  /** Releases in reverse order of acquisition, all in the given time; one that fails or hangs keeps no other. */
  async #release(timeoutMs = this.limits.shutdownDeadlineMs): Promise<void> {
    const until = this.#clock.now() + timeoutMs;
    for (const { plugin, release } of this.#registrations.takeReleases()) {
      const restMs = Math.max(0, until - this.#clock.now());
      await this.#inTime(Promise.resolve().then(release), restMs, `the release of "${plugin}"`);
    }
  }

  async #closeStore(timeoutMs = this.limits.shutdownDeadlineMs): Promise<void> {
    await this.#inTime(
      Promise.resolve().then(() => this.#store.close()),
      timeoutMs,
      'the closing of the store',
    );
  }

  async #inTime(step: Promise<unknown>, timeoutMs: number, what: string): Promise<void> {
    await new Promise<void>((resolve) => {
      const failed = (cause: unknown): void => {
        this.#diagnostics.report({
          severity: 'error',
          code: RuntimeError.from(cause, 'PLUGIN_FAILED').code,
          message: `While stopping, ${what} failed`,
          cause,
        });
        resolve();
      };
      const callOff = this.#clock.after(timeoutMs, () =>
        failed(new RuntimeError('PLUGIN_TIMEOUT', `${what} took too long`)),
      );
      step.then(
        () => {
          callOff();
          resolve();
        },
        (error: unknown) => {
          callOff();
          failed(error);
        },
      );
    });
  }
}
