import { randomUUID } from 'node:crypto';
import { type Clock, type Logger, RuntimeError, silentLogger } from '@worker-runtime/core';
import type { HostCard, Membership, SeenHost, SeenRuntime, Sight } from '@worker-runtime/core/plugin-kit';
import { Lease } from './lease.ts';
import { plan } from './plan.ts';
import { Seat } from './seat.ts';
import type { Claimed, Service } from './service.ts';
import { Silences } from './silences.ts';

/** The beats and looks within a lease. */
const BEATS = 6;
/** A host without a Runtime is removed after so many leases of silence. */
const FORGOTTEN_AFTER = 10;
/** The longest pause before a Runtime that did not open is opened again. */
const LONGEST_RETRY_MS = 60_000;

export interface HostOptions {
  readonly membership: Membership;
  /** The id of this process, which no other one ever has. Default: a random one. */
  readonly id?: string;
  /** The name for operators, and for Runtimes that are pinned to it. */
  readonly name: string;
  /** The address at which other hosts reach this one. */
  readonly address: string;
  /** The silence after which another host takes over. The same for all hosts. */
  readonly leaseMs: number;
  /** The time for which runs may end when a Runtime is handed over. */
  readonly handOverMs: number;
  /** Makes the service of a Runtime, without starting it. */
  readonly serve: (claimed: Claimed) => Promise<Service> | Service;
  readonly log?: Logger;
  /** A clock that never goes back. Default: the monotonic clock of the system. */
  readonly clock?: Clock;
}

const monotonicClock: Clock = {
  now: () => performance.now(),
  after(delayMs, callback) {
    const timer = setTimeout(callback, delayMs);
    return () => clearTimeout(timer);
  },
};

/** The owner of a Runtime as the last look has shown it. */
export interface Location {
  readonly name: string;
  readonly runtimeId: string;
  /** The host that owns it; null if none does. */
  readonly host: SeenHost | null;
}

/**
 * One of several hosts that share the Runtimes of a membership. It beats and looks several times within a lease, and after each look
 * does what is missing: it opens what it owns, claims what has no owner, hands over what is above its share, and ends what another host
 * has. There is no coordinator, and a message that is lost costs one look.
 */
export class Host {
  readonly id: string;
  readonly #options: HostOptions;
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #lease: Lease;
  readonly #silences: Silences;
  readonly #seats = new Map<string, Seat>();
  /** The Runtimes without an owner, and since when. */
  #orphans: ReadonlyMap<string, number> = new Map();
  /** The Runtimes that did not open: the number of attempts, and the time of the next one. */
  readonly #failures = new Map<string, { readonly count: number; readonly againMs: number }>();
  readonly #listeners = new Set<() => void>();
  /**
   * The last claim of each Runtime that this host has given back, and the next host. A release may arrive late, so nothing is served
   * under that claim again.
   */
  readonly #released = new Map<string, { readonly claim: number; readonly movingTo: string | null }>();
  #sight: Sight = { hosts: [], runtimes: [] };
  /** The number of looks so far, and that of the look that the sight is from. */
  #looks = 0;
  #sightLook = 0;
  #isDraining = false;
  #isStopped = false;
  #isLooking = false;
  /** False if the last round had no answer. */
  #hasAnswer = true;
  /** True if the membership has changed since the round in progress began. */
  #isRung = false;
  #cancelTimer: () => void = () => {};
  #fences = 0;
  #handOvers = 0;

  constructor(options: HostOptions) {
    const { id = randomUUID(), leaseMs, clock = monotonicClock, log = silentLogger } = options;
    this.id = id;
    this.#options = options;
    this.#clock = clock;
    this.#log = log;
    this.#lease = new Lease(clock, leaseMs, () => this.#fence());
    this.#silences = new Silences(leaseMs / 2);
  }

  /** The cluster as the last look has shown it. */
  get sight(): Sight {
    return this.#sight;
  }

  /** The Runtimes that this host owns, by name. */
  get seats(): ReadonlyMap<string, Seat> {
    return this.#seats;
  }

