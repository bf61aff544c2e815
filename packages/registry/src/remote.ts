import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { type RuntimeClient, runtimeClient } from '@worker-runtime/client';
import { type Logger, RuntimeError, type RuntimeSummary } from '@worker-runtime/core';
import type { RuntimeEntry, RuntimeState } from '@worker-runtime/core/plugin-kit';
import { type Scope, UNLIMITED } from '@worker-runtime/core/scope';
import { Connections } from './connections.ts';
import type { Caller } from './identity.ts';
import { passRequest } from './pass-request.ts';
import { passSocket } from './pass-socket.ts';
import type { Passage } from './passage.ts';
import { refusedBy } from './refusal.ts';
import type { RemoteSource } from './source.ts';
import { type Outcome, Traffic } from './traffic.ts';

/** The version of the wire that this package passes on. */
const PROTOCOL = 1;
const PROBE_MS = 10_000;

type Failure = NonNullable<RuntimeEntry['error']>;

/** Returns the state that a failed call shows; null if the failure is about the call alone. */
const stateOf = (error: RuntimeError): RuntimeState | null => {
  switch (error.code) {
    case 'RUNTIME_UNREACHABLE':
      return error.details.reason === 'refused' ? 'refused' : 'unreachable';
    case 'RUNTIME_STOPPING':
    case 'RUNTIME_MOVED':
      return 'unreachable';
    case 'UNAUTHENTICATED':
    case 'FORBIDDEN':
      return 'refused';
    case 'RUNTIME_NOT_FOUND':
    case 'VERSION_UNSUPPORTED':
      return 'foreign';
    case 'RUNTIME_NOT_READY':
      return 'starting';
    case 'STORE_LOST':
      return 'failed';
    default:
      return null;
  }
};

const outcomeOf = (error: unknown): Outcome =>
  error instanceof RuntimeError && error.details.reason === 'refused' ? 'refused' : 'unreachable';

/** Returns the answer for a caller if the runtime refuses the credentials of the registry. */
const refusal = ({ code, message, retryable, details }: RuntimeError): Response =>
  Response.json(
    { code, detail: message, retryable, details },
    { status: 503, headers: { 'content-type': 'application/problem+json' } },
  );

/** The services that the registry gives to its remotes. */
export interface RemoteHost {
  readonly log: Logger;
  /** The time limit for an answer that a list or a probe waits for. */
  readonly listDeadlineMs: number;
  /** Returns the name of another source with this id; null if there is none. */
  readonly ownerOf: (runtimeId: string, remote: Remote) => string | null;
  /** Called after each change of the state. */
  readonly changed: (remote: Remote) => void;
}

/**
 * A remote runtime: its address, its pinned id, and whether it answers. A probe asks it every 10 s, and at once after a failed
 * call. There is no circuit breaker: each call tries.
 */
export class Remote {
  readonly source: RemoteSource;
  readonly traffic = new Traffic();
  readonly #host: RemoteHost;
  readonly #connections: Connections;
  readonly #path: string;
  #runtimeId: string | null;
  #state: RuntimeState = 'unreachable';
  #since = new Date().toISOString();
  #error: Failure | null = null;
  #timer: NodeJS.Timeout | null = null;
  #probe: Promise<void> | null = null;
  #isClosed = false;

  constructor(source: RemoteSource, host: RemoteHost) {
    this.source = source;
    this.#host = host;
    this.#runtimeId = source.runtimeId ?? null;
    const { origin, pathname } = new URL(source.url);
    this.#path = pathname.replace(/\/$/, '');
    this.#connections = new Connections(origin);
  }

  get name(): string {
    return this.source.name;
  }

