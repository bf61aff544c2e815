import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { RuntimeError, type RuntimeStatus } from '@worker-runtime/core';
import type { Metric, RuntimeEntry, SeenHost, ServedRuntime } from '@worker-runtime/core/plugin-kit';
import { type Scope, scoped } from '@worker-runtime/core/scope';
import { Connections, HOPS_HEADER, type Passage, passRequest, passSocket } from '@worker-runtime/registry';
import type { Host, Location } from './host.ts';
import { hostMetrics } from './host-metrics.ts';
import { Routes } from './routes.ts';
import { RuntimeService } from './runtime-service.ts';

/** The time for which a request waits until a host serves its Runtime. */
const WAIT_MS = 20_000;
/** The most hosts that pass on one request: the one that was asked, one that has just left the Runtime, and the new one to itself. */
const MAX_HOPS = 3;

/** The time in which the owner of a Runtime reads a changed file of tokens too, and ends streams in order. */
const ENDS_WITHIN_MS = 2_000;

interface Caller {
  readonly scope: Scope;
}

/**
 * The Runtimes of a cluster as one host answers for them: it serves those that it owns, and passes requests for the others on to their
 * owners, byte by byte. While no host serves a Runtime, requests wait. It is a `Directory` for the HTTP server of plugin-http.
 *
 * Hosts know the same callers: the credentials of a caller are passed on, and the owner checks them again.
 */
export class HostDirectory {
  /** Runtimes may have different limits. */
  readonly limits = null;
  readonly #host: Host;
  /** The connections to other hosts, by their origin. */
  readonly #connections = new Map<string, Connections>();
  readonly #routes = new Routes();
  readonly #stopChecks: () => void;
  #status: RuntimeStatus = 'starting';
  #passed = 0;

  constructor(host: Host) {
    this.#host = host;
    this.#stopChecks = host.onChange(() => this.#routes.check(host));
  }

  /** A host without a lease is not ready, so that load balancers ask another one: it does not know where Runtimes are. */
  get status(): RuntimeStatus {
    return this.#status === 'running' && !this.#host.hasLease ? 'starting' : this.#status;
  }

  /** Null: a host that cannot serve a Runtime passes requests on. */
  get failure(): RuntimeError | null {
    return null;
  }

  /** Serves from now on. */
  opened(): void {
    this.#status = 'running';
  }

  /** Tells load balancers that this host is about to end. Requests are still served and passed on. */
  stopping(): void {
    this.#status = 'stopping';
  }

