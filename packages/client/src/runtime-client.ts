import type * as Api from '@worker-runtime/core';
import type { FileContent, FileDescription, ForkWorker } from '@worker-runtime/core/plugin-kit';
import type { UsageQuery, UsageReport } from '@worker-runtime/core/views';
import { Connection } from './connection.ts';
import { assertDigest } from './file-digest.ts';
import { assertKnown } from './known-options.ts';
import { baseOf, type ClientOptions, type Timing, timingOf } from './options.ts';
import { pathSegment } from './path-segment.ts';
import { listQueryOf, queryOf } from './query.ts';
import { invalidRequest, notARuntime, RemoteError } from './remote-error.ts';
import { resumedStream } from './resumed-stream.ts';
import { awaitRun, DEFAULT_WAIT_MS, generateKey, MAX_WAIT_MS, waitSeconds } from './run-wait.ts';
import { createSocketPool } from './socket-pool.ts';
import { socketStreams } from './socket-streams.ts';
import { sseStreams } from './sse-stream.ts';
import type { OpenStream } from './stream-event.ts';
import { WatchFeed } from './watch-feed.ts';
import { WorkerFeed } from './worker-feed.ts';

export interface AcrossRestarts {
  /** True: the stream waits for the runtime to restart and resumes. False: it ends when the runtime stops. Default false. */
  readonly acrossRestarts?: boolean;
  /** Called with the reason when the connection is lost, and with null when the stream continues on another one. */
  readonly onConnection?: (lost: RemoteError | null) => void;
}

/**
 * A client of a served runtime, with the contract of `RuntimeApi`. In addition, every method may reject with
 * RUNTIME_UNREACHABLE (the command may or may not have been executed; with an idempotency key it is safe to repeat) and
 * VERSION_UNSUPPORTED (the server is not a runtime). If the connection fails, reads, uploads of files and commands with an
 * idempotency key are tried a second time, and streams resume. No other call is repeated.
 */
export interface RuntimeClient extends Api.RuntimeApi {
  /** Reads an additional resource that a plugin of the runtime serves. @throws ROUTE_NOT_FOUND no plugin serves the name */
  extra<T>(name: string): Promise<T>;
  /**
   * Observes a Worker. The stream resumes after a lost connection, without gap or repetition of events; the text in flight
   * is sent again and replaces the text received before.
   */
  observe(workerId: string, options?: Api.ObserveOptions & AcrossRestarts): AsyncIterable<Api.Observation>;
  /** Watches all Workers. The stream resumes after a lost connection, and may then repeat Workers that did not change. */
  watch(options?: Api.WatchOptions & AcrossRestarts): AsyncIterable<Api.WatchItem>;
}

const TRACEPARENT_PATTERN = /^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$/;

/** A media type that a header can carry. The runtime checks the rest. */
const MEDIA_TYPE_PATTERN = /^[!-.0-:<-~]+\/[!-.0-:<-~]+$/;

/** The additional time that a file may take on its way. */
const TRANSFER_MS = 60_000;

const STREAM_OPTIONS: readonly (keyof (Api.WatchOptions & AcrossRestarts))[] = [
  'signal',
  'acrossRestarts',
  'onConnection',
];

/** True if a URL can carry the text unchanged: no surrogate without its other half. */
const isWellFormed = (text: string): boolean => !/\p{Surrogate}/u.test(text);

type SendOptions = NonNullable<Parameters<Api.RuntimeApi['sendInput']>[2]>;