  get isDraining(): boolean {
    return this.#isDraining || this.#sight.hosts.some(({ id, isDraining }) => id === this.id && isDraining);
  }

  /** False if no beat was acknowledged for three quarters of the lease. Then this host serves nothing. */
  get hasLease(): boolean {
    return this.#lease.isValid;
  }

  /** Numbers for monitoring. */
  get counts(): { readonly leaseAgeMs: number; readonly fences: number; readonly handOvers: number } {
    return { leaseAgeMs: this.#lease.ageMs, fences: this.#fences, handOvers: this.#handOvers };
  }

  /** True if a Runtime has had no owner for longer than hosts need to take over. */
  isOrphan(runtime: string): boolean {
    const sinceMs = this.#orphans.get(runtime);
    return sinceMs !== undefined && this.#clock.now() - sinceMs >= 2 * this.#options.leaseMs;
  }

  /** Returns the owner of a Runtime, by its id; null if no such Runtime was seen. */
  find(runtimeId: string): Location | null {
    const found = this.#sight.runtimes.find((runtime) => runtime.runtimeId === runtimeId);
    if (!found) return null;
    const { name, host } = found;
    return { name, runtimeId, host: this.#sight.hosts.find(({ id }) => id === host) ?? null };
  }

  /** Calls back after each look, and after each change of a Runtime on this host. Returns the function that ends it. */
  onChange(callback: () => void): () => void {
    this.#listeners.add(callback);
    return () => this.#listeners.delete(callback);
  }

  /** Begins to beat and to look. Resolves after the first look. @throws STORE_UNAVAILABLE the membership does not answer */
  async start(): Promise<void> {
    if (!(await this.#round())) {
      this.#isStopped = true;
      throw new RuntimeError('STORE_UNAVAILABLE', 'The membership of the cluster does not answer');
    }
    this.#options.membership.onChange?.(() => this.#lookNow());
    this.#schedule();
  }

  /** Hands over all Runtimes, and leaves the membership. */
  async stop(): Promise<void> {
    this.#isDraining = true;
    this.#act();
    while (this.#seats.size > 0 || (this.#lease.isValid && this.#ownsAny(this.id))) await this.#changed();
    // the others look in this time, so that no request comes to a host that has left
    await this.#pause((2 * this.#options.leaseMs) / BEATS);
    this.close();
    await this.#inTime(this.#options.membership.leave(this.id)).catch(() => {});
  }

  /** Ends everything at once, as if the lease had ended, and tells the others nothing. */
  close(): void {
    this.#isStopped = true;
    this.#cancelTimer();
    this.#lease.close();
    this.#fence();
  }

  get #card(): HostCard {
    const { name, address } = this.#options;
    return { id: this.id, name, address, isDraining: this.#isDraining };
  }

  #schedule(): void {
    if (this.#isStopped) return;
    this.#cancelTimer = this.#clock.after(this.#options.leaseMs / BEATS, () => this.#lookNow());
  }

  /** Does a round now, or once more after the one in progress. */
  #lookNow(): void {
    if (this.#isStopped) return;
    this.#isRung = true;
    if (this.#isLooking) return;
    this.#isLooking = true;
    this.#isRung = false;
    this.#cancelTimer();
    void this.#round().then((hasAnswered) => {
      this.#isLooking = false;
      if (this.#isRung && hasAnswered) this.#lookNow();
      else this.#schedule();
    });
  }

  /** Beats, looks and acts. Returns false if the membership did not answer. */
  async #round(): Promise<boolean> {
    const { membership } = this.#options;
    try {
      // If only answers are lost, beats still arrive, and the others would not take over what this host has ceased to serve.
      if (!this.#hasAnswer) await this.#inTime(membership.look());
      this.#hasAnswer = false;
      const sentMs = this.#clock.now();
      await this.#inTime(membership.beat(this.#card));
      if (this.#isStopped) return true;
      this.#lease.renew(sentMs);
      // sent after the beat was acknowledged: no claim that follows from an older beat can come after it
      const askedMs = this.#clock.now();
      this.#looks += 1;
      const sight = await this.#inTime(membership.look());
      this.#hasAnswer = true;
      if (this.#isStopped) return true;
      this.#note(sight, askedMs);
      this.#act();
      return true;
    } catch (error) {
      this.#log.warn({ err: RuntimeError.from(error) }, 'the membership of the cluster does not answer');
      return false;
    }
  }

  #note(sight: Sight, askedMs: number): void {
    const now = this.#clock.now();
    this.#silences.note(sight.hosts, askedMs, now);
    this.#sight = sight;
    this.#sightLook = this.#looks;
    const isOwned = ({ host }: SeenRuntime): boolean => host !== null && !this.isSilent(host);
    const orphans = sight.runtimes.filter((runtime) => !isOwned(runtime));
    this.#orphans = new Map(orphans.map(({ name }) => [name, this.#orphans.get(name) ?? now]));
    for (const listener of [...this.#listeners]) listener();
  }

  /** Returns true if another host has been silent for a lease, as far as this one has watched it. */
  isSilent(host: string): boolean {
    return host !== this.id && this.#silences.ofHost(host) >= this.#options.leaseMs;
  }

  /** Does what is missing. What needs an answer continues in the background, and the next look shows its result. */
  #act(): void {
    if (!this.#lease.isValid) return;
    const { leaseMs, membership } = this.#options;
    const owned = new Map(
      this.#sight.runtimes.flatMap((runtime) => (runtime.host === this.id ? [[runtime.name, runtime]] : [])),
    );
    for (const [name, seat] of this.#seats) {
      // a look that was sent before the claim says nothing about it
      if (seat.look >= this.#sightLook) continue;
      if (owned.get(name)?.claim !== seat.claimed.claim) this.#drop(seat, 'another host owns it');
    }
    for (const runtime of owned.values()) {
      const released = this.#released.get(runtime.name);
      if (released && released.claim >= runtime.claim) this.#release(runtime, released.movingTo);
      else if (this.#seats.has(runtime.name)) continue;
      else if (this.isDraining) this.#release(runtime, null);
      else this.#open(runtime);
    }
    const { claims, handOvers } = plan({
      self: this.id,
      isDraining: this.isDraining,
      sight: this.#sight,
      isSilent: (host) => this.isSilent(host),
      isOverdue: (name) => this.#clock.now() - (this.#orphans.get(name) ?? Number.NaN) >= leaseMs,
      leaving: new Set([...this.#seats].flatMap(([name, { isHandedOver }]) => (isHandedOver ? [name] : []))),
    });
    for (const runtime of claims) void this.#claim(runtime);
    for (const { name, movingTo } of handOvers) {
      const seat = this.#seats.get(name);
      if (seat?.state === 'serving') void this.#handOver(seat, movingTo);
    }
    for (const { id, beat } of this.#sight.hosts)
      if (this.#silences.ofHost(id) >= FORGOTTEN_AFTER * leaseMs && !this.#ownsAny(id))
        void this.#inTime(membership.leave(id, beat)).catch(() => {});
  }

  #ownsAny(host: string): boolean {
    return this.#sight.runtimes.some((runtime) => runtime.host === host);
  }

  async #claim(seen: SeenRuntime): Promise<void> {
    const { membership } = this.#options;
    const beat = this.#sight.hosts.find(({ id }) => id === seen.host)?.beat ?? null;
    try {
      if (!(await this.#inTime(membership.claim(this.id, seen, beat)))) return;
    } catch {
      // the next look tells if it has happened
      return;
    }
    const claimed = { ...seen, host: this.id, claim: seen.claim + 1 };
    if (this.#isStopped || !this.#lease.isValid || this.#seats.has(seen.name)) return;
    if (this.isDraining) this.#release(claimed, null);
    else this.#open(claimed);
  }

  #open({ name, runtimeId, claim }: SeenRuntime): void {
    const failure = this.#failures.get(name);
    if (failure && failure.againMs > this.#clock.now()) return;
    void this.#serve({ name, runtimeId, claim });
  }

  async #serve(claimed: Claimed): Promise<void> {
    const { name } = claimed;
    const making = this.#options.serve(claimed);
    const service = making instanceof Promise ? await making : making;
    if (this.#isStopped || !this.#lease.isValid || this.#seats.has(name)) return service.fence();
    const seat = new Seat(claimed, service, this.#looks);
    this.#seats.set(name, seat);
    try {
      await service.start();
    } catch (error) {
      this.#failed(seat, error);
      return;
    }
    if (seat.state !== 'opening') return;
    this.#failures.delete(name);
    seat.state = 'serving';
    this.#log.info({ runtime: name, claim: claimed.claim }, 'serves a Runtime');
    this.#notify();
    await service.lost;
    if (this.#seats.get(name) === seat && seat.state === 'serving') this.#drop(seat, 'its store was lost');
  }

  #failed(seat: Seat, error: unknown): void {
    const { name } = seat.claimed;
    if (this.#seats.get(name) === seat) this.#seats.delete(name);
    // the lease has ended in the meantime, or another host has taken over
    if (seat.state === 'ended') return;
    seat.state = 'ended';
    const count = (this.#failures.get(name)?.count ?? 0) + 1;
    // a database that is away comes back for all Runtimes at the same time
    const longestMs = RuntimeError.from(error).retryable ? this.#options.leaseMs / 4 : LONGEST_RETRY_MS;
    const pauseMs = Math.min(this.#options.leaseMs * 2 ** (count - 3), longestMs);
    this.#failures.set(name, { count, againMs: this.#clock.now() + pauseMs });
    this.#log.error({ runtime: name, err: RuntimeError.from(error), count }, 'a Runtime did not open');
    this.#notify();
  }

  async #handOver(seat: Seat, movingTo: string | null): Promise<void> {
    const { name } = seat.claimed;
    seat.isHandedOver = true;
    this.#log.info({ runtime: name, movingTo }, 'hands over a Runtime');
    await seat.service.handOver(this.#options.handOverMs, () => {
      if (seat.state !== 'ended') seat.state = 'leaving';
      this.#notify();
    });
    if (this.#seats.get(name) !== seat) return;
    this.#handOvers += 1;
    this.#release(seat.claimed, movingTo);
  }

  /** Ends the ownership of a Runtime that this host serves no longer. Each look repeats it until it has happened. */
  #release({ name, runtimeId, claim }: Claimed, movingTo: string | null): void {
    const seen = { name, runtimeId, claim, host: this.id, pinnedTo: null, movingTo: null };
    this.#released.set(name, { claim, movingTo });
    void this.#inTime(this.#options.membership.release(seen, movingTo)).then(
      () => {
        if (this.#seats.get(name)?.claimed.claim === claim) this.#seats.delete(name);
        this.#notify();
      },
      () => {},
    );
  }

  #drop(seat: Seat, reason: string): void {
    const { name } = seat.claimed;
    this.#log.warn({ runtime: name, reason }, 'serves a Runtime no longer');
    seat.fence();
    this.#seats.delete(name);
    this.#notify();
  }

  /** Ends all Runtimes at once. What this host still owns opens again after the next beat that is acknowledged. */
  #fence(): void {
    if (this.#seats.size > 0) this.#fences += 1;
    for (const seat of [...this.#seats.values()]) this.#drop(seat, 'the lease of this host has ended');
    this.#notify();
  }

  #notify(): void {
    for (const listener of [...this.#listeners]) listener();
  }

  #changed(): Promise<void> {
    return new Promise((resolve) => {
      const stop = this.onChange(() => {
        stop();
        resolve();
      });
    });
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => void this.#clock.after(ms, resolve));
  }

  /** Waits for an answer, for as long as one may still be useful. */
  #inTime<T>(answer: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const cancel = this.#clock.after(this.#options.leaseMs / 2, () =>
        reject(new RuntimeError('STORE_UNAVAILABLE', 'The membership did not answer in time')),
      );
      answer.then(resolve, reject).finally(cancel);
    });
  }
}
