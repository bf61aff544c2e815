import { hash } from 'node:crypto';
import { canonicalJson } from '../canonical-json.ts';
import { runtimeCapabilities } from '../contracts/capabilities.ts';
import type { FileContent, FileDescription } from '../contracts/file.ts';
import type { JsonObject, JsonValue } from '../contracts/json.ts';
import type { Limits } from '../contracts/limits.ts';
import type { Metric } from '../contracts/metric.ts';
import type { Observation, ObserveOptions, WatchItem, WatchOptions } from '../contracts/observation.ts';
import type { OpenRequest, RequestResponse, WorkerRequest } from '../contracts/open-request.ts';
import type { EventQuery, Page, PageQuery, TranscriptQuery } from '../contracts/page.ts';
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
import type { CallOptions, Given, ServedRuntime } from '../contracts/served-runtime.ts';
import type { RawPage, WatchStream, WorkerStream } from '../contracts/stream.ts';
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
import { observe, watch } from '../observation/observe.ts';
import { pageLimit } from '../observation/pages.ts';
import { assertAllowed } from './allowance.ts';
import { covers, isSelected, type Labels, type Permission, type Scope, UNLIMITED } from './scope.ts';
import { ScopedWatchStream, ScopedWorkerStream } from './scoped-streams.ts';
import { Stamp } from './stamp.ts';

/**
 * Returns a runtime as it exists for a caller. Calls that the permissions do not include fail with FORBIDDEN. A Worker
 * outside of the scope is answered exactly as one that does not exist, also by streams that are open when it leaves the scope.
 * Only a creation with the id of such a Worker tells that it exists, because ids are unique.
 *
 * A call costs one test of labels more, a page of a list one test for each Worker that it passes, and a summary one test for each
 * Worker. A watch keeps the ids of the Workers that it has delivered, and sends `reset` when it is resumed.
 */
export const scoped = (runtime: ServedRuntime, scope: Scope): ServedRuntime =>
  scope === UNLIMITED ? runtime : new ScopedRuntime(runtime, scope);

class ScopedRuntime implements ServedRuntime {
  readonly #runtime: ServedRuntime;
  readonly #scope: Scope;
  readonly #stamp: Stamp;

  constructor(runtime: ServedRuntime, scope: Scope) {
    this.#runtime = runtime;
    this.#scope = scope;
    this.#stamp = new Stamp(runtime, scope);
  }

  get runtimeId(): string {
    return this.#runtime.runtimeId;
  }

  get status(): RuntimeStatus {
    return this.#runtime.status;
  }

  get failure(): RuntimeError | null {
    return this.#runtime.failure;
  }

  get limits(): Limits {
    return this.#runtime.limits;
  }

  get ready(): Promise<void> {
    return this.#runtime.ready;
  }