  /** The id from the configuration or from the first answer. @throws RUNTIME_UNREACHABLE it is not known yet */
  get runtimeId(): string {
    if (this.#runtimeId === null)
      throw new RuntimeError('RUNTIME_UNREACHABLE', 'The runtime has not answered yet');
    return this.#runtimeId;
  }

  get knownId(): string | null {
    return this.#runtimeId;
  }

  get state(): RuntimeState {
    return this.#state;
  }

  /** The failure behind the state; null if the runtime answers. */
  get failure(): Failure | null {
    return this.#error;
  }

  /** True if the runtime exists for a caller with this scope: a static token can carry neither a part of the Workers nor an allowance. */
  existsFor({ workers, stamp, allowance }: Scope): boolean {
    const { auth } = this.source;
    if (auth !== undefined && 'identity' in auth) return true;
    return workers === '*' && Object.keys(stamp).length === 0 && allowance === undefined;
  }

  /** The entry without a summary. */
  entry(summary: RuntimeSummary | null = null): RuntimeEntry {
    return {
      name: this.name,
      runtimeId: this.#runtimeId,
      kind: 'remote',
      state: this.#state,
      since: this.#since,
      error: this.#error,
      summary: this.#state === 'ok' ? summary : null,
    };
  }

  /** Returns the entry with what the runtime answers for this caller now. */
  async ask(caller: Caller): Promise<RuntimeEntry> {
    try {
      return this.entry(await this.#summary(caller));
    } catch {
      return this.entry();
    }
  }

  /** Probes the runtime from now on. */
  start(): void {
    void this.probe();
  }

  /** Asks the runtime for its identity now, and sets the state by the answer. Resolves when the state is set. */
  probe(): Promise<void> {
    this.#probe ??= this.#summary({ name: null, scope: { ...UNLIMITED, permissions: ['observe'] } })
      .then(
        () => {},
        () => {},
      )
      .finally(() => {
        this.#probe = null;
        this.#schedule();
      });
    return this.#probe;
  }

  /** Returns a client for a caller. A call that fails changes the state like a probe. */
  client(caller: Caller, timeoutMs?: number): RuntimeClient {
    const runtime = this.#runtimeId ?? 'self';
    return runtimeClient({
      url: this.#connections.origin + this.#path,
      runtime,
      webSocket: null,
      ...(timeoutMs !== undefined && { timeoutMs }),
      fetch: async (input, init) => {
        const authorization = await this.#authorization(runtime, caller);
        const headers = new Headers(init?.headers);
        if (authorization !== null) headers.set('authorization', authorization);
        const ended = this.traffic.begin();
        const response = await fetch(input, { ...init, headers }).catch((error: unknown) => {
          // a time limit of the client is a signal too
          ended(Object(error).name === 'AbortError' ? 'left' : 'unreachable');
          throw error;
        });
        ended(response.status === 401 ? 'refused' : 'answered');
        if (response.status !== 401) return response;
        // these credentials are ours, not those of the caller
        void response.body?.cancel().catch(() => {});
        return refusal(refusedBy(runtime, response.headers.get('date')));
      },
    });
  }

  /** Passes a request on. @throws RUNTIME_UNREACHABLE as `passRequest` */
  async pass(request: IncomingMessage, response: ServerResponse, caller: Caller): Promise<void> {
    await this.#measured(caller, response, (passage) => passRequest(passage, request, response));
  }

  /** Passes an upgrade on. @throws RUNTIME_UNREACHABLE as `passSocket` */
  async passUpgrade(request: IncomingMessage, socket: Socket, head: Buffer, caller: Caller): Promise<void> {
    await this.#measured(caller, socket, (passage) => passSocket(passage, request, socket, head));
  }

  /** Notes the failure of a call, which may be about the runtime. */
  failed(error: unknown): void {
    this.#note(error);
  }

  close(): void {
    this.#isClosed = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#connections.close();
  }

  /** Passes a request on and measures it. A failure changes the state, unless the client has left. */
  async #measured(
    caller: Caller,
    client: ServerResponse | Socket,
    pass: (passage: Passage) => Promise<unknown>,
  ): Promise<void> {
    const ended = this.traffic.begin();
    let closed = (): void => {};
    const answered = (isStream: boolean): void => {
      ended('answered');
      if (isStream) closed = this.traffic.open();
    };
    try {
      const authorization = this.#authorization(this.runtimeId, caller);
      // most requests wait for no signature
      const known = authorization instanceof Promise ? await authorization : authorization;
      await pass(this.#passage(known, answered));
    } catch (error) {
      ended(client.destroyed ? 'left' : outcomeOf(error));
      if (!client.destroyed) this.#note(error);
      throw error;
    } finally {
      closed();
    }
  }

  #passage(authorization: string | null, answered: Passage['answered']): Passage {
    const { runtimeId } = this;
    return {
      answered,
      connections: this.#connections,
      path: `${this.#path}/v1/runtimes/${runtimeId}`,
      authorization,
      runtimeId,
    };
  }

  #authorization(runtimeId: string, caller: Caller): string | null | Promise<string> {
    const { auth } = this.source;
    if (auth === undefined) return null;
    if ('token' in auth) return `Bearer ${auth.token}`;
    return auth.identity.sign(runtimeId, caller).then((token) => `Bearer ${token}`);
  }

