import { RuntimeError } from '@worker-runtime/core';
import type { Membership } from '@worker-runtime/core/plugin-kit';
import type { Random } from './random.ts';
import type { ProcessClock, SimClock } from './sim-clock.ts';

/** The way of statements between one process and the database: they are slow, lost, late, repeated and out of order. */
export class HostileNetwork {
  /** True while nothing passes. */
  isCut = false;
  /** True while statements arrive, and no answer does. */
  isDeaf = false;
  /** True once it only delays. */
  isCalm = false;
  readonly #clock: SimClock;
  readonly #process: ProcessClock;
  readonly #random: Random;
  readonly #leaseMs: number;

  constructor(clock: SimClock, process: ProcessClock, random: Random, leaseMs: number) {
    this.#clock = clock;
    this.#process = process;
    this.#random = random;
    this.#leaseMs = leaseMs;
  }

  /** Sends a statement. `execute` is what the database does, at once and whole. */
  send<T>(execute: () => Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const random = this.#random;
      const isAnswered = !(this.#isLost || this.isDeaf || (!this.isCalm && random.isBelow(0.05)));
      const arrive = (delayMs: number, isFirst: boolean): void => {
        this.#clock.after(delayMs, () => {
          void execute().then((answer) => {
            if (isFirst && isAnswered) this.#process.after(this.#delayMs, () => resolve(answer));
          }, reject);
        });
      };
      if (this.#isLost) {
        // a cut is noticed by the one side only
        this.#process.after(this.#leaseMs, () => reject(new RuntimeError('STORE_UNAVAILABLE')));
        return;
      }
      arrive(this.#delayMs, true);
      if (!this.isCalm && random.isBelow(0.05)) arrive(random.between(0, this.#leaseMs), false);
      if (!isAnswered)
        this.#process.after(this.#leaseMs, () => reject(new RuntimeError('STORE_UNAVAILABLE')));
    });
  }

  /** Returns the membership as it is seen through the network. */
  through(membership: Membership): Membership {
    const call =
      <K extends 'beat' | 'look' | 'claim' | 'release' | 'leave' | 'create' | 'move' | 'drain'>(name: K) =>
      (...args: Parameters<Membership[K]>): ReturnType<Membership[K]> =>
        this.send(() =>
          (membership[name] as (...values: unknown[]) => Promise<unknown>)(...args),
        ) as ReturnType<Membership[K]>;
    return {
      beat: call('beat'),
      look: call('look'),
      claim: call('claim'),
      release: call('release'),
      leave: call('leave'),
      create: call('create'),
      move: call('move'),
      drain: call('drain'),
      close: async () => {},
    };
  }

  get #isLost(): boolean {
    return this.isCut || (!this.isCalm && this.#random.isBelow(0.04));
  }

  get #delayMs(): number {
    const { isCalm } = this;
    // one in twenty is late, up to a lease
    if (!isCalm && this.#random.isBelow(0.05)) return this.#random.between(0, this.#leaseMs);
    return this.#random.between(0, this.#leaseMs / 50);
  }
}
