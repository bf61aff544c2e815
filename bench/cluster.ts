import { spawn } from 'node:child_process';
import { once as onceEvent } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { runtimeClient } from '@worker-runtime/client';
import type { Membership } from '@worker-runtime/core/plugin-kit';
import { migrate, postgresMembership } from '@worker-runtime/plugin-postgres-store';
import { PostgresServer, WITHOUT_POSTGRES } from '@worker-runtime/test-environment/postgres-server';
import type { Bench } from './measurement.ts';
import { once } from './once.ts';

/*
 * Measures the pause of a Runtime that moves from one host to another: the longest time between two acknowledgements of a client that asks the
 * host that has not failed. The hosts are processes of the command line, with the default lease.
 */

const LEASE_MS = 5_000;
const WORKERS = 10_000;
const RUNTIME = 'moved';
const BIN = fileURLToPath(new URL('../packages/cli/bin/worker-runtime.js', import.meta.url));
const PAIRS = 3;
/** The pause before an input that was refused is sent again. */
const RETRY_MS = 10;

interface HostProcess {
  readonly name: string;
  readonly url: string;
  readonly kill: () => Promise<void>;
}

const startHost = async (name: string, database: string): Promise<HostProcess> => {
  const plugins = ['--plugin', 'postgres-store', '--plugin', 'echo', '--log-level', 'silent'];
  const child = spawn(process.execPath, [BIN, ...plugins, 'host', '--port', '0', '--name', name], {
    env: { ...process.env, WORKER_RUNTIME_POSTGRES_STORE_URL: database },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const end = (): boolean => child.kill('SIGKILL');
  process.once('exit', end);
  const kill = async (): Promise<void> => {
    process.off('exit', end);
    const ended = onceEvent(child, 'exit');
    child.kill('SIGKILL');
    await ended;
  };
  for await (const line of createInterface({ input: child.stdout })) {
    const [, url] = /^worker-runtime host \S+ listening on (\S+)/.exec(line) ?? [];
    if (url !== undefined) return { name, url, kill };
  }
  throw new Error(`The host ${name} did not start`);
};

/** Two hosts, one Runtime with many idle Workers, and a client. */
class Scene {
  readonly #server: PostgresServer;
  readonly #membership: Membership;
  readonly #runtimeId: string;
  #hosts: readonly HostProcess[] = [];
  #started = 0;
  #sent = 0;

  private constructor(server: PostgresServer, membership: Membership, runtimeId: string) {
    this.#server = server;
    this.#membership = membership;
    this.#runtimeId = runtimeId;
  }

  static async make(): Promise<Scene> {
    const server = await PostgresServer.start(['max_connections=200']);
    await migrate({ url: server.url() });
    const membership = postgresMembership({ url: server.url() });
    const { runtimeId } = await membership.create(RUNTIME, null);
    const scene = new Scene(server, membership, runtimeId);
    await scene.add();
    await scene.add();
    await scene.owner();
    const client = scene.#clientOf(scene.#hosts[0]?.url ?? '');
    for (let at = 0; at < WORKERS; at += 100)
      await Promise.all(
        Array.from({ length: 100 }, (_, of) =>
          client.createWorker({ engine: 'echo', workerId: `w${at + of}` }),
        ),
      );
    return scene;
  }

  async add(): Promise<void> {
    this.#started += 1;
    this.#hosts = [...this.#hosts, await startHost(`host-${this.#started}`, this.#server.url())];
  }

  /** Returns the name of the host that owns the Runtime; undefined if none does. */
  async #ownerName(): Promise<string | undefined> {
    const { hosts, runtimes } = await this.#membership.look();
    return hosts.find(({ id }) => id === runtimes[0]?.host)?.name;
  }

  /** Returns the host that owns the Runtime, once one does, and another one. */
  async owner(): Promise<{ readonly owner: HostProcess; readonly other: HostProcess; readonly id: string }> {
    for (;;) {
      const named = await this.#ownerName();
      const owner = this.#hosts.find(({ name }) => name === named);
      const other = this.#hosts.find(({ name }) => name !== named);
      const id = (await this.#membership.look()).hosts.find(({ name }) => name === other?.name)?.id;
      if (owner && other && id !== undefined) return { owner, other, id };
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  /** Kills the owner. Returns the pause. Another host replaces it afterwards. */
  async pauseOfKill(): Promise<number> {
    const { owner, other } = await this.owner();
    const { pauseMs } = await this.#pauseDuring(other, async () => {
      await owner.kill();
      this.#hosts = [other];
    });
    await this.add();
    return pauseMs;
  }

  /** Moves the Runtime to the other host. Returns the pause. @throws Error an input was refused */
  async pauseOfMove(): Promise<number> {
    const { other, id } = await this.owner();
    const { pauseMs, refusals } = await this.#pauseDuring(other, () => this.#membership.move(RUNTIME, id));
    if (refusals.length > 0) throw new Error(`A handover refused inputs: ${String(refusals[0])}`);
    return pauseMs;
  }

  async end(): Promise<void> {
    for (const host of this.#hosts) await host.kill();
    await this.#membership.close();
    await this.#server.dispose();
  }

  #clientOf(url: string) {
    return runtimeClient({ url, runtime: this.#runtimeId, timeoutMs: 60_000 });
  }

  /** Sends inputs one after another, before, during and after an action, until a host serves the Runtime again. */
  async #pauseDuring(
    at: HostProcess,
    act: () => Promise<unknown>,
  ): Promise<{ readonly pauseMs: number; readonly refusals: readonly unknown[] }> {
    const client = this.#clientOf(at.url);
    const refusals: unknown[] = [];
    let pauseMs = 0;
    let last = performance.now();
    const send = async (): Promise<void> => {
      this.#sent += 1;
      const options = { idempotencyKey: `input-${this.#sent}` };
      for (;;) {
        try {
          await client.sendInput('w0', { text: 'hello', whenBusy: 'queue' }, options);
          break;
        } catch (error) {
          refusals.push(error);
          await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
        }
      }
      pauseMs = Math.max(pauseMs, performance.now() - last);
      last = performance.now();
    };
    for (let count = 0; count < 20; count += 1) await send();
    pauseMs = 0;
    const acting = act();
    while ((await this.#ownerName()) !== at.name) await send();
    await acting;
    for (let count = 0; count < 20; count += 1) await send();
    return { pauseMs, refusals };
  }
}

const scene = once(() => Scene.make());

const killed: Bench = {
  id: 'D5',
  what: 'longest pause of acknowledgements after kill -9 of a host that serves 10,000 Workers, vs the lease',
  unit: 'ms',
  better: 'less',
  goal: 1.5,
  pairs: PAIRS,
  floor: async () => LEASE_MS,
  figure: async () => (await scene()).pauseOfKill(),
};

const movedRuntime: Bench = {
  id: 'D6',
  what: 'longest pause of acknowledgements while a Runtime of 10,000 Workers moves to another host, none refused, vs one second',
  unit: 'ms',
  better: 'less',
  goal: 0.5,
  pairs: PAIRS,
  floor: async () => 1_000,
  figure: async () => (await scene()).pauseOfMove(),
};

/** The benchmarks of several hosts; none without a PostgreSQL server. */
export const clusterBenches: readonly Bench[] = WITHOUT_POSTGRES === null ? [killed, movedRuntime] : [];

/** Ends the hosts and the server, if a benchmark has started them. */
export const endCluster = async (): Promise<void> => {
  if (scene.isMade) await (await scene()).end();
};
