import type * as Api from '@worker-runtime/core';
import { Connection } from './connection.ts';
import { type ClientOptions, type Timing, timingOf } from './options.ts';
import { segment } from './path-segment.ts';
import { listQueryOf, queryOf } from './query.ts';
import { invalid } from './remote-error.ts';
import { resuming } from './resumed-stream.ts';
import { awaitRun, MAX_WAIT_MS, mintKey, waitSeconds } from './run-wait.ts';
import { socketsOf } from './socket-pool.ts';
import { socketStreams } from './socket-streams.ts';
import { sseStreams } from './sse-stream.ts';
import type { OpenStream } from './stream-event.ts';
import { WatchFeed } from './watch-feed.ts';
import { WorkerFeed } from './worker-feed.ts';

export interface AcrossRestarts {
  /** Whether the stream goes on when the runtime stops, once it is there again, instead of ending. Default false. */
  readonly acrossRestarts?: boolean;
}

/**
 * A served runtime as a `RuntimeApi`: what is said there holds here. Besides, every method may reject with
 * RUNTIME_UNREACHABLE (then whether it was done is not known; an idempotency key makes it safe to repeat) and
 * VERSION_UNSUPPORTED (what answers is no runtime). Calls are never repeated by themselves; streams are resumed.
 */
export interface RuntimeClient extends Api.RuntimeApi {
  /** What a plugin of the runtime shows besides, by its name. @throws ROUTE_NOT_FOUND nothing there does */
  extra<T>(name: string): Promise<T>;
  /** Goes on over cuts, without gap or repetition: after one, the text in flight comes again and replaces. */
  observe(workerId: string, options?: Api.ObserveOptions & AcrossRestarts): AsyncIterable<Api.Observation>;
  /** Goes on over cuts; a Worker that did not change may be told again. */
  watch(options?: Api.WatchOptions & AcrossRestarts): AsyncIterable<Api.WatchItem>;
}

type SendOptions = NonNullable<Parameters<Api.RuntimeApi['sendInput']>[2]>;

