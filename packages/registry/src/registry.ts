import { randomUUID } from 'node:crypto';
import {
  DEFAULT_LIMITS,
  type Limits,
  type ListedWorker,
  type ListWorkers,
  type Logger,
  type Page,
  type PageQuery,
  type RuntimeApi,
  RuntimeError,
  type RuntimeStatus,
  silentLogger,
  type WatchItem,
  type WorkerRequest,
} from '@worker-runtime/core';
import type {
  Across,
  Metric,
  RegistryApi,
  RuntimeEntry,
  ServedRuntime,
  Unavailable,
} from '@worker-runtime/core/plugin-kit';
import { scoped, UNLIMITED } from '@worker-runtime/core/scope';
import { type Part, readAcross } from './across.ts';
import type { Caller } from './identity.ts';
import { merged } from './merged.ts';
import { Remote } from './remote.ts';
import { assertSources, type EmbeddedSource, isEmbedded, type Source } from './source.ts';
import { Traffic } from './traffic.ts';

/** The caller of a program that embeds the registry: all Workers, all permissions. */
const OWNER: Caller = { name: null, scope: UNLIMITED };

export interface RegistryOptions {
  readonly log?: Logger;
  /** The time for which lists and entries wait for a remote runtime, and then name it as missing. Default 1 s. */
  readonly listDeadlineMs?: number;
}

const LIST_DEADLINE_MS = 1_000;
const MAX_DEADLINE_MS = 60_000;

/** An item of a watch over several runtimes. `runtime` reports a changed state. */
export type RegistryItem =
  | { readonly type: 'item'; readonly runtimeId: string; readonly item: WatchItem }
  | { readonly type: 'runtime'; readonly entry: RuntimeEntry };

/** The difference that a reload has made, by name. A changed source is in `removed` and in `added`. */
export interface ReloadResult {
  readonly added: readonly string[];
  readonly removed: readonly string[];
  readonly kept: readonly string[];
}

class Embedded {
  readonly source: EmbeddedSource;
  readonly #since = new Date().toISOString();

  constructor(source: EmbeddedSource) {
    this.source = source;
  }

  get name(): string {
    return this.source.name;
  }

  get runtime(): ServedRuntime {
    return this.source.runtime;
  }

  get knownId(): string | null {
    try {
      return this.runtime.runtimeId;
    } catch {
      return null;
    }
  }

  /** The error of calls; null if the runtime serves. */
  get failure(): RuntimeError | null {
    const { status, failure } = this.runtime;
    if (failure !== null) return failure;
    return status === 'running'
      ? null
      : new RuntimeError('RUNTIME_NOT_READY', undefined, { details: { status } });
  }

  async ask({ scope }: Caller): Promise<RuntimeEntry> {
    const { failure } = this;
    return {
      name: this.name,
      runtimeId: this.knownId,
      kind: 'embedded',
      state: failure === null ? 'ok' : failure.code === 'RUNTIME_NOT_READY' ? 'starting' : 'failed',
      since: this.#since,
      error: failure === null ? null : { code: failure.code, correlationId: null },
      summary: failure === null ? await scoped(this.runtime, scope).summary() : null,
    };
  }
}

type Member = Embedded | Remote;

/**
 * Several runtimes side by side: embedded ones of this process, and remote ones. It finds a runtime by its id, gives each caller
 * the part of it that exists for the caller, and lists and watches across all. It runs no Worker and stores nothing of one.
 *
 * It is a `Directory` for the HTTP server of plugin-http, which then serves all runtimes under one address.
 */
export class Registry implements RegistryApi {
  readonly #log: Logger;
  readonly #listDeadlineMs: number;
  readonly #members = new Map<string, Member>();
  readonly #watchers = new Set<(entry: RuntimeEntry) => void>();
  /** Those of the members that are embedded. */
  #embedded: readonly Embedded[] = [];

