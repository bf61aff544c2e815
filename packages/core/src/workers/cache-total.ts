/**
 * The sum of what caches hold, with a limit. Above the limit, the caches that were used the longest time ago are emptied.
 * Each use costs constant time (amortized).
 */
export class CacheTotal<Cache> {
  readonly #limit: number;
  readonly #empty: (cache: Cache) => boolean;
  /** The sizes, in order of last use. */
  readonly #sizes = new Map<Cache, number>();
  #total = 0;

  /** `empty` releases what a cache holds, and returns false if the cache is in use. */
  constructor(limit: number, empty: (cache: Cache) => boolean) {
    this.#limit = limit;
    this.#empty = empty;
  }

  /** Notes that a cache was used, and its present size. */
  used(cache: Cache, size: number): void {
    this.forget(cache);
    this.#sizes.set(cache, size);
    this.#total += size;
    if (this.#total <= this.#limit) return;
    for (const oldest of this.#sizes.keys()) {
      if (this.#total <= this.#limit || oldest === cache) return;
      if (this.#empty(oldest)) this.forget(oldest);
    }
  }

  /** Notes that a cache is empty. */
  forget(cache: Cache): void {
    this.#total -= this.#sizes.get(cache) ?? 0;
    this.#sizes.delete(cache);
  }
}
