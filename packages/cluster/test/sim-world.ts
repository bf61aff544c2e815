import { MemoryMembership } from '../src/index.ts';
import { Random } from './random.ts';
import { SimClock } from './sim-clock.ts';
import { SimHost } from './sim-host.ts';
import { type Acknowledged, SimLog } from './sim-log.ts';
import type { SimService } from './sim-service.ts';

/** Several hosts on one membership, with a hostile network between them, from one seed. */
export class SimWorld {
  readonly leaseMs = 1_000;
  readonly clock = new SimClock();
  readonly membership = new MemoryMembership();
  readonly random: Random;
  readonly logs = new Map<string, SimLog>();
  readonly hosts: SimHost[] = [];
  readonly services = new Set<SimService>();
  readonly acknowledged: Acknowledged[] = [];
  /** The violations, in words. */
  readonly faults: string[] = [];
  /** The number of services that have begun so far. */
  begun = 0;
  #writers = 0;
  #joined = 0;

  constructor(seed: number) {
    this.random = new Random(seed);
  }

  nextWriter(): number {
    this.#writers += 1;
    return this.#writers;
  }

  async makeRuntimes(count: number): Promise<void> {
    for (let at = 0; at < count; at += 1) {
      const { name } = await this.membership.create(`runtime-${at}`, null);
      this.logs.set(name, new SimLog());
    }
  }

  /** Starts a host. If its first look fails, another one is started, as a supervisor would do. */
  join(isCalm = false): void {
    this.#joined += 1;
    const host = new SimHost(this, `host-${this.#joined}`, isCalm);
    this.hosts.push(host);
    void host.host.start().catch(() => {
      host.isGone = true;
      this.join(host.network.isCalm);
    });
  }

  get living(): readonly SimHost[] {
    return this.hosts.filter(({ isGone }) => !isGone);
  }

  /** Stops a host in order. */
  stop(host: SimHost): void {
    host.isGone = true;
    void host.host.stop();
  }

  begins(service: SimService): void {
    this.begun += 1;
    this.checkOwners(`${service.name} begins`);
  }

  /** Notes a fault if two processes that are awake serve one Runtime. */
  checkOwners(when: string): void {
    const owners = new Map<string, number>();
    for (const service of this.services) {
      if (!service.isServing || service.isPaused) continue;
      const count = (owners.get(service.name) ?? 0) + 1;
      owners.set(service.name, count);
      if (count > 1) this.faults.push(`${this.clock.now()}: ${count} owners of ${service.name} (${when})`);
    }
  }

  /** Notes a fault for each acknowledged append that is not in its log, and for each writer that returned after another one. */
  checkLogs(): void {
    for (const { runtime, position, writer } of this.acknowledged)
      if (this.logs.get(runtime)?.entries[position]?.writer !== writer)
        this.faults.push(`${runtime} at ${position}: an acknowledged append of ${writer} is missing`);
    for (const [name, { entries }] of this.logs) {
      const ended = new Set<string>();
      for (const [at, { writer, isWall }] of entries.entries()) {
        const before = entries[at - 1]?.writer;
        if (before !== writer && (!isWall || ended.has(writer)))
          this.faults.push(`${name} at ${at}: ${writer} wrote after ${before} without taking over`);
        if (before !== undefined && before !== writer) ended.add(before);
      }
    }
  }

  /** The Runtimes that no living process serves. */
  get unserved(): readonly string[] {
    const served = new Set(
      [...this.services].filter((one) => one.isServing && !one.isPaused).map(({ name }) => name),
    );
    return [...this.logs.keys()].filter((name) => !served.has(name));
  }

  /** The numbers of Runtimes of each living host that takes some. */
  get loads(): readonly number[] {
    return this.living
      .filter(({ host }) => !host.isDraining)
      .map(({ host }) => [...host.seats.values()].filter(({ state }) => state === 'serving').length);
  }

  /** Ends all faults: the network only delays, and paused processes continue. */
  calm(): void {
    for (const host of this.hosts) {
      host.network.isCalm = true;
      host.network.isCut = false;
      if (host.clock.isPaused) {
        host.clock.resume();
        this.checkOwners(`${host.name} resumes`);
      }
    }
  }
}
