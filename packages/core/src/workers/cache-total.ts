interface Entry {
  size: number;
  /** True if the cache was used since the last pass. */
  isRecent: boolean;
}

/**
 * The sum of what caches hold, with a limit. Above the limit, caches that were not used recently are emptied (the CLOCK
 * algorithm of F. J. Corbató, 1968). Each use costs constant time (amortized).
 */
export class CacheTotal<Cache> {
  readonly #limit: number;
  readonly #empty: (cache: Cache) => boolean;
  readonly #entries = new Map<Cache, Entry>();
  #total = 0;

  /** `empty` releases what a cache holds, and returns false if the cache is in use. */
  constructor(limit: number, empty: (cache: Cache) => boolean) {
    this.#limit = limit;
    this.#empty = empty;
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

  /** Passes over the caches in order, and empties those that were not used since it last came by. */
  #makeRoom(user: Cache): void {
    let left = this.#entries.size * 2;
    for (const [cache, entry] of this.#entries) {
      if (this.#total <= this.#limit || left === 0) return;
      left -= 1;
      if (cache !== user && !entry.isRecent && this.#empty(cache)) {
        this.forget(cache);
        continue;
      }
      entry.isRecent = false;
      this.#entries.delete(cache);
      this.#entries.set(cache, entry);
    }
  }
}
