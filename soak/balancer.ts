import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';

/** The time between two looks at a server, and the time that it has for its answer. */
const LOOK_MS = 250;
const ANSWER_MS = 1_000;

/**
 * A load balancer as operators run one: it leads each connection to one of the servers that are ready, and ends those of a server that
 * does not answer.
 */
export class Balancer {
  readonly #targets: readonly string[];
  readonly #ready = new Set<string>();
  readonly #sockets = new Map<string, Set<Socket>>();
  readonly #server = createServer((client) => this.#join(client));
  #turn = 0;
  #isClosed = false;

  private constructor(targets: readonly string[]) {
    this.#targets = targets;
  }

  /** Leads to the servers at some URLs. */
  static async to(targets: readonly string[]): Promise<Balancer> {
    const balancer = new Balancer(targets);
    balancer.#server.listen(0, '127.0.0.1');
    await once(balancer.#server, 'listening');
    for (const target of targets) void balancer.#watch(target);
    return balancer;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as { readonly port: number }).port}`;
  }

  close(): void {
    this.#isClosed = true;
    this.#server.close();
    for (const target of this.#targets) this.#end(target);
  }

  async #watch(target: string): Promise<void> {
    while (!this.#isClosed) {
      if (await isReady(target)) this.#ready.add(target);
      else if (this.#ready.delete(target) && !(await isAlive(target))) this.#end(target);
      await delay(LOOK_MS);
    }
  }

  #end(target: string): void {
    for (const socket of this.#sockets.get(target) ?? []) socket.destroy();
  }

  #join(client: Socket): void {
    client.on('error', () => {});
    const ready = [...this.#ready];
    this.#turn += 1;
    const target = ready[this.#turn % ready.length];
    if (target === undefined) {
      client.destroy();
      return;
    }
    const { hostname, port } = new URL(target);
    const server = connect(Number(port), hostname);
    const open = this.#sockets.get(target) ?? new Set();
    this.#sockets.set(target, open.add(client));
    server.on('error', () => {});
    server.on('close', () => client.destroy());
    client.on('close', () => {
      open.delete(client);
      server.destroy();
    });
    client.pipe(server).pipe(client);
  }
}

const answers = async (url: string): Promise<boolean> => {
  try {
    const { ok, body } = await fetch(url, { signal: AbortSignal.timeout(ANSWER_MS) });
    await body?.cancel();
    return ok;
  } catch {
    return false;
  }
};

const isReady = (target: string): Promise<boolean> => answers(`${target}/readyz`);
const isAlive = (target: string): Promise<boolean> => answers(`${target}/livez`);