/** @throws INVALID_REQUEST a key that no header carries unchanged */
const keyHeader = ({ idempotencyKey }: Api.IdempotencyOptions): Readonly<Record<string, string>> => {
  if (idempotencyKey === undefined) return {};
  if (!/^([\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?)?$/.test(idempotencyKey))
    throw invalid('/idempotencyKey', 'must be printable ASCII that neither begins nor ends with a space');
  return { 'idempotency-key': idempotencyKey };
};

const isReplay = (headers: Headers): boolean => headers.get('idempotent-replayed') === 'true';

class HttpRuntimeClient implements RuntimeClient {
  readonly #connection: Connection;
  readonly #timing: Timing;
  readonly #openStream: OpenStream;

  constructor(options: ClientOptions) {
    this.#timing = timingOf(options);
    this.#connection = new Connection(options, this.#timing);
    const overSse = sseStreams(this.#connection, this.#timing.silenceMs);
    const sockets = socketsOf(options, this.#timing);
    this.#openStream = sockets === null ? overSse : socketStreams(sockets, overSse);
  }

  summary(): Promise<Api.RuntimeSummary> {
    return this.#get('');
  }

  extra<T>(name: string): Promise<T> {
    return this.#get(`/x/${segment(name, 'ROUTE_NOT_FOUND')}`);
  }

  diagnostics(query: Api.PageQuery = {}): Promise<Api.Page<Api.Diagnostic>> {
    return this.#get('/diagnostics', queryOf(query));
  }

  async createWorker(
    request: Api.CreateWorker,
    options: Api.IdempotencyOptions = {},
  ): Promise<Api.CreateReceipt> {
    const { headers, body } = await this.#connection.call({
      method: 'POST',
      path: '/workers',
      headers: keyHeader(options),
      body: request,
    });
    const { initialInput, ...worker } = body as Api.WorkerDetail & {
      readonly initialInput?: Omit<Api.InputReceipt, 'replayed'>;
    };
    const replayed = isReplay(headers);
    return { worker, replayed, input: initialInput === undefined ? null : { ...initialInput, replayed } };
  }

  async listWorkers(query: Api.ListWorkers = {}): Promise<Api.Page<Api.WorkerSummary>> {
    return this.#get('/workers', listQueryOf(query));
  }

  async getWorker(workerId: string): Promise<Api.WorkerDetail> {
    return this.#get(this.#worker(workerId));
  }

  async updateWorker(workerId: string, update: Api.UpdateWorker): Promise<Api.WorkerDetail> {
    return this.#send('PATCH', this.#worker(workerId), update);
  }

  async deleteWorker(workerId: string): Promise<void> {
    await this.#send('DELETE', this.#worker(workerId));
  }

  async sendInput(
    workerId: string,
    input: Api.WorkerInput,
    options: SendOptions = {},
  ): Promise<Api.InputReceipt> {
    const { waitMs = 0, signal, ...keyed } = options;
    if (!(waitMs > 0)) return this.#input(workerId, input, keyed, 0);
    if (waitMs <= MAX_WAIT_MS && signal === undefined) return this.#input(workerId, input, keyed, waitMs);
    // to give up waiting must not lose the receipt, and no request waits longer: so it is asked for again, by its key
    const key = { idempotencyKey: keyed.idempotencyKey ?? mintKey() };
    const receipt = await this.#input(workerId, input, key, 0);
    return awaitRun(receipt, waitMs, signal, this.#timing, (ms) =>
      this.#input(workerId, input, key, ms, signal),
    );
  }

  async cancelRun(
    workerId: string,
    options: { readonly runId?: string; readonly reason?: string } = {},
  ): Promise<Api.CancelOutcome> {
    return this.#send('POST', this.#worker(workerId, '/cancel'), options);
  }

  async stopWorker(
    workerId: string,
    options: { readonly deadlineMs?: number; readonly reason?: string } = {},
  ): Promise<Api.StopOutcome> {
    return this.#send('POST', this.#worker(workerId, '/stop'), options, options.deadlineMs);
  }

  async resumeWorker(
    workerId: string,
    options: { readonly reason?: string } = {},
  ): Promise<Api.WorkerDetail> {
    return this.#send('POST', this.#worker(workerId, '/resume'), options);
  }

  async listRequests(workerId: string): Promise<Api.Page<Api.OpenRequest>> {
    return this.#get(this.#worker(workerId, '/requests'));
  }

  async respond(
    workerId: string,
    requestId: string,
    response: { readonly decision: string; readonly note?: string },
  ): Promise<{ readonly changed: boolean }> {
    const request = segment(requestId, 'REQUEST_NOT_FOUND');
    return this.#send('POST', this.#worker(workerId, `/requests/${request}/response`), response);
  }

  async events(workerId: string, query: Api.PageQuery = {}): Promise<Api.Page<Api.WorkerEvent>> {
    return this.#get(this.#worker(workerId, '/events'), queryOf(query));
  }

  async transcript(workerId: string, query: Api.TranscriptQuery = {}): Promise<Api.Page<Api.TranscriptItem>> {
    return this.#get(this.#worker(workerId, '/transcript'), queryOf(query));
  }

  async overview(workerId: string): Promise<Api.Overview> {
    return this.#get(this.#worker(workerId, '/overview'));
  }

  async putBundle(digest: string, bundle: Api.JsonValue): Promise<Api.BundleInfo> {
    return this.#send('PUT', `/bundles/${segment(digest, 'BUNDLE_DIGEST_MISMATCH')}`, bundle);
  }

  async getBundle(digest: string): Promise<Api.JsonObject> {
    return this.#get(`/bundles/${segment(digest, 'BUNDLE_NOT_FOUND')}`);
  }

  listBundles(query: Api.PageQuery = {}): Promise<Api.Page<{ readonly digest: string }>> {
    return this.#get('/bundles', queryOf(query));
  }

  observe(
    workerId: string,
    options: Api.ObserveOptions & AcrossRestarts = {},
  ): AsyncIterable<Api.Observation> {
    const { after, deltas = true } = options;
    return resuming(() => new WorkerFeed(workerId, after, deltas), this.#stream(options));
  }

  watch(options: Api.WatchOptions & AcrossRestarts = {}): AsyncIterable<Api.WatchItem> {
    return resuming(() => new WatchFeed(options.after), this.#stream(options));
  }

  #stream({ signal, acrossRestarts = false }: { readonly signal?: AbortSignal } & AcrossRestarts) {
    const identify = async (until: AbortSignal): Promise<string> => {
      const { body } = await this.#connection.call({ method: 'GET', path: '', signal: until });
      return (body as Api.RuntimeSummary).runtimeId;
    };
    return { open: this.#openStream, identify, timing: this.#timing, acrossRestarts, signal };
  }

  #worker(workerId: string, below = ''): string {
    return `/workers/${segment(workerId, 'WORKER_NOT_FOUND')}${below}`;
  }

  async #get<T>(path: string, query?: URLSearchParams): Promise<T> {
    const { body } = await this.#connection.call({ method: 'GET', path, ...(query && { query }) });
    return body as T;
  }

  async #send<T>(
    method: 'POST' | 'PUT' | 'PATCH' | 'DELETE',
    path: string,
    body?: unknown,
    extraMs = 0,
  ): Promise<T> {
    const answer = await this.#connection.call({ method, path, body, extraMs });
    return answer.body as T;
  }

  async #input(
    workerId: string,
    input: Api.WorkerInput,
    key: Api.IdempotencyOptions,
    waitMs: number,
    signal?: AbortSignal,
  ): Promise<Api.InputReceipt> {
    const { headers, body } = await this.#connection.call({
      method: 'POST',
      path: this.#worker(workerId, '/inputs'),
      headers: { ...keyHeader(key), ...(waitMs > 0 && { prefer: `wait=${waitSeconds(waitMs)}` }) },
      body: input,
      extraMs: waitMs,
      signal,
    });
    return { ...(body as Omit<Api.InputReceipt, 'replayed'>), replayed: isReplay(headers) };
  }
}

/**
 * A client of the runtime at an address. It holds nothing that has to be closed: streams end when they are left.
 * @throws TypeError an option that cannot be meant
 */
export const runtimeClient = (options: ClientOptions): RuntimeClient => new HttpRuntimeClient(options);
