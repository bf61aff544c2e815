interface Entry {
  size: number;
  /** True if the cache was used since the last pass. */
  isRecent: boolean;
}

/**
 * The most caches that one use looks at. If all of them are in use, the sum exceeds the limit, and a use must not become as expensive
 * as there are caches.
 */
const MOST_VISITED = 16;

/**
 * The sum of what caches hold, with a limit. Above the limit, caches that were not used recently are shrunk (the CLOCK
 * algorithm of F. J. Corbató, 1968). Each use costs constant time (amortized).
 */
export class CacheTotal<Cache> {
  readonly #limit: number;
  readonly #shrink: (cache: Cache) => number | null;
  readonly #entries = new Map<Cache, Entry>();
  #total = 0;

  /** `shrink` releases a part of what a cache holds, or all of it. It returns the size of the rest, or null if the cache is in use. */
  constructor(limit: number, shrink: (cache: Cache) => number | null) {
    this.#limit = limit;
    this.#shrink = shrink;
  }

  /** Notes that a cache was used, and its present size. */
  used(cache: Cache, size: number): void {
    const entry = this.#entries.get(cache);
    if (entry) {
      this.#total += size - entry.size;
      entry.size = size;
      entry.isRecent = true;
    } else {
      this.#total += size;
      this.#entries.set(cache, { size, isRecent: true });
    }
    if (this.#total > this.#limit) this.#makeRoom(cache);
  }

  /** Notes that a cache is empty. */
  forget(cache: Cache): void {
    this.#total -= this.#entries.get(cache)?.size ?? 0;
    this.#entries.delete(cache);
  }

  /** Passes over the caches in order, and shrinks those that were not used since it last came by. */
  #makeRoom(user: Cache): void {
    let left = Math.min(this.#entries.size * 2, MOST_VISITED);
    for (const [cache, entry] of this.#entries) {
      if (this.#total <= this.#limit || left === 0) return;
      left -= 1;
      const size = cache === user || entry.isRecent ? null : this.#shrink(cache);
      if (size === 0) {
        this.forget(cache);
        continue;
      }
      if (size !== null) {
        this.#total += size - entry.size;
        entry.size = size;
      }
      entry.isRecent = false;
      this.#entries.delete(cache);
      this.#entries.set(cache, entry);
    }
  }
}
