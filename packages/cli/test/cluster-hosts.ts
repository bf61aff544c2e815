import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Membership } from '@worker-runtime/core/plugin-kit';
import { migrate, postgresMembership } from '@worker-runtime/plugin-postgres-store';
import type { PostgresServer } from '@worker-runtime/test-environment/postgres-server';
import type { ExecutionContext } from 'ava';
import type { Network, NetworkPlace } from './network.ts';
import { makePlace, Program, run } from './program.ts';

/** The time for which a client waits for an answer. */
const ANSWER_MS = 3_000;

/** A host in a process of its own. */
export interface RunningHost {
  readonly name: string;
  readonly url: string;
  readonly program: Program;
}

interface ListedRuntime {
  readonly name: string;
  readonly runtimeId: string;
  readonly hostName: string | null;
  readonly claim: number;
}

/** A cluster in a database of its own, with hosts in processes. */
export class ClusterHosts {
  readonly #t: ExecutionContext;
  readonly #leaseMs: number;
  readonly #membership: Membership;
  readonly #urlAt: (port: number) => string;
  /** The folder in which all programs run. */
  readonly place: string;

  private constructor(
    t: ExecutionContext,
    place: string,
    urlAt: (port: number) => string,
    leaseMs: number,
    port: number,
  ) {
    this.#t = t;
    this.place = place;
    this.#urlAt = urlAt;
    this.#leaseMs = leaseMs;
    this.#membership = postgresMembership({ url: urlAt(port) });
    t.teardown(() => this.#membership.close());
  }

  static async make(
    t: ExecutionContext,
    server: PostgresServer,
    database: string,
    leaseMs = 2_000,
  ): Promise<ClusterHosts> {
    const place = await makePlace(t);
    await server.makeDatabase(database, migrate);
    const urlAt = (port: number): string => server.url({ user: 'worker', database, port });
    await writeFile(join(place, 'pg.url'), `${urlAt(server.port)}\n`, { mode: 0o600 });
    return new ClusterHosts(t, place, urlAt, leaseMs, server.port);
  }

  /** Starts a host that reaches the database at another port, such as that of a proxy. */
  async startBehind(port: number, name: string): Promise<RunningHost> {
    await writeFile(join(this.place, `${name}.url`), `${this.#urlAt(port)}\n`, { mode: 0o600 });
    return this.#start(name, `${name}.url`, []);
  }

  /** Starts a host in a place of a network, from which it reaches the database. */
  async startIn(
    { database }: Network,
    port: number,
    place: NetworkPlace,
    name: string,
    ...more: readonly string[]
  ): Promise<RunningHost> {
    const url = this.#urlAt(port).replace('127.0.0.1', database.address);
    await writeFile(join(this.place, `${name}.url`), `${url}?sslmode=disable\n`, { mode: 0o600 });
    return this.#start(name, `${name}.url`, ['--host', place.address, ...more], place.within);
  }

  start(name: string, ...more: readonly string[]): Promise<RunningHost> {
    return this.#start(name, 'pg.url', more);
  }

  async #start(
    name: string,
    urlFile: string,
    more: readonly string[],
    within: readonly string[] = [],
  ): Promise<RunningHost> {
    const store = ['--postgres-store.urlFile', urlFile, '--postgres-store.leaseMs', String(this.#leaseMs)];
    const args = ['--plugin', 'postgres-store', '--plugin', 'echo', ...store];
    const all = [...args, 'host', '--port', '0', '--name', name, ...more];
    const program = new Program(this.#t, this.place, all, {}, within);
    const [, url = ''] = await program.prints(/^worker-runtime host \S+ listening on (http:\S+) \(address/m);
    return { name, url, program };
  }

  /** Runs a command of an operator. Returns its JSON. */
  async command<T>(...args: readonly string[]): Promise<T> {
    const { code, stdout, stderr } = await run(this.#t, this.place, [
      ...args,
      '--url-file',
      'pg.url',
      '--json',
    ]);
    if (code !== 0) throw new Error(`${args.join(' ')} failed: ${stderr}`);
    return JSON.parse(stdout.trim().split('\n').at(-1) ?? '') as T;
  }

  /** Looks at the database, which costs less than a command. */
  async runtimes(): Promise<readonly ListedRuntime[]> {
    const { hosts, runtimes } = await this.#membership.look();
    return runtimes.map(({ host, ...runtime }) => ({
      ...runtime,
      hostName: hosts.find(({ id }) => id === host)?.name ?? null,
    }));
  }

  /** Waits until the Runtimes are spread as told. Returns them. */
  async until(
    holds: (runtimes: readonly ListedRuntime[]) => boolean,
    what: string,
    limitMs = 30_000,
  ): Promise<readonly ListedRuntime[]> {
    const until = performance.now() + limitMs;
    for (;;) {
      const found = await this.runtimes();
      if (holds(found)) return found;
      if (performance.now() > until) throw new Error(`${what}: ${JSON.stringify(found)}`);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}

interface Receipt {
  readonly seq: number;
  readonly cursor: string;
}

/**
 * A client that sends inputs to one Worker one after another, through any of the hosts. A connection that fails is tried at the next host with
 * the same key, as a load balancer and a careful client do; a refusal is kept.
 */
export class SteadyClient {
  readonly refusals: string[] = [];
  readonly acknowledged: { readonly text: string; readonly cursor: string }[] = [];
  /** The longest time between two acknowledgements. */
  longestMs = 0;
  readonly #path: string;
  readonly #hosts: () => readonly RunningHost[];
  #isStopped = false;
  #running: Promise<void> = Promise.resolve();
  #turn = 0;
  readonly #aborted = new AbortController();

  readonly #headers: Readonly<Record<string, string>>;

  constructor(
    runtimeId: string,
    hosts: () => readonly RunningHost[],
    headers: Readonly<Record<string, string>> = {},
  ) {
    this.#headers = headers;
    this.#path = `/v1/runtimes/${runtimeId}/workers`;
    this.#hosts = hosts;
  }

  async create(): Promise<void> {
    await this.#send('', { engine: 'echo', workerId: 'ada' }, 'create');
  }

  start(): void {
    this.#running = this.#loop();
    this.#running.catch(() => {});
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.#running;
  }

  /** Ends it, also if it gets no answer. */
  abort(): void {
    this.#isStopped = true;
    this.#aborted.abort();
  }

  /** Resolves when so many more inputs are acknowledged. */
  async acknowledges(more: number): Promise<void> {
    const count = this.acknowledged.length + more;
    while (this.acknowledged.length < count) await new Promise((resolve) => setTimeout(resolve, 20));
  }

  /** Reads the texts of all inputs in the log, in order. */
  async texts(): Promise<readonly string[]> {
    const found: string[] = [];
    let after = '';
    for (;;) {
      const { items, next } = await this.#get<{
        items: { type: string; data: { parts?: { text: string }[] } }[];
        next: string | null;
      }>(`/ada/events?limit=200${after}`);
      for (const { type, data } of items)
        if (type === 'input.accepted') found.push(data.parts?.[0]?.text ?? '');
      if (next === null) return found;
      after = `&after=${encodeURIComponent(next)}`;
    }
  }

  /** Reads the first event after a cursor. */
  async eventAfter(cursor: string): Promise<{ readonly seq: number; readonly type: string } | undefined> {
    const { items } = await this.#get<{ items: { seq: number; type: string }[] }>(
      `/ada/events?limit=1&after=${encodeURIComponent(cursor)}`,
    );
    return items[0];
  }

  async #get<T>(rest: string): Promise<T> {
    const [host] = this.#hosts();
    const response = await fetch(`${host?.url}${this.#path}${rest}`, { headers: this.#headers });
    if (!response.ok) throw new Error(`${rest}: ${await response.text()}`);
    return (await response.json()) as T;
  }

  async #loop(): Promise<void> {
    for (let count = 0; !this.#isStopped; count += 1) {
      const text = `input ${count}`;
      const startMs = performance.now();
      const receipt = await this.#send<Receipt>('/ada/inputs', { text, whenBusy: 'queue' }, text);
      this.longestMs = Math.max(this.longestMs, performance.now() - startMs);
      this.acknowledged.push({ text, cursor: receipt.cursor });
    }
  }

  async #send<T>(rest: string, body: unknown, key: string): Promise<T> {
    for (;;) {
      this.#aborted.signal.throwIfAborted();
      const hosts = this.#hosts();
      this.#turn += 1;
      const host = hosts[this.#turn % hosts.length];
      // a signal of AbortSignal.any may be collected as garbage before its sources abort, in Node 20
      const ending = new AbortController();
      const timer = setTimeout(() => ending.abort(), ANSWER_MS);
      const abort = (): void => ending.abort();
      this.#aborted.signal.addEventListener('abort', abort);
      try {
        const response = await fetch(`${host?.url}${this.#path}${rest}`, {
          method: 'POST',
          headers: { ...this.#headers, 'content-type': 'application/json', 'idempotency-key': key },
          body: JSON.stringify(body),
          signal: ending.signal,
        });
        const answer = (await response.json()) as T;
        if (response.ok) return answer;
        this.refusals.push(`${response.status} ${JSON.stringify(answer)}`);
      } catch {
        // the connection failed, and the key makes a retry harmless
      } finally {
        clearTimeout(timer);
        this.#aborted.signal.removeEventListener('abort', abort);
      }
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}
