import type { HostCard, Membership, SeenHost, SeenRuntime, Sight } from '@worker-runtime/core/plugin-kit';
import { mintId } from '@worker-runtime/core/plugin-kit';

const isAsSeen = (now: SeenRuntime | undefined, seen: SeenRuntime): now is SeenRuntime =>
  now !== undefined && now.host === seen.host && now.claim === seen.claim;

/** The membership of hosts in one process, for tests. */
export class MemoryMembership implements Membership {
  readonly #hosts = new Map<string, SeenHost>();
  readonly #runtimes = new Map<string, SeenRuntime>();
  readonly #listeners = new Set<() => void>();

  async beat(host: HostCard): Promise<void> {
    const known = this.#hosts.get(host.id);
    const isDraining = host.isDraining || known?.isDraining === true;
    this.#hosts.set(host.id, { ...host, isDraining, beat: (known?.beat ?? 0) + 1 });
  }

  async look(): Promise<Sight> {
    return { hosts: [...this.#hosts.values()], runtimes: [...this.#runtimes.values()] };
  }

  async claim(host: string, seen: SeenRuntime, ownerBeat: number | null): Promise<boolean> {
    const now = this.#runtimes.get(seen.name);
    if (!isAsSeen(now, seen)) return false;
    if (now.host !== null && (this.#hosts.get(now.host)?.beat ?? null) !== ownerBeat) return false;
    this.#runtimes.set(seen.name, { ...now, host, claim: now.claim + 1, movingTo: null });
    this.#ring();
    return true;
  }

  async release(seen: SeenRuntime, movingTo: string | null): Promise<boolean> {
    const now = this.#runtimes.get(seen.name);
    if (!isAsSeen(now, seen)) return false;
    this.#runtimes.set(seen.name, { ...now, host: null, claim: now.claim + 1, movingTo });
    this.#ring();
    return true;
  }

  async leave(host: string, beat?: number): Promise<void> {
    if (beat === undefined || this.#hosts.get(host)?.beat === beat) this.#hosts.delete(host);
  }

  async create(name: string, pinnedTo: string | null): Promise<SeenRuntime> {
    const known = this.#runtimes.get(name);
    const runtime = known
      ? { ...known, pinnedTo }
      : { name, runtimeId: mintId('runtime'), host: null, claim: 0, pinnedTo, movingTo: null };
    this.#runtimes.set(name, runtime);
    this.#ring();
    return runtime;
  }

  async move(name: string, movingTo: string): Promise<boolean> {
    const runtime = this.#runtimes.get(name);
    if (!runtime) return false;
    this.#runtimes.set(name, { ...runtime, movingTo });
    this.#ring();
    return true;
  }

  async drain(host: string): Promise<boolean> {
    const known = this.#hosts.get(host);
    if (!known) return false;
    this.#hosts.set(host, { ...known, isDraining: true });
    this.#ring();
    return true;
  }

  onChange(callback: () => void): void {
    this.#listeners.add(callback);
  }

  async close(): Promise<void> {}

  #ring(): void {
    for (const listener of this.#listeners) listener();
  }
}