  /** @throws INVALID_REQUEST a source is not valid; the message says what to change */
  constructor(
    sources: readonly Source[],
    { log = silentLogger, listDeadlineMs = LIST_DEADLINE_MS }: RegistryOptions = {},
  ) {
    if (!Number.isInteger(listDeadlineMs) || listDeadlineMs < 1 || listDeadlineMs > MAX_DEADLINE_MS)
      throw new RuntimeError(
        'INVALID_REQUEST',
        `listDeadlineMs must be a whole number from 1 to ${MAX_DEADLINE_MS}`,
      );
    this.#log = log;
    this.#listDeadlineMs = listDeadlineMs;
    this.reload(sources);
  }

  /** The status for requests that name no runtime: it starts and fails with the embedded runtimes. */
  get status(): RuntimeStatus {
    const statuses = this.#embedded.map(({ runtime }) => runtime.status);
    if (statuses.every((status) => status === 'running')) return 'running';
    for (const status of ['failed', 'new', 'starting', 'stopping', 'stopped'] as const)
      if (statuses.includes(status)) return status;
    return 'running';
  }

  /** The error of an embedded runtime that has ended for good; null unless one has. */
  get failure(): RuntimeError | null {
    return this.#embedded.find(({ runtime }) => runtime.failure !== null)?.runtime.failure ?? null;
  }

  /** Null: the runtimes may have different limits. */
  get limits(): Limits | null {
    const [only, ...others] = this.#members.values();
    return only instanceof Embedded && others.length === 0 ? only.runtime.limits : null;
  }

  /**
   * Returns a runtime by its id, as it exists for the caller. `self` is the only embedded runtime.
   * @throws RUNTIME_NOT_FOUND also for a runtime that does not exist for the caller · RUNTIME_NOT_READY
   */
  get(id: string, caller: Caller = OWNER): ServedRuntime | Remote {
    const member = this.#find(id, caller);
    if (member instanceof Remote) return member;
    if (member.failure) throw member.failure;
    return scoped(member.runtime, caller.scope);
  }

  /** Returns the API of a runtime for a caller in this process. @throws as `get` */
  runtime(id: string, caller: Caller = OWNER): RuntimeApi {
    const target = this.get(id, caller);
    return target instanceof Remote ? target.client(caller) : target;
  }

