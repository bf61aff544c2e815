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
/** Of the time, without kills, so that a life is long enough to leak. */
const CALM = 0.25;

/** Fast ones, slow ones, and those that hang, are deaf or break. */
const specOf = (
  at: number,
): { readonly engine: string; readonly config?: Readonly<Record<string, boolean | number>> } => {
  if (at % 20 === 19) return { engine: 'crashing' };
  if (at % 20 === 18) return { engine: 'echo', config: { hang: true, ignoreAbort: true } };
  if (at % 10 === 7) return { engine: 'echo', config: { hang: true } };
  if (at % 5 === 4) return { engine: 'echo', config: { delayMs: 20 } };
  return { engine: 'echo' };
};

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

  /** Ends the server and starts it again, over and over, and fills its disk in between. */
  async reign(untilMs: number): Promise<void> {
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
    // and at times it is full when it starts: then what was on is closed as soon as there is space
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

/** The real server on files, with everything that happens to one, and an oracle that knows what was promised. */
export const soakRuntime = async (
  folder: string,
  random: Random,
  minutes: number,
): Promise<{ readonly line: string; readonly isWell: boolean }> => {
  const disk = new SmallDisk(join(folder, 'disk'), Math.round(128 + minutes * 64));
  const crashing = fileURLToPath(new URL('crashing.ts', import.meta.url));
  const plugins = ['fs-store', 'http', 'ws', 'echo', crashing].flatMap((name) => ['--plugin', name]);
  const server = await Server.at(
    join(folder, 'server.log'),
    ...plugins,
    '--fs-store.dir',
    join(disk.path, 'store'),
  );
  const soak = async (): Promise<{ readonly line: string; readonly isWell: boolean }> => {
    await server.start();
    const before = await server.holdings();
    const { url } = server;
    const api = clientOf(url, 'sse');
    const workerIds = Array.from({ length: WORKERS }, (_, at) => `w${at}`);
    for (const [at, workerId] of workerIds.entries()) await api.createWorker({ workerId, ...specOf(at) });
    const oracle = new Oracle();
    const over = new AbortController();
    setMaxListeners(0, over.signal);
    const scene: Scene = { url, workerIds, oracle, random, signal: over.signal };
    const clients = [
      ...Array.from({ length: SENDERS }, () => send(scene)),
      manage(scene),
      ...Array.from({ length: VIEWERS }, (_, at) => {
        const workerId = workerIds[(at * 7) % WORKERS] as string;
        return at % 3 === 2 ? poll(scene, workerId) : view(scene, workerId, at % 3 === 0 ? 'ws' : 'sse');
      }),
    ];
    // one that fails ends the whole of it
    const failed = Promise.all(clients);
    const chaos = new Chaos(server, disk, random, () => oracle.checkStatus(api).catch(() => {}));
    const begin = performance.now();
    await Promise.race([chaos.reign(begin + minutes * 60_000 * (1 - CALM)), failed]);
    await Promise.race([delay(minutes * 60_000 * CALM), failed]);
    over.abort();
    await failed;
    const verdict = await oracle.judge(api, workerIds);
    const worn = await server.restingHoldings(before.sockets);
    await server.end('SIGTERM');
    await server.start();
    await oracle.checkStatus(api);
    const fresh = await server.leastHoldings(5);
    const leaked = worn.sockets - before.sockets;
    const heap = (worn.heapBytes - fresh.heapBytes) / 1_048_576;
    const { acknowledged, lost, duplicated, misread } = verdict;
    const { wrongStatus } = oracle;
    const isWell =
      acknowledged > 0 &&
      lost + duplicated + misread + wrongStatus + chaos.badExits === 0 &&
      leaked <= 0 &&
      heap < 64;
    return {
      line:
        `acknowledged ${acknowledged}, lost ${lost}, duplicated ${duplicated}, wrong status ${wrongStatus}, misread ${misread}, ` +
        `leaked descriptors ${leaked}, heap growth ${heap.toFixed(1)} MiB (${chaos.kills} kills, ${chaos.stops} stops, ` +
        `${chaos.badExits} with a bad exit, ${disk.isMounted ? chaos.fills : 'no'} full disks)`,
      isWell,
    };
  };
  try {
    return await Promise.race([soak(), server.died]);
  } finally {
    await server.end('SIGKILL');
    disk.unmount();
  }
};