  labelsOf(workerId: string): Labels | null {
    const labels = this.#runtime.labelsOf(workerId);
    return labels && isSelected(this.#scope, labels) ? labels : null;
  }

  async summary(): Promise<RuntimeSummary> {
    this.#assertMay('observe');
    const summary = this.#allowed(await this.#runtime.summary());
    if (this.#scope.workers === '*') return summary;
    const workers = { total: 0, idle: 0, running: 0, waiting: 0, stopped: 0 };
    const { pageItems } = this.limits;
    let [eventBytes, fileBytes] = [0, 0];
    for await (const { status, stored } of everyItem(pageItems, (query) => this.listWorkers(query))) {
      workers.total += 1;
      workers[status] += 1;
      eventBytes += stored.eventBytes;
      fileBytes += stored.fileBytes;
    }
    let diagnostics = 0;
    for await (const _ of everyItem(pageItems, (query) => this.diagnostics(query))) diagnostics += 1;
    const store = { ...summary.store, eventBytes, fileBytes };
    return { ...summary, store, workers, diagnostics };
  }

  get archives(): ServedArchives {
    return {
      open: (workerId) => this.#archives().open(workerId),
      list: async (query) => this.#archives().list(query),
      remove: async (workerId, end, call) => this.#archives().remove(workerId, end, call),
      listHistory: async (query) => this.#archives().listHistory(query),
      openHistory: (workerId, throughSeq) => this.#archives().openHistory(workerId, throughSeq),
      removeHistory: async (workerId, part, call) => this.#archives().removeHistory(workerId, part, call),
      put: async (archive) => {
        const archives = this.#archives();
        // an archive has parts that no creation has checked
        if (this.#scope.allowance || Object.keys(this.#scope.stamp).length > 0)
          throw new RuntimeError('FORBIDDEN', 'Your scope limits the Workers that you may create');
        return archives.put(archive);
      },
    };
  }

  /** @throws FORBIDDEN an archive may have any Worker, and the private records of Workers */
  #archives(): ServedArchives {
    this.#assertMay('admin');
    if (this.#scope.workers === '*') return this.#runtime.archives;
    throw new RuntimeError('FORBIDDEN', 'Archives need a scope with all Workers');
  }

  storeMetrics(): readonly Metric[] {
    this.#assertMay('observe');
    // they count the commits of all Workers
    return this.#scope.workers === '*' ? this.#runtime.storeMetrics() : [];
  }

  async diagnostics(query: PageQuery = {}): Promise<Page<Diagnostic>> {
    this.#assertMay('observe');
    return this.#filtered(
      query,
      (page) => this.#runtime.diagnostics(page),
      ({ worker }) => worker !== null && this.#isVisible(worker),
    );
  }

  async createWorker(
    request: CreateWorker,
    { idempotencyKey, ...call }: IdempotencyOptions & CallOptions = {},
  ): Promise<CreateReceipt> {
    this.#assertMay('operate');
    const stamped = this.#stamp.creation(request);
    const key = idempotencyKey === undefined ? {} : { idempotencyKey: this.#ownKey(idempotencyKey) };
    return this.#hidingHolders(() => this.#runtime.createWorker(stamped, { ...this.#limited(call), ...key }));
  }

  async forkWorker(
    workerId: string,
    request: ForkWorker = {},
    { idempotencyKey, ...call }: IdempotencyOptions & CallOptions = {},
  ): Promise<CreateReceipt> {
    this.#assertSees('operate', workerId);
    const stamped = this.#stamp.fork(workerId, request);
    const key = idempotencyKey === undefined ? {} : { idempotencyKey: this.#ownKey(idempotencyKey) };
    return this.#hidingHolders(() =>
      this.#runtime.forkWorker(workerId, stamped, { ...this.#limited(call), ...key }),
    );
  }

  async listWorkers(query: ListWorkers = {}): Promise<Page<ListedWorker>> {
    this.#assertMay('observe');
    const { parent } = query;
    if (parent !== undefined && !this.#isVisible(parent)) {
      // as for a parent that does not exist, which has no children
      const { asOf } = await this.#runtime.listWorkers({ ...query, limit: 1 });
      return { items: [], next: null, asOf };
    }
    return this.#filtered(
      query,
      (page) => this.#runtime.listWorkers(page),
      ({ labels }) => isSelected(this.#scope, labels),
    );
  }

  async getWorker(workerId: string): Promise<WorkerDetail> {
    this.#assertSees('observe', workerId);
    return this.#runtime.getWorker(workerId);
  }

  async updateWorker(workerId: string, request: UpdateWorker, call?: CallOptions): Promise<WorkerDetail> {
    this.#assertSees('operate', workerId);
    return this.#runtime.updateWorker(workerId, this.#stamp.update(workerId, request), this.#limited(call));
  }

  async deleteWorker(workerId: string, call?: CallOptions): Promise<void> {
    this.#assertSees('admin', workerId);
    return this.#runtime.deleteWorker(workerId, call);
  }

  async sendInput(
    workerId: string,
    input: WorkerInput,
    options?: SendOptions & CallOptions,
  ): Promise<InputReceipt> {
    this.#assertSees('operate', workerId);
    return this.#hidingHolders(() => this.#runtime.sendInput(workerId, input, options));
  }

  async getRun(workerId: string, runId: string): Promise<RunInfo> {
    this.#assertSees('observe', workerId);
    return this.#runtime.getRun(workerId, runId);
  }

  async waitForRun(workerId: string, runId: string, options?: WaitOptions): Promise<RunWait> {
    this.#assertSees('observe', workerId);
    return this.#runtime.waitForRun(workerId, runId, options);
  }

  async cancelRun(
    workerId: string,
    options?: Parameters<RuntimeApi['cancelRun']>[1],
    call?: CallOptions,
  ): Promise<CancelOutcome> {
    this.#assertSees('operate', workerId);
    return this.#runtime.cancelRun(workerId, options, call);
  }

  async stopWorker(
    workerId: string,
    options?: Parameters<RuntimeApi['stopWorker']>[1],
    call?: CallOptions,
  ): Promise<StopOutcome> {
    this.#assertSees('operate', workerId);
    return this.#runtime.stopWorker(workerId, options, call);
  }

  async resumeWorker(
    workerId: string,
    options?: Parameters<RuntimeApi['resumeWorker']>[1],
    call?: CallOptions,
  ): Promise<WorkerDetail> {
    this.#assertSees('operate', workerId);
    return this.#hidingHolders(() => this.#runtime.resumeWorker(workerId, options, call));
  }

  async listOpenRequests(query: PageQuery = {}): Promise<Page<WorkerRequest>> {
    this.#assertMay('observe');
    return this.#filtered(
      query,
      (page) => this.#runtime.listOpenRequests(page),
      ({ workerId }) => this.#isVisible(workerId),
    );
  }

  async listRequests(workerId: string): Promise<Page<OpenRequest>> {
    this.#assertSees('observe', workerId);
    return this.#runtime.listRequests(workerId);
  }

  async respond(
    workerId: string,
    requestId: string,
    response: RequestResponse,
    call?: CallOptions,
  ): Promise<{ readonly changed: boolean }> {
    this.#assertSees('answer', workerId);
    return this.#runtime.respond(workerId, requestId, response, call);
  }

  async events(workerId: string, query?: EventQuery): ReturnType<RuntimeApi['events']> {
    this.#assertSees('observe', workerId);
    return this.#runtime.events(workerId, query);
  }

  async readEvents(workerId: string, query?: EventQuery): Promise<RawPage> {
    this.#assertSees('observe', workerId);
    return this.#runtime.readEvents(workerId, query);
  }

  async transcript(workerId: string, query?: TranscriptQuery): ReturnType<RuntimeApi['transcript']> {
    this.#assertSees('observe', workerId);
    return this.#runtime.transcript(workerId, query);
  }

  async overview(workerId: string): ReturnType<RuntimeApi['overview']> {
    this.#assertSees('observe', workerId);
    return this.#runtime.overview(workerId);
  }

  async usage(query?: UsageQuery, isWanted: (labels: Labels) => boolean = () => true): Promise<UsageReport> {
    this.#assertMay('observe');
    return this.#runtime.usage(query, (labels) => isSelected(this.#scope, labels) && isWanted(labels));
  }

  async putFile(
    workerId: string,
    bytes: Uint8Array,
    description: FileDescription,
  ): ReturnType<RuntimeApi['putFile']> {
    this.#assertSees('operate', workerId);
    return this.#runtime.putFile(workerId, bytes, description);
  }

  async getFile(workerId: string, digest: string): Promise<FileContent> {
    this.#assertSees('observe', workerId);
    return this.#runtime.getFile(workerId, digest);
  }

  async putBundle(digest: string, bundle: JsonValue): Promise<BundleInfo> {
    this.#assertMayUseBundles();
    return this.#runtime.putBundle(digest, bundle);
  }

  async getBundle(digest: string): Promise<JsonObject> {
    this.#assertMayUseBundles();
    return this.#runtime.getBundle(digest);
  }

  async listBundles(query?: PageQuery): Promise<Page<{ readonly digest: string }>> {
    this.#assertMay('observe');
    const page = await this.#runtime.listBundles(query);
    return this.#scope.workers === '*' ? page : { ...page, items: [], next: null };
  }

  async openStream(workerId: string, options?: Omit<ObserveOptions, 'signal'>): Promise<WorkerStream> {
    this.#assertSees('observe', workerId);
    const stream = await this.#runtime.openStream(workerId, options);
    return this.#scope.workers === '*'
      ? stream
      : new ScopedWorkerStream(stream, () => this.#isVisibleOrGone(workerId));
  }

  openWatch(options: Omit<WatchOptions, 'signal'> = {}): WatchStream {
    this.#assertMay('observe');
    if (this.#scope.workers === '*') return this.#runtime.openWatch(options);
    const { after, ...others } = options;
    // only checks the position: the Workers that left the scope since then are not known
    if (after !== undefined) this.#runtime.openWatch({ after }).close();
    const isResumed = after !== undefined && after !== 'start' && after !== '0';
    return new ScopedWatchStream(
      this.#runtime.openWatch(others),
      ({ worker }) => isSelected(this.#scope, worker.labels),
      isResumed,
    );
  }

  observe(workerId: string, { signal, ...options }: ObserveOptions = {}): AsyncIterable<Observation> {
    return observe(() => this.openStream(workerId, options), signal);
  }

  watch({ signal, ...options }: WatchOptions = {}): AsyncIterable<WatchItem> {
    return watch(() => this.openWatch(options), signal);
  }

  #assertMay(needed: Permission): void {
    const { permissions } = this.#scope;
    if (covers(permissions, needed)) return;
    throw new RuntimeError('FORBIDDEN', `This call needs the permission "${needed}"`, {
      details: { needed, permissions },
    });
  }

  /** @throws FORBIDDEN · WORKER_NOT_FOUND the Worker is outside of the scope */
  #assertSees(needed: Permission, workerId: string): void {
    this.#assertMay(needed);
    // an id that does not exist is refused by the runtime
    if (this.#isVisibleOrGone(workerId)) return;
    throw new RuntimeError('WORKER_NOT_FOUND', undefined, { details: { workerId } });
  }

  /** Bundles belong to no Worker, so they exist only for a caller of all Workers. */
  #assertMayUseBundles(): void {
    this.#assertMay('admin');
    if (this.#scope.workers === '*') return;
    throw new RuntimeError(
      'FORBIDDEN',
      'Bundles belong to the whole runtime, and this scope is a part of it',
      {
        details: { needed: 'admin', permissions: this.#scope.permissions },
      },
    );
  }

  /** Adds the allowance to a call that gives something to a Worker. */
  #limited(call: CallOptions = {}): CallOptions {
    const { allowance } = this.#scope;
    if (allowance === undefined) return call;
    const permits = (given: Given): void => {
      assertAllowed(allowance, given);
      call.permits?.(given);
    };
    return { ...call, permits };
  }

  /** Returns a summary with the engines and tools that the caller may use for Workers. */
  #allowed(summary: RuntimeSummary): RuntimeSummary {
    const { engines: names = '*', tools = '*' } = this.#scope.allowance ?? {};
    if (names === '*' && tools === '*') return summary;
    const engines = summary.engines
      .filter(({ name }) => names === '*' || names.includes(name))
      .map((engine) => {
        const { tools: offered } = engine.capabilities;
        if (offered === undefined || tools === '*') return engine;
        const allowed = offered.filter((tool) => tools.includes(tool));
        return { ...engine, capabilities: { ...engine.capabilities, tools: allowed } };
      });
    return { ...summary, engines, capabilities: runtimeCapabilities(engines.map((one) => one.capabilities)) };
  }

  #isVisible(workerId: string): boolean {
    return this.labelsOf(workerId) !== null;
  }

  #isVisibleOrGone(workerId: string): boolean {
    const labels = this.#runtime.labelsOf(workerId);
    return labels === null || isSelected(this.#scope, labels);
  }

  /** Keeps the idempotency keys of creations apart from those of other scopes. */
  #ownKey(key: string): string {
    // a key of the wrong form is refused by the runtime
    if (typeof key !== 'string' || key.length === 0 || key.length > 255) return key;
    const { workers, stamp } = this.#scope;
    const identity = canonicalJson([workers, stamp, key] as JsonValue);
    return `scope-${hash('sha256', identity, 'hex')}`;
  }

  /** Removes Workers outside of the scope from the details of a conflict of claims. */
  async #hidingHolders<T>(call: () => Promise<T>): Promise<T> {
    try {
      return await call();
    } catch (error) {
      if (!(error instanceof RuntimeError) || error.code !== 'CLAIM_CONFLICT') throw error;
      const { workers = [], ...details } = error.details as { readonly workers?: readonly string[] };
      const visible = workers.filter((worker) => this.#isVisible(worker));
      throw new RuntimeError(error.code, error.message, {
        cause: error,
        details: { ...details, workers: visible },
      });
    }
  }

  /**
   * Reads pages until one is half full, one has reached its size in bytes, or the list ends. A page with fewer items than
   * asked for needs no second cursor within a page of the runtime.
   */
  async #filtered<T, Query extends PageQuery>(
    query: Query,
    read: (query: Query) => Promise<Page<T>>,
    isInScope: (item: T) => boolean,
  ): Promise<Page<T>> {
    if (this.#scope.workers === '*') return read(query);
    let page = await read(query);
    const limit = pageLimit(query.limit, this.limits);
    let asked = limit;
    const items = page.items.filter(isInScope);
    // a page that ended before its limit has as many bytes as a page may have
    while (
      page.next !== null &&
      items.length < limit / 2 &&
      (items.length === 0 || page.items.length === asked)
    ) {
      asked = limit - items.length;
      page = await read({ ...query, after: page.next, limit: asked });
      items.push(...page.items.filter(isInScope));
    }
    return { ...page, items };
  }
}

/** Yields all items of a list. */
async function* everyItem<T>(limit: number, read: (query: PageQuery) => Promise<Page<T>>): AsyncGenerator<T> {
  let after = 'start';
  for (;;) {
    const { items, next } = await read({ after, limit });
    yield* items;
    if (next === null) return;
    after = next;
  }
}