  async #summary(caller: Caller): Promise<RuntimeSummary> {
    try {
      const summary = await this.client(caller, this.#host.listDeadlineMs).summary();
      this.#identify(summary);
      return summary;
    } catch (error) {
      this.#note(error, true);
      throw error;
    }
  }

  /** Checks who answered. @throws RUNTIME_NOT_FOUND another runtime · VERSION_UNSUPPORTED */
  #identify({ runtimeId, versions, status }: RuntimeSummary): void {
    if (versions.protocol !== PROTOCOL)
      throw new RuntimeError(
        'VERSION_UNSUPPORTED',
        `The runtime "${this.name}" speaks version ${versions.protocol} of the wire, and this registry version ${PROTOCOL}: upgrade the older one`,
      );
    if (this.#runtimeId !== null && runtimeId !== this.#runtimeId)
      throw new RuntimeError('RUNTIME_NOT_FOUND', 'Another runtime answers at this address');
    const owner = this.#host.ownerOf(runtimeId, this);
    if (owner !== null)
      throw new RuntimeError(
        'RUNTIME_NOT_FOUND',
        `The runtime at "${this.name}" is already listed as "${owner}": remove one`,
      );
    if (this.#runtimeId === null) {
      this.#runtimeId = runtimeId;
      this.#host.log.info({ runtime: this.name, runtimeId }, 'pinned the id of a remote runtime');
    }
    this.#set(status === 'running' ? 'ok' : 'starting', null);
  }

  #note(error: unknown, isProbe = false): void {
    const failure = RuntimeError.from(error);
    const state = stateOf(failure);
    if (state === null || this.#isClosed) return;
    if (this.#state !== state || this.#error === null) {
      const correlationId = randomUUID();
      this.#set(state, { code: failure.code, correlationId });
      this.#host.log.warn(
        { runtime: this.name, state, correlationId, err: failure },
        'a remote runtime does not answer',
      );
    }
    // a call failed: find out now whether the runtime does
    if (!isProbe) void this.probe();
  }

  #set(state: RuntimeState, error: Failure | null): void {
    const isChange = this.#state !== state;
    this.#error = error;
    if (!isChange || this.#isClosed) return;
    this.#state = state;
    this.#since = new Date().toISOString();
    if (state === 'ok') this.#host.log.info({ runtime: this.name }, 'a remote runtime answers');
    this.#host.changed(this);
  }

  #schedule(): void {
    if (this.#isClosed) return;
    if (this.#timer !== null) clearTimeout(this.#timer);
    // not all remotes at the same moment
    this.#timer = setTimeout(() => void this.probe(), PROBE_MS * (0.8 + Math.random() * 0.4));
    this.#timer.unref();
  }
}