  /**
   * Returns a Runtime by its id, or by its name. `self` is the only Runtime of the cluster.
   * @throws RUNTIME_NOT_FOUND the last look has shown no such Runtime
   */
  get(id: string, { scope }: Caller, response?: ServerResponse): ServedRuntime | Elsewhere {
    const location = this.#find(id);
    if (location === null) throw new RuntimeError('RUNTIME_NOT_FOUND');
    const service = this.#serviceOf(location);
    if (service === null) return new Elsewhere(location, this.#passages);
    if (response && response.req.method !== 'GET') service.began(response);
    return scoped(service.runtime, scope);
  }

  /** Returns the id of the Runtime that a path names; null if there is none. */
  runtimeIdOf(name: string): string | null {
    return this.#find(name)?.runtimeId ?? null;
  }

  /** Lists the Runtimes of the cluster by name, with the summaries of those that this host serves. */
  async entries({ scope }: Caller): Promise<readonly RuntimeEntry[]> {
    const since = new Date().toISOString();
    return Promise.all(
      this.#host.sight.runtimes.map(async ({ name, runtimeId, host }): Promise<RuntimeEntry> => {
        const service = this.#serviceOf({ name, runtimeId, host: null });
        const state = service !== null || host !== null ? 'ok' : 'unreachable';
        return {
          name,
          runtimeId,
          kind: service === null ? 'remote' : 'embedded',
          state,
          since,
          error: state === 'ok' ? null : { code: 'RUNTIME_NOT_READY', correlationId: null },
          summary: service === null ? null : await scoped(service.runtime, scope).summary(),
        };
      }),
    );
  }

  /** Returns the metrics of the host and of the stores that it has open. */
  metrics(): readonly Metric[] {
    return hostMetrics(this.#host, this.#passed);
  }

  /** Closes the kept connections to other hosts. */
  close(): void {
    this.#stopChecks();
    for (const connections of this.#connections.values()) connections.close();
  }

  #find(id: string): Location | null {
    const { runtimes } = this.#host.sight;
    const [only, ...others] = runtimes;
    const found =
      id === 'self' && others.length === 0
        ? only
        : runtimes.find(({ runtimeId, name }) => runtimeId === id || name === id);
    return found ? this.#host.find(found.runtimeId) : null;
  }

  /** Returns the service of a Runtime on this host; null if this host does not serve it now. */
  #serviceOf({ name }: Location): RuntimeService | null {
    const seat = this.#host.seats.get(name);
    return seat?.state === 'serving' && seat.service instanceof RuntimeService ? seat.service : null;
  }

  readonly #passages: Passages = async (location, request, client, answered) => {
    const hops = Number(request.headers[HOPS_HEADER] ?? 0) + 1;
    // a loop would be a fault of ours
    if (!(hops <= MAX_HOPS)) throw new RuntimeError('RUNTIME_MOVED');
    const { id, address } = await this.#ownerOf(location, client);
    const { origin, pathname } = new URL(address);
    this.#passed += 1;
    const { runtimeId } = location;
    const { cut, release } = this.#routes.take(location, id);
    if (client.destroyed) release();
    else client.once('close', release);
    return {
      cut,
      connections: this.#connectionsTo(origin),
      path: `${pathname.replace(/\/$/, '')}/v1/runtimes/${runtimeId}`,
      authorization: null,
      runtimeId,
      hops,
      answered,
    };
  };

  #connectionsTo(origin: string): Connections {
    const known = this.#connections.get(origin);
    if (known) return known;
    const connections = new Connections(origin);
    this.#connections.set(origin, connections);
    return connections;
  }

  /** Returns the host that serves a Runtime, if necessary after a wait. @throws RUNTIME_NOT_READY none does in time */
  async #ownerOf({ runtimeId, name }: Location, client: ServerResponse | Socket): Promise<SeenHost> {
    const until = performance.now() + WAIT_MS;
    for (;;) {
      const location = this.#host.find(runtimeId);
      if (location === null) throw new RuntimeError('RUNTIME_NOT_FOUND');
      const { host } = location;
      const isHere = host?.id === this.#host.id;
      if (host && (!isHere || this.#host.seats.get(name)?.state === 'serving')) return host;
      const restMs = until - performance.now();
      if (restMs <= 0 || client.destroyed)
        throw new RuntimeError('RUNTIME_NOT_READY', 'No host serves this runtime now');
      await this.#nextChange(restMs, client);
    }
  }

  #nextChange(limitMs: number, client: ServerResponse | Socket): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        stop();
        clearTimeout(timer);
        client.off('close', done);
        resolve();
      };
      const stop = this.#host.onChange(done);
      const timer = setTimeout(done, limitMs);
      client.once('close', done);
    });
  }
}

type Passages = (
  location: Location,
  request: IncomingMessage,
  client: ServerResponse | Socket,
  answered: Passage['answered'],
) => Promise<Passage>;

/** A Runtime that this host does not serve. Its requests go to the host that does, if necessary after a wait. */
class Elsewhere {
  readonly endsWithinMs = ENDS_WITHIN_MS;
  readonly #location: Location;
  readonly #passages: Passages;

  constructor(location: Location, passages: Passages) {
    this.#location = location;
    this.#passages = passages;
  }

  get runtimeId(): string {
    return this.#location.runtimeId;
  }

  /** @throws RUNTIME_UNREACHABLE · RUNTIME_NOT_READY · RUNTIME_MOVED nothing was written */
  async pass(request: IncomingMessage, response: ServerResponse): Promise<void> {
    await passRequest(await this.#passages(this.#location, request, response, () => {}), request, response);
  }

  /** @throws as `pass` */
  async passUpgrade(request: IncomingMessage, socket: Socket, head: Buffer): Promise<void> {
    const passage = await this.#passages(this.#location, request, socket, () => {});
    await passSocket(passage, request, socket, head);
  }
}