  /** Lists the runtimes by name, with what each answers now. It takes `listDeadlineMs` at most. */
  async entries(caller: Caller = OWNER): Promise<readonly RuntimeEntry[]> {
    const entries = await Promise.all(this.#visible(caller).map((member) => member.ask(caller)));
    return entries.toSorted((a, b) => (a.name < b.name ? -1 : 1));
  }

  /**
   * Lists the Workers of all runtimes, one runtime after another. `runtimes` selects some by id.
   * @throws CURSOR_INVALID · LIMIT_TOO_LARGE of a runtime
   */
  workers(
    { runtimes, ...query }: ListWorkers & { readonly runtimes?: readonly string[] } = {},
    caller: Caller = OWNER,
  ): Promise<Across<ListedWorker>> {
    return this.#across(caller, query, (api, page) => api.listWorkers({ ...query, ...page }), runtimes);
  }

  /** Lists the open requests of all Workers of all runtimes. @throws as `workers` */
  async requests(
    query: PageQuery = {},
    caller: Caller = OWNER,
  ): Promise<Across<WorkerRequest & { readonly runtimeId: string }>> {
    return this.#across(caller, query, async (api, page, runtimeId) => {
      const { items, ...rest } = await api.listOpenRequests(page);
      return { ...rest, items: items.map((item) => ({ ...item, runtimeId })) };
    });
  }

  /**
   * Watches the Workers of all runtimes, and the states of the runtimes. Each runtime is watched as `RuntimeApi.watch` does it, and
   * again from its current state after it was missing. Items of one runtime are in order. Ends with the signal.
   */
  async *watch({
    signal,
    caller = OWNER,
  }: {
    readonly signal?: AbortSignal;
    readonly caller?: Caller;
  } = {}): AsyncGenerator<RegistryItem> {
    const output = merged<RegistryItem>(signal);
    const watched = new Set<string>();
    const follow = (member: Member): void => {
      const runtimeId = member.knownId;
      if (runtimeId === null || watched.has(member.name) || !existsFor(member, caller)) return;
      if (member instanceof Remote ? member.state !== 'ok' : member.failure !== null) return;
      watched.add(member.name);
      void output
        .add(itemsOf(runtimeId, this.runtime(runtimeId, caller), output.signal), (error) => {
          if (member instanceof Remote) member.failed(error);
        })
        .finally(() => watched.delete(member.name));
    };
    const noted = (entry: RuntimeEntry): void => {
      const member = this.#members.get(entry.name);
      if (member !== undefined && !existsFor(member, caller)) return;
      output.push(`runtime ${entry.name}`, { type: 'runtime', entry });
      if (member !== undefined) follow(member);
    };
    this.#watchers.add(noted);
    try {
      for (const member of this.#visible(caller)) follow(member);
      for (const entry of await this.entries(caller)) noted(entry);
      yield* output.items();
    } finally {
      this.#watchers.delete(noted);
      output.close();
    }
  }

  /**
   * Replaces the sources. Sources that did not change keep their connections. If one is not valid, nothing changes.
   * @throws INVALID_REQUEST a source is not valid; the message says what to change
   */
  reload(sources: readonly Source[]): ReloadResult {
    assertSources(sources);
    const wanted = new Map(sources.map((source) => [source.name, source]));
    const removed: string[] = [];
    for (const [name, member] of this.#members) {
      const source = wanted.get(name);
      if (source !== undefined && isSame(source, member.source)) continue;
      if (member instanceof Remote) member.close();
      this.#members.delete(name);
      removed.push(name);
    }
    const added: string[] = [];
    for (const source of sources) {
      if (this.#members.has(source.name)) continue;
      added.push(source.name);
      if (isEmbedded(source)) this.#members.set(source.name, new Embedded(source));
      else {
        const remote = this.#remote(source);
        this.#members.set(source.name, remote);
        remote.start();
      }
    }
    this.#embedded = [...this.#members.values()].filter((member) => member instanceof Embedded);
    const kept = [...wanted.keys()].filter((name) => !added.includes(name));
    return { added, removed, kept };
  }

  /**
   * Asks a runtime now, with the scope of the caller, and returns its entry.
   * @throws RUNTIME_NOT_FOUND no source has the name, or the runtime does not exist for the caller
   */
  async test(name: string, caller: Caller = OWNER): Promise<RuntimeEntry> {
    const member = this.#members.get(name);
    if (member === undefined || !existsFor(member, caller)) throw new RuntimeError('RUNTIME_NOT_FOUND');
    return member.ask(caller);
  }

  /** Returns the metrics of the remote runtimes that exist for the caller. */
  metrics(caller: Caller = OWNER): readonly Metric[] {
    const remotes = this.#visible(caller).filter((member) => member instanceof Remote);
    return Traffic.metricsOf(
      remotes.map(({ name, traffic, state }) => ({ name, traffic, isAvailable: state === 'ok' })),
    );
  }

  /** Closes the connections to remote runtimes. Embedded runtimes are stopped by the program that embeds them. */
  close(): void {
    for (const member of this.#members.values()) if (member instanceof Remote) member.close();
    this.#members.clear();
    this.#embedded = [];
  }

  #visible(caller: Caller): readonly Member[] {
    return [...this.#members.values()].filter((member) => existsFor(member, caller));
  }

  /** Returns the only embedded runtime; null if there is none or more than one. */
  get #self(): Embedded | null {
    const [only, ...others] = this.#embedded;
    return only !== undefined && others.length === 0 ? only : null;
  }

  #find(id: string, caller: Caller): Member {
    const self = id === 'self' ? this.#self : null;
    for (const member of this.#members.values())
      if ((member === self || member.knownId === id) && existsFor(member, caller)) return member;
    // the id of an embedded runtime is not known until its store is open
    const starting = this.#embedded.find((member) => member.knownId === null && existsFor(member, caller));
    if (starting?.failure) throw starting.failure;
    throw new RuntimeError('RUNTIME_NOT_FOUND');
  }

  #remote(source: Exclude<Source, EmbeddedSource>): Remote {
    return new Remote(source, {
      log: this.#log,
      listDeadlineMs: this.#listDeadlineMs,
      ownerOf: (runtimeId, remote) => {
        for (const other of this.#members.values())
          if (other !== remote && other.knownId === runtimeId) return other.name;
        return null;
      },
      changed: (remote) => {
        for (const noted of this.#watchers) noted(remote.entry());
      },
    });
  }

  async #across<T>(
    caller: Caller,
    query: PageQuery,
    read: (api: RuntimeApi, query: PageQuery, runtimeId: string) => Promise<Page<T>>,
    only?: readonly string[],
  ): Promise<Across<T>> {
    const { after, limit = DEFAULT_LIMITS.pageItemsDefault } = query;
    const unknown: Unavailable[] = [];
    const parts: Part<T>[] = [];
    for (const member of this.#visible(caller)) {
      const { name, knownId: runtimeId } = member;
      if (only !== undefined && (runtimeId === null || !only.includes(runtimeId))) continue;
      const failed = (error: unknown): Unavailable => {
        if (member instanceof Remote) member.failed(error);
        const { code } = RuntimeError.from(error);
        const known = member instanceof Remote ? member.failure : null;
        return { name, runtimeId, code, correlationId: known?.correlationId ?? this.#noted(name, error) };
      };
      if (runtimeId === null) {
        const { failure } = member;
        unknown.push({
          name,
          runtimeId,
          code: failure?.code ?? 'RUNTIME_UNREACHABLE',
          correlationId: failure !== null && 'correlationId' in failure ? failure.correlationId : null,
        });
        continue;
      }
      const down = member instanceof Remote ? member.failure : null;
      parts.push({
        name,
        runtimeId,
        failed,
        missing: down === null ? null : { name, runtimeId, ...down },
        read: async (page) => {
          const target = this.get(runtimeId, caller);
          return read(
            target instanceof Remote ? target.client(caller, this.#listDeadlineMs) : target,
            page,
            runtimeId,
          );
        },
      });
    }
    const page = await readAcross(parts, { limit, ...(after !== undefined && { after }) });
    return { ...page, unavailable: [...unknown, ...page.unavailable] };
  }

  #noted(name: string, error: unknown): string {
    const correlationId = randomUUID();
    this.#log.warn({ runtime: name, correlationId, err: error }, 'a part of a list is missing');
    return correlationId;
  }
}

const existsFor = (member: Member, { scope, runtimes = '*' }: Caller): boolean =>
  (runtimes === '*' || runtimes.includes(member.name)) &&
  (member instanceof Embedded || member.existsFor(scope));

const isSame = (a: Source, b: Source): boolean => {
  if (isEmbedded(a) || isEmbedded(b)) return isEmbedded(a) && isEmbedded(b) && a.runtime === b.runtime;
  return (
    a.url === b.url &&
    a.runtimeId === b.runtimeId &&
    (a.auth === b.auth ||
      (a.auth !== undefined &&
        b.auth !== undefined &&
        ('token' in a.auth
          ? 'token' in b.auth && a.auth.token === b.auth.token
          : 'identity' in b.auth && a.auth.identity === b.auth.identity)))
  );
};

async function* itemsOf(
  runtimeId: string,
  api: RuntimeApi,
  signal: AbortSignal,
): AsyncGenerator<RegistryItem> {
  for await (const item of api.watch({ signal })) yield { type: 'item', runtimeId, item };
}
