/**
 * Divides places among callers. A caller gets another place only while it has fewer than are free, so it never has more than it leaves to all
 * others. Where callers are not identified, all of them are one, and can take every place.
 */
export class Shares {
  readonly limit: number;
  #taken = 0;
  /** The places of each caller that has some. */
  readonly #own = new Map<string, number>();

  constructor(limit: number) {
    this.limit = limit;
  }

  /** Returns the places that a caller has. */
  of(caller: string | null): number {
    return caller === null ? this.#taken : (this.#own.get(caller) ?? 0);
  }

  /** True if all places are taken. */
  get isFull(): boolean {
    return this.#taken >= this.limit;
  }

  /** Takes a place. Returns the function that gives it back, or null if there is none for this caller. */
  take(caller: string | null): (() => void) | null {
    if (this.isFull) return null;
    const own = this.of(caller);
    if (caller !== null && own >= this.limit - this.#taken) return null;
    this.#taken += 1;
    if (caller !== null) this.#own.set(caller, own + 1);
    let isTaken = true;
    return () => {
      if (isTaken) this.#giveBack(caller);
      isTaken = false;
    };
  }

  #giveBack(caller: string | null): void {
    this.#taken -= 1;
    if (caller === null) return;
    const rest = this.of(caller) - 1;
    if (rest === 0) this.#own.delete(caller);
    else this.#own.set(caller, rest);
  }
}
