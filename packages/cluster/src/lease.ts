import type { Clock } from '@worker-runtime/core';

/** The part of a lease after which a host without an acknowledged beat must serve nothing. */
const FENCE_AT = 3 / 4;

/**
 * The time for which this host may serve. It is counted from the start of the last beat that was acknowledged, and ends a quarter before
 * any other host may take over, because they begin to count later.
 */
export class Lease {
  readonly #clock: Clock;
  readonly #leaseMs: number;
  readonly #ended: () => void;
  #renewedMs = Number.NEGATIVE_INFINITY;
  #cancel: () => void = () => {};

  /** `ended` is called each time that the lease ends. */
  constructor(clock: Clock, leaseMs: number, ended: () => void) {
    this.#clock = clock;
    this.#leaseMs = leaseMs;
    this.#ended = ended;
  }

  /** The time since the last beat. */
  get ageMs(): number {
    return this.#clock.now() - this.#renewedMs;
  }

  get isValid(): boolean {
    return this.ageMs < this.#leaseMs * FENCE_AT;
  }

  /** Renews the lease by a beat that was sent at a time, and has been acknowledged. */
  renew(sentMs: number): void {
    this.#renewedMs = sentMs;
    this.#cancel();
    const restMs = sentMs + this.#leaseMs * FENCE_AT - this.#clock.now();
    if (restMs <= 0) this.#ended();
    else this.#cancel = this.#clock.after(restMs, this.#ended);
  }

  close(): void {
    this.#cancel();
  }
}
