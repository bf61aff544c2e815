import { hash } from 'node:crypto';
import type { SeenRuntime, Sight } from '@worker-runtime/core/plugin-kit';

/** The knowledge of one host for its plan. */
export interface Situation {
  /** The id of the host. */
  readonly self: string;
  readonly isDraining: boolean;
  readonly sight: Sight;
  /** True if a host has been silent for a lease. */
  readonly isSilent: (host: string) => boolean;
  /** True if a Runtime has been without an owner for a lease. */
  readonly isOverdue: (runtime: string) => boolean;
  /** The names of the Runtimes that this host is handing over. */
  readonly leaving: ReadonlySet<string>;
}

/** The claims and handovers that one host should make. */
export interface Plan {
  readonly claims: readonly SeenRuntime[];
  readonly handOvers: readonly { readonly name: string; readonly movingTo: string | null }[];
}

/** Orders Runtimes differently for each host, so that hosts rarely claim the same one at the same moment. */
const rank = (host: string, { name }: SeenRuntime): string => hash('sha256', `${host}\n${name}`, 'hex');

/** The number of Runtimes of each host that takes some, with those on the way to it. */
class Loads {
  readonly #counts: Map<string, number>;

  constructor(takers: readonly string[]) {
    this.#counts = new Map(takers.map((id) => [id, 0]));
  }

  get size(): number {
    return this.#counts.size;
  }

  has(id: string): boolean {
    return this.#counts.has(id);
  }

  of(id: string): number {
    return this.#counts.get(id) ?? 0;
  }

  add(id: string, change = 1): void {
    if (this.has(id)) this.#counts.set(id, this.of(id) + change);
  }

  /** Returns the host with the fewest Runtimes, and of several the one with the least id; null if there is none. */
  least(except?: string): string | null {
    return this.#choose(except, (a, b) => a < b);
  }

  most(): string | null {
    return this.#choose(undefined, (a, b) => a > b);
  }

  #choose(except: string | undefined, isBetter: (a: number, b: number) => boolean): string | null {
    let chosen: string | null = null;
    for (const id of [...this.#counts.keys()].toSorted())
      if (id !== except && (chosen === null || isBetter(this.of(id), this.of(chosen)))) chosen = id;
    return chosen;
  }
}

/**
 * Plans what a host does after a look. Every host computes the same from the same sight, and no host decides for another one:
 *
 * - A Runtime without an owner goes to the host that it is moving to, or else to a host that has less than its share. A host
 *   that has its share takes it if it has been without an owner for a lease.
 * - The host with the most Runtimes hands one over at a time to the host with the fewest, while they differ by two or more. So hosts
 *   end with equal numbers, and a Runtime never moves back.
 * - A pinned Runtime belongs to the host with that name alone, and counts for no share.
 */
export const plan = ({ self, isDraining, sight, isSilent, isOverdue, leaving }: Situation): Plan => {
  const live = sight.hosts.filter(({ id }) => id === self || !isSilent(id));
  const names = new Map(live.map(({ id, name }) => [id, name]));
  const takers = live.filter((host) => (host.id === self ? !isDraining : !host.isDraining));
  const loads = new Loads(takers.map(({ id }) => id));
  const ownerOf = ({ host }: SeenRuntime): string | null => (host !== null && names.has(host) ? host : null);
  const targetOf = ({ movingTo, pinnedTo }: SeenRuntime): string | null =>
    movingTo !== null && loads.has(movingTo) && (pinnedTo === null || names.get(movingTo) === pinnedTo)
      ? movingTo
      : null;
  const shared = sight.runtimes.filter(({ pinnedTo }) => pinnedTo === null);
  for (const runtime of shared) {
    const id = targetOf(runtime) ?? ownerOf(runtime);
    if (id !== null) loads.add(id);
  }

  const handOvers: { name: string; movingTo: string | null }[] = [];
  const mine = sight.runtimes.filter(({ host, name }) => host === self && !leaving.has(name));
  for (const runtime of mine) {
    const { name, pinnedTo } = runtime;
    const target = targetOf(runtime);
    if (target !== null && target !== self) handOvers.push({ name, movingTo: target });
    else if (isDraining) {
      const movingTo = pinnedTo === null ? loads.least() : null;
      if (movingTo !== null) loads.add(movingTo);
      handOvers.push({ name, movingTo });
    }
  }
  const least = loads.least(self);
  const isFullest = loads.most() === self && least !== null && loads.of(self) - loads.of(least) >= 2;
  if (isFullest && handOvers.length === 0 && leaving.size === 0) {
    const last = mine.findLast(({ pinnedTo }) => pinnedTo === null);
    if (last) handOvers.push({ name: last.name, movingTo: least });
  }

  if (!loads.has(self)) return { claims: [], handOvers };
  const share = Math.ceil(shared.length / loads.size);
  const mayTake = (runtime: SeenRuntime): boolean => {
    const target = targetOf(runtime);
    if (target !== null) return target === self;
    if (runtime.pinnedTo !== null) return runtime.pinnedTo === names.get(self);
    if (loads.of(self) >= share && !isOverdue(runtime.name)) return false;
    loads.add(self);
    return true;
  };
  const claims = sight.runtimes
    .filter((runtime) => ownerOf(runtime) === null)
    .map((runtime) => ({ runtime, rank: rank(self, runtime) }))
    .toSorted((a, b) => (a.rank < b.rank ? -1 : 1))
    .flatMap(({ runtime }) => (mayTake(runtime) ? [runtime] : []));
  return { claims, handOvers };
};
