import { setTimeout as delay } from 'node:timers/promises';
import type { SmallDisk } from './disk.ts';
import type { StoreFiles } from './files.ts';
import type { Random } from './random.ts';
import type { Server } from './server.ts';

export interface ChaosOptions {
  readonly server: Server;
  readonly disk: SmallDisk;
  readonly files: StoreFiles;
  readonly random: Random;
  /** Compares the state of the server with what it acknowledged. */
  readonly check: () => Promise<void>;
}

/** The number of times that each thing happened. */
export interface Tally {
  kills: number;
  stops: number;
  fills: number;
  stalls: number;
  intrusions: number;
  removals: number;
  /** Stops whose exit code was not 0. */
  /** The exit codes, or signals, with which the server ended although it was asked to stop. */
  readonly badExits: (number | NodeJS.Signals | null)[];
  /** Second processes that became ready on a store that was in use. */
  intruders: number;
  /** Times at which the server did not answer, although nothing had stopped it. */
  silences: number;
}

/** Treats the server badly at random, one way after the other: its process, its disk, its files and its log. */
export class Chaos {
  readonly tally: Tally = {
    kills: 0,
    stops: 0,
    fills: 0,
    stalls: 0,
    intrusions: 0,
    removals: 0,
    badExits: [],
    intruders: 0,
    silences: 0,
  };
  readonly #options: ChaosOptions;

  constructor(options: ChaosOptions) {
    this.#options = options;
  }

  /** Acts until a time of the monotonic clock, in milliseconds. */
  async run(untilMs: number): Promise<void> {
    const { random } = this.#options;
    const acts: readonly (() => Promise<void>)[] = [
      () => this.#restart(),
      () => this.#restart(),
      () => this.#restart(),
      () => this.#fill(),
      () => this.#fill(),
      () => this.#stallLog(),
      () => this.#intrude(),
      () => this.#takeFilesAway(),
    ];
    while (performance.now() < untilMs) {
      await delay(3_000 + random.below(6_000));
      await random.of(acts)();
    }
  }

  get summary(): string {
    const { kills, stops, badExits, fills, stalls, intrusions, intruders, removals, silences } = this.tally;
    return (
      `${kills} kills, ${stops} stops, ${badExits.length} with a bad exit${badExits.length > 0 ? ` (${badExits.join(', ')})` : ''}, ` +
      `${this.#options.disk.isMounted ? fills : 'no'} full disks, ${stalls} stalled logs, ${removals} removed files, ` +
      `${intrusions} second processes, ${intruders} admitted, ${silences} times silent`
    );
  }

  async #fill(): Promise<void> {
    const { disk, random } = this.#options;
    this.tally.fills += 1;
    await disk.fill();
    await delay(1_000 + random.below(3_000));
    // Sometimes the server starts on a full disk. Then it ends interrupted runs as soon as there is space.
    const isRestarted = random.next() < 0.3;
    if (isRestarted) await this.#restart();
    disk.free();
    if (isRestarted) await this.#checkAfter(10_000);
  }

  async #restart(): Promise<void> {
    const { server, disk, random, check } = this.#options;
    if (random.next() < 0.6) {
      this.tally.kills += 1;
      await server.end('SIGKILL');
    } else {
      this.tally.stops += 1;
      const outcome = await server.end('SIGTERM');
      if (outcome !== 0) this.tally.badExits.push(outcome);
    }
    await delay(random.below(1_000));
    await server.start();
    if (!disk.isFull) await check();
  }

  /** Stops to read the log until the pipe is full. At times the server is stopped or started in the meantime. */
  async #stallLog(): Promise<void> {
    const { server, random } = this.#options;
    this.tally.stalls += 1;
    server.stallLog(true);
    await delay(4_000 + random.below(6_000));
    await this.#expectResponse();
    if (random.next() < 0.5) await this.#restart();
    server.stallLog(false);
  }

  /** Starts a second process on the store while the owner works, is stopped, or has lost the socket of its lock. */
  async #intrude(): Promise<void> {
    const { server, files, random, check } = this.#options;
    this.tally.intrusions += 1;
    const way = random.of(['works', 'is stopped', 'lost its socket'] as const);
    if (way === 'is stopped') server.pause(true);
    if (way === 'lost its socket') files.unlinkLockSockets();
    if (await server.intrude()) {
      this.tally.intruders += 1;
      await server.end('SIGKILL');
      await server.start();
    }
    server.pause(false);
    await this.#expectResponse();
    await check();
  }

  /** Takes the files of a Worker away for a moment, and the sockets of the lock for good. */
  async #takeFilesAway(): Promise<void> {
    const { files, random, check } = this.#options;
    this.tally.removals += 1;
    if (random.next() < 0.5) files.unlinkLockSockets();
    const putBack = files.takeWorkerAway(random);
    await delay(500 + random.below(2_500));
    putBack();
    await this.#expectResponse();
    await check();
  }

  async #expectResponse(): Promise<void> {
    if (!(await this.#options.server.isResponsive())) this.tally.silences += 1;
  }

  async #checkAfter(delayMs: number): Promise<void> {
    await delay(delayMs);
    await this.#options.check();
  }
}