/** @throws INVALID_REQUEST a header cannot carry the key unchanged */
const keyHeader = ({ idempotencyKey }: Api.IdempotencyOptions): Readonly<Record<string, string>> => {
  if (idempotencyKey === undefined) return {};
  if (!/^([\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?)?$/.test(idempotencyKey))
    throw invalidRequest('/idempotencyKey', 'must be printable ASCII and must not begin or end with a space');
  return { 'idempotency-key': idempotencyKey };
};

/** @throws INVALID_REQUEST a header cannot carry it */
const traceHeader = ({ traceparent }: Pick<SendOptions, 'traceparent'>): Readonly<Record<string, string>> => {
  if (traceparent === undefined) return {};
  if (!TRACEPARENT_PATTERN.test(traceparent))
    throw invalidRequest('/traceparent', 'must be a W3C trace context');
  return { traceparent };
};

const isReplay = (headers: Headers): boolean => headers.get('idempotent-replayed') === 'true';

class HttpRuntimeClient implements RuntimeClient {
  readonly #connection: Connection;
  readonly #timing: Timing;
  readonly #openStream: OpenStream;

  constructor(options: ClientOptions) {
    this.#timing = timingOf(options);
    this.#connection = new Connection(baseOf(options), options, this.#timing);
    const overSse = sseStreams(this.#connection, this.#timing.silenceMs);
    const sockets = createSocketPool(options, this.#timing);
    this.#openStream = sockets === null ? overSse : socketStreams(sockets, overSse);
  }

  summary(): Promise<Api.RuntimeSummary> {
    return this.#get('');
  }

  extra<T>(name: string): Promise<T> {
    return this.#get(`/x/${pathSegment(name, 'ROUTE_NOT_FOUND')}`);
  }

  diagnostics(query: Api.PageQuery = {}): Promise<Api.Page<Api.Diagnostic>> {
    return this.#get('/diagnostics', queryOf(query));
  }

  async createWorker(
    request: Api.CreateWorker,
    options: Api.IdempotencyOptions = {},
  ): Promise<Api.CreateReceipt> {
    return this.#create('/workers', request, options);
  }

  async forkWorker(
    workerId: string,
    request: ForkWorker = {},
    options: Api.IdempotencyOptions = {},
  ): Promise<Api.CreateReceipt> {
    return this.#create(this.#worker(workerId, '/fork'), request, options);
  }

  async #create(
    path: string,
    request: Api.CreateWorker | ForkWorker,
    options: Api.IdempotencyOptions,
  ): Promise<Api.CreateReceipt> {
    assertKnown(options, 'idempotencyKey');
    const { headers, body } = await this.#connection.call({
      method: 'POST',
      path,
      headers: keyHeader(options),
      body: request,
    });
    const { initialInput, ...worker } = body as Api.WorkerDetail & {
      readonly initialInput?: Omit<Api.InputReceipt, 'replayed'>;
    };
    const replayed = isReplay(headers);
    return { worker, replayed, input: initialInput === undefined ? null : { ...initialInput, replayed } };
  }

  async listWorkers(query: Api.ListWorkers = {}): Promise<Api.Page<Api.ListedWorker>> {
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
    assertKnown(options, 'idempotencyKey', 'traceparent', 'waitMs', 'signal');
    const { waitMs = 0, signal, ...keyed } = options;
    if (!(waitMs > 0)) return this.#input(workerId, input, keyed, 0);
    if (waitMs <= MAX_WAIT_MS && signal === undefined) return this.#input(workerId, input, keyed, waitMs);
    // the receipt comes first, so that an aborted wait does not lose it
    const key = { ...keyed, idempotencyKey: keyed.idempotencyKey ?? generateKey() };
    const receipt = await this.#input(workerId, input, key, 0);
    const wait = { waitMs, ...(signal && { signal }) };
    return { ...receipt, ...(await this.#awaitRun(workerId, receipt.runId, wait, true)) };
  }

  async getRun(workerId: string, runId: string): Promise<Api.RunInfo> {
    return this.#get(this.#worker(workerId, `/runs/${pathSegment(runId, 'RUN_NOT_FOUND')}/info`));
  }

  async waitForRun(workerId: string, runId: string, options: Api.WaitOptions = {}): Promise<Api.RunWait> {
    assertKnown(options, 'waitMs', 'signal');
    return this.#awaitRun(workerId, runId, options, false);
  }

  async #awaitRun(
    workerId: string,
    runId: string,
    { waitMs = DEFAULT_WAIT_MS, signal }: Api.WaitOptions,
    isKnown: boolean,
  ): Promise<Api.RunWait> {
    if (!Number.isSafeInteger(waitMs) || waitMs < 0 || waitMs > DEFAULT_WAIT_MS)
      throw invalidRequest('/waitMs', `must be a whole number from 0 to ${DEFAULT_WAIT_MS}`);
    const path = this.#worker(workerId, `/runs/${pathSegment(runId, 'RUN_NOT_FOUND')}`);
    return awaitRun(waitMs, signal, this.#timing, isKnown, async (ms) => {
      const prefer = ms > 0 ? { prefer: `wait=${waitSeconds(ms)}` } : {};
      const { body } = await this.#connection.call({
        method: 'GET',
        path,
        headers: prefer,
        extraMs: ms,
        ...(signal && { signal }),
      });
      return body as Api.RunWait;
    });
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

  listOpenRequests(query: Api.PageQuery = {}): Promise<Api.Page<Api.WorkerRequest>> {
    return this.#get('/requests', queryOf(query));
  }

  async listRequests(workerId: string): Promise<Api.Page<Api.OpenRequest>> {
    return this.#get(this.#worker(workerId, '/requests'));
  }

  async respond(
    workerId: string,
    requestId: string,
    response: Api.RequestResponse,
  ): Promise<{ readonly changed: boolean }> {
    const request = pathSegment(requestId, 'REQUEST_NOT_FOUND');
    return this.#send('POST', this.#worker(workerId, `/requests/${request}/response`), response);
  }

  async events(workerId: string, query: Api.EventQuery = {}): Promise<Api.Page<Api.WorkerEvent>> {
    return this.#get(this.#worker(workerId, '/events'), queryOf(query));
  }

  async transcript(workerId: string, query: Api.TranscriptQuery = {}): Promise<Api.Page<Api.TranscriptItem>> {
    return this.#get(this.#worker(workerId, '/transcript'), queryOf(query));
  }

  async overview(workerId: string): Promise<Api.Overview> {
    return this.#get(this.#worker(workerId, '/overview'));
  }

  async usage(query: UsageQuery = {}): Promise<UsageReport> {
    return this.#get('/usage', listQueryOf(query));
  }

  async putFile(
    workerId: string,
    bytes: Uint8Array,
    { mediaType, name }: FileDescription,
  ): Promise<Api.FilePart> {
    if (typeof mediaType !== 'string' || !MEDIA_TYPE_PATTERN.test(mediaType))
      throw invalidRequest('/mediaType', 'must be a media type without parameters, such as image/png');
    if (name !== undefined && !isWellFormed(name))
      throw invalidRequest('/name', 'must be well-formed Unicode');
    const upload = {
      method: 'POST',
      path: this.#worker(workerId, '/files'),
      ...(name !== undefined && { query: new URLSearchParams({ name }) }),
      headers: { 'content-type': mediaType },
      bytes,
      // the name of a file is its digest
      isRepeatable: true,
      extraMs: TRANSFER_MS,
    } as const;
    const { body } = await this.#connection
      .call(upload)
      .catch((error: unknown) => this.#tooLarge(bytes, error));
    const file = body as Api.FilePart;
    await assertDigest(bytes, file.digest);
    return file;
  }

  /**
   * Throws the error of an upload that failed. A server refuses a large body without reading it, and closes the connection. Most
   * implementations of `fetch` report that as a lost connection, so the limit is asked for.
   */
  async #tooLarge(bytes: Uint8Array, error: unknown): Promise<never> {
    if (!(error instanceof RemoteError) || error.code !== 'RUNTIME_UNREACHABLE') throw error;
    const value = await this.summary().then(
      ({ limits }) => limits.fileBytes,
      () => null,
    );
    if (value === null || bytes.length <= value) throw error;
    throw new RemoteError('PAYLOAD_TOO_LARGE', 'The file is too large', {
      details: { limit: 'fileBytes', value },
      cause: error,
    });
  }

  async getFile(workerId: string, digest: string): Promise<FileContent> {
    const path = this.#worker(workerId, `/files/${pathSegment(digest, 'FILE_NOT_FOUND')}`);
    const { headers, bytes } = await this.#connection.read(
      { method: 'GET', path, extraMs: TRANSFER_MS },
      digest,
    );
    const mediaType = headers.get('file-media-type');
    if (mediaType === null) throw notARuntime(200);
    return { digest, mediaType, sizeBytes: bytes.length, bytes };
  }

  async putBundle(digest: string, bundle: Api.JsonValue): Promise<Api.BundleInfo> {
    return this.#send('PUT', `/bundles/${pathSegment(digest, 'BUNDLE_DIGEST_MISMATCH')}`, bundle);
  }

  async getBundle(digest: string): Promise<Api.JsonObject> {
    return this.#get(`/bundles/${pathSegment(digest, 'BUNDLE_NOT_FOUND')}`);
  }

  listBundles(query: Api.PageQuery = {}): Promise<Api.Page<{ readonly digest: string }>> {
    return this.#get('/bundles', queryOf(query));
  }

  observe(
    workerId: string,
    options: Api.ObserveOptions & AcrossRestarts = {},
  ): AsyncIterable<Api.Observation> {
    const { after, deltas = true } = options;
    const createFeed = () => {
      assertKnown(options, 'after', 'deltas', ...STREAM_OPTIONS);
      return new WorkerFeed(workerId, after, deltas);
    };
    return resumedStream(createFeed, this.#stream(options));
  }

  watch(options: Api.WatchOptions & AcrossRestarts = {}): AsyncIterable<Api.WatchItem> {
    const createFeed = () => {
      assertKnown(options, 'after', ...STREAM_OPTIONS);
      return new WatchFeed(options.after);
    };
    return resumedStream(createFeed, this.#stream(options));
  }

  #stream({
    signal,
    acrossRestarts = false,
    onConnection,
  }: { readonly signal?: AbortSignal } & AcrossRestarts) {
    const identify = async (until: AbortSignal): Promise<string> => {
      const { body } = await this.#connection.call({ method: 'GET', path: '', signal: until });
      return (body as Api.RuntimeSummary).runtimeId;
    };
    return { open: this.#openStream, identify, timing: this.#timing, acrossRestarts, onConnection, signal };
  }

  #worker(workerId: string, below = ''): string {
    return `/workers/${pathSegment(workerId, 'WORKER_NOT_FOUND')}${below}`;
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
    key: Pick<SendOptions, 'idempotencyKey' | 'traceparent'>,
    waitMs: number,
    signal?: AbortSignal,
  ): Promise<Api.InputReceipt> {
    const { headers, body } = await this.#connection.call({
      method: 'POST',
      path: this.#worker(workerId, '/inputs'),
      headers: {
        ...keyHeader(key),
        ...traceHeader(key),
        ...(waitMs > 0 && { prefer: `wait=${waitSeconds(waitMs)}` }),
      },
      body: input,
      extraMs: waitMs,
      signal,
    });
    return { ...(body as Omit<Api.InputReceipt, 'replayed'>), replayed: isReplay(headers) };
  }
}

/**
 * Creates a client for the runtime at an address. It needs no closing: each stream ends when its iteration is left.
 * @throws TypeError an option is not valid
 */
export const runtimeClient = (options: ClientOptions): RuntimeClient => new HttpRuntimeClient(options);
