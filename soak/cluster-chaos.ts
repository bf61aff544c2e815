import { setTimeout as delay } from 'node:timers/promises';
import type { Membership } from '@worker-runtime/core/plugin-kit';
import type { PostgresServer } from '@worker-runtime/test-environment/postgres-server';
import type { TcpProxy } from '@worker-runtime/test-environment/tcp-proxy';
import type { Random } from './random.ts';
import type { Server } from './server.ts';

/** A host as a process, and its way to the database. */
export interface SoakedHost {
  readonly name: string;
  readonly server: Server;
  readonly database: TcpProxy;
}

export interface ClusterChaosOptions {
  readonly hosts: readonly SoakedHost[];
  readonly postgres: PostgresServer;
  readonly membership: Membership;
  readonly random: Random;
  /** The longest pause and the longest cut of a host: some leases. */
  readonly longestMs: number;
  /** Compares the state of the Runtimes with what was acknowledged. */
  readonly check: () => Promise<void>;
}

const STARTS = 10;
const BETWEEN_STARTS_MS = 1_000;

/** Starts a host as a service manager does: again, if it ended because PostgreSQL did not answer in time. @throws Error it ended each time */
const restart = async (server: Server): Promise<void> => {
  for (let left = STARTS; ; left -= 1)
    try {
      return await server.start();
    } catch (error) {
      if (left === 1) throw error;
      await delay(BETWEEN_STARTS_MS);
    }
};

/** Treats the hosts of a cluster and their database badly at random, one way after the other. */
export class ClusterChaos {
  readonly tally = { kills: 0, pauses: 0, cuts: 0, drains: 0, moves: 0, databaseKills: 0 };
  /** The exit codes, or signals, with which hosts ended although they were asked to stop. */
  readonly badExits: (number | NodeJS.Signals | null)[] = [];
  readonly #options: ClusterChaosOptions;

  constructor(options: ClusterChaosOptions) {
    this.#options = options;
  }

  /** Acts until a time of the monotonic clock, in milliseconds. */
  async run(untilMs: number): Promise<void> {
    const { random, check } = this.#options;
    const acts = [
      () => this.#kill(),
      () => this.#kill(),
      () => this.#pause(),
      () => this.#pause(),
      () => this.#cut(),
      () => this.#drain(),
      () => this.#move(),
      () => this.#killDatabase(),
    ];
    // each act once, in a random order, and again
    for (let left: (() => Promise<void>)[] = []; performance.now() < untilMs; ) {
      if (left.length === 0) left = [...acts];
      const act = random.of(left);
      left.splice(left.indexOf(act), 1);
      await delay(1_000 + random.below(4_000));
      await act();
      if (random.next() < 0.3) await check();
    }
  }

  get summary(): string {
    const { kills, pauses, cuts, drains, moves, databaseKills } = this.tally;
    const bad = this.badExits.length > 0 ? ` (${this.badExits.join(', ')})` : '';
    return (
      `${kills} kills, ${pauses} pauses, ${cuts} cuts, ${moves} moves, ${databaseKills} kills of PostgreSQL, ` +
      `${drains} drains, ${this.badExits.length} with a bad exit${bad}`
    );
  }

  get #host(): SoakedHost {
    const { hosts, random } = this.#options;
    return random.of(hosts);
  }

  #someTime(): Promise<void> {
    const { random, longestMs } = this.#options;
    return delay(500 + random.below(longestMs));
  }

  async #kill(): Promise<void> {
    this.tally.kills += 1;
    const { server } = this.#host;
    await server.end('SIGKILL');
    await this.#someTime();
    await restart(server);
  }

  async #pause(): Promise<void> {
    this.tally.pauses += 1;
    const { server } = this.#host;
    server.pause(true);
    await this.#someTime();
    server.pause(false);
  }

  /** Cuts a host off from the database, but not from its clients and from the other hosts. */
  async #cut(): Promise<void> {
    this.tally.cuts += 1;
    const { database } = this.#host;
    database.cut();
    await this.#someTime();
    database.heal();
  }

  async #drain(): Promise<void> {
    this.tally.drains += 1;
    const { server } = this.#host;
    const outcome = await server.end('SIGTERM');
    if (outcome !== 0) this.badExits.push(outcome);
    await restart(server);
  }

  async #move(): Promise<void> {
    this.tally.moves += 1;
    const { membership, random } = this.#options;
    try {
      const { hosts, runtimes } = await membership.look();
      await membership.move(random.of(runtimes).name, random.of(hosts).id);
    } catch {
      // the database is away
    }
  }

  async #killDatabase(): Promise<void> {
    this.tally.databaseKills += 1;
    await this.#options.postgres.kill();
    await this.#someTime();
    await this.#options.postgres.run();
  }
}
