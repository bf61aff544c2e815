import { RuntimeError } from '@worker-runtime/core';
import type { Claimed, Service } from '../src/index.ts';
import type { SimHost } from './sim-host.ts';
import { runtimeOf } from './sim-log.ts';

/** Appends as fast as its network allows, from its start to its end. */
export class SimService implements Service {
  readonly lost: Promise<unknown>;
  isServing = false;
  readonly #claimed: Claimed;
  readonly #host: SimHost;
  readonly #writer: string;
  #isEnded = false;
  #isFailing: boolean;
  #position = 0;
  #appending: Promise<void> = Promise.resolve();
  #lose: (reason: unknown) => void = () => {};

  constructor(claimed: Claimed, host: SimHost) {
    this.#claimed = claimed;
    this.#host = host;
    this.#writer = `${host.name}/${host.world.nextWriter()}`;
    this.#isFailing = host.world.random.isBelow(0.05) && !host.network.isCalm;
    this.lost = new Promise((resolve) => {
      this.#lose = resolve;
    });
  }

  get name(): string {
    return this.#claimed.name;
  }

  async start(): Promise<void> {
    const { network, world } = this.#host;
    const log = runtimeOf(world, this.#claimed);
    const { name, claim } = this.#claimed;
    const isCurrent = async (): Promise<boolean> => {
      const current = (await world.membership.look()).runtimes.find((runtime) => runtime.name === name);
      return current?.claim === claim && current.host === this.#host.host.id;
    };
    const seen = await network.send(async () => log.position);
    const position = await network.send(async () =>
      (await isCurrent()) ? log.takeOver(this.#writer, seen) : null,
    );
    if (position === null) throw new RuntimeError('STORE_LOCKED');
    if (this.#isFailing) throw new RuntimeError('STORE_CORRUPT');
    if (this.#isEnded) throw new RuntimeError('RUNTIME_STOPPING');
    this.#position = position;
    this.isServing = true;
    world.begins(this);
    this.#appending = this.#append();
  }

  async handOver(waitMs: number, leaving: () => void): Promise<void> {
    await new Promise<void>((resolve) => void this.#host.clock.after(waitMs, resolve));
    leaving();
    this.isServing = false;
    this.#isEnded = true;
    await this.#appending;
  }

  fence(): void {
    this.isServing = false;
    this.#isEnded = true;
  }

  get isPaused(): boolean {
    return this.#host.clock.isPaused || this.#host.clock.isDead;
  }

  async #append(): Promise<void> {
    const { network, world, clock } = this.#host;
    const log = runtimeOf(world, this.#claimed);
    let isDoubtful = false;
    while (!this.#isEnded) {
      await new Promise<void>((resolve) => void clock.after(world.leaseMs / 20, resolve));
      if (this.#isEnded) return;
      const position = this.#position;
      try {
        const found = await network.send(async () => log.append(position, this.#writer, isDoubtful));
        if (found !== this.#writer) {
          this.isServing = false;
          this.#isEnded = true;
          this.#lose('lost');
          return;
        }
        if (!isDoubtful) world.acknowledged.push({ runtime: this.name, position, writer: this.#writer });
        this.#position += 1;
        isDoubtful = false;
      } catch {
        isDoubtful = true;
      }
    }
  }
}
