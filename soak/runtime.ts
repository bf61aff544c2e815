import { setMaxListeners } from 'node:events';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { clientOf, manage, poll, type Scene, send, view } from './clients.ts';
import { SmallDisk } from './disk.ts';
import { Oracle } from './oracle.ts';
import type { Random } from './random.ts';
import { Server } from './server.ts';

const WORKERS = 200;
const SENDERS = 12;
const VIEWERS = 60;
/** The share of the time without kills. It gives one process enough time to show leaks. */
const CALM_SHARE = 0.25;

/** Returns the engine of a Worker: a fast one, a slow one, or one that hangs, ignores a cancel or fails. */
const specOf = (
  at: number,
): { readonly engine: string; readonly config?: Readonly<Record<string, boolean | number>> } => {
  if (at % 20 === 19) return { engine: 'crashing' };
  if (at % 20 === 18) return { engine: 'echo', config: { hang: true, ignoreAbort: true } };
  if (at % 10 === 7) return { engine: 'echo', config: { hang: true } };
  if (at % 5 === 4) return { engine: 'echo', config: { delayMs: 20 } };
  return { engine: 'echo' };
};

/** Restarts the server and fills its disk at random. */
class Chaos {
  kills = 0;
  stops = 0;
  badExits = 0;
  fills = 0;
  readonly #server: Server;
  readonly #disk: SmallDisk;
  readonly #random: Random;
  readonly #check: () => Promise<void>;

  constructor(server: Server, disk: SmallDisk, random: Random, check: () => Promise<void>) {
    this.#server = server;
    this.#disk = disk;
    this.#random = random;
    this.#check = check;
  }

  /** Acts until a time of the monotonic clock, in milliseconds. */
  async run(untilMs: number): Promise<void> {
    while (performance.now() < untilMs) {
      await delay(3_000 + this.#random.below(9_000));
      if (this.#random.next() < 0.3) await this.#fill();
      else await this.#restart();
    }
  }

  async #fill(): Promise<void> {
    this.fills += 1;
    await this.#disk.fill();
    await delay(1_000 + this.#random.below(3_000));
    // Sometimes the server starts on a full disk. Then it ends interrupted runs as soon as there is space.
    const isRestarted = this.#random.next() < 0.3;
    if (isRestarted) await this.#restart();
    this.#disk.free();
    if (isRestarted) await this.#checkAfter(10_000);
  }

  async #restart(): Promise<void> {
    if (this.#random.next() < 0.6) {
      this.kills += 1;
      await this.#server.end('SIGKILL');
    } else {
      this.stops += 1;
      if ((await this.#server.end('SIGTERM')) !== 0) this.badExits += 1;
    }
    await delay(this.#random.below(1_000));
    await this.#server.start();
    if (!this.#disk.isFull) await this.#check();
  }

  async #checkAfter(delayMs: number): Promise<void> {
    await delay(delayMs);
    await this.#check();
  }
}

/** Runs the real server with the file store under random failures, and checks it against the acknowledgements. */
export const soakRuntime = async (
  folder: string,
  random: Random,
  minutes: number,
): Promise<{ readonly line: string; readonly hasPassed: boolean }> => {
  const disk = new SmallDisk(join(folder, 'disk'), Math.round(128 + minutes * 64));
  const crashing = fileURLToPath(new URL('crashing.ts', import.meta.url));
  const plugins = ['fs-store', 'http', 'ws', 'echo', crashing].flatMap((name) => ['--plugin', name]);
  const server = await Server.at(
    join(folder, 'server.log'),
    ...plugins,
    '--fs-store.dir',
    join(disk.path, 'store'),
  );
  const soak = async (): Promise<{ readonly line: string; readonly hasPassed: boolean }> => {
    await server.start();
    const before = await server.usage();
    const { url } = server;
    const api = clientOf(url, 'sse');
    const workerIds = Array.from({ length: WORKERS }, (_, at) => `w${at}`);
    for (const [at, workerId] of workerIds.entries()) await api.createWorker({ workerId, ...specOf(at) });
    const oracle = new Oracle();
    const end = new AbortController();
    setMaxListeners(0, end.signal);
    const scene: Scene = { url, workerIds, oracle, random, signal: end.signal };
    const clients = [
      ...Array.from({ length: SENDERS }, () => send(scene)),
      manage(scene),
      ...Array.from({ length: VIEWERS }, (_, at) => {
        const workerId = workerIds[(at * 7) % WORKERS] as string;
        return at % 3 === 2 ? poll(scene, workerId) : view(scene, workerId, at % 3 === 0 ? 'ws' : 'sse');
      }),
    ];
    // A client that fails ends the soak.
    const allClients = Promise.all(clients);
    const chaos = new Chaos(server, disk, random, () => oracle.checkStatus(api).catch(() => {}));
    const begin = performance.now();
    await Promise.race([chaos.run(begin + minutes * 60_000 * (1 - CALM_SHARE)), allClients]);
    await Promise.race([delay(minutes * 60_000 * CALM_SHARE), allClients]);
    end.abort();
    await allClients;
    const verdict = await oracle.judge(api, workerIds);
    const afterSoak = await server.restingUsage(before.sockets);
    await server.end('SIGTERM');
    await server.start();
    await oracle.checkStatus(api);
    const afterRestart = await server.leastUsage(5);
    const leaked = afterSoak.sockets - before.sockets;
    const heap = (afterSoak.heapBytes - afterRestart.heapBytes) / 1_048_576;
    const { acknowledged, lost, duplicated, misread } = verdict;
    const { wrongStatus } = oracle;
    const hasPassed =
      acknowledged > 0 &&
      lost + duplicated + misread + wrongStatus + chaos.badExits === 0 &&
      leaked <= 0 &&
      heap < 64;
    return {
      line:
        `acknowledged ${acknowledged}, lost ${lost}, duplicated ${duplicated}, wrong status ${wrongStatus}, misread ${misread}, ` +
        `leaked descriptors ${leaked}, heap growth ${heap.toFixed(1)} MiB (${chaos.kills} kills, ${chaos.stops} stops, ` +
        `${chaos.badExits} with a bad exit, ${disk.isMounted ? chaos.fills : 'no'} full disks)`,
      hasPassed,
    };
  };
  try {
    return await Promise.race([soak(), server.died]);
  } finally {
    await server.end('SIGKILL');
    disk.unmount();
  }
};
