const OTHERS = 'other';

/** Counts by name. Names beyond the limit share one count. */
export class Tally {
  readonly #limit: number;
  readonly #counts = new Map<string, number>();

  constructor(limit = Number.POSITIVE_INFINITY) {
    this.#limit = limit;
  }

  add(name: string, count = 1): void {
    const known = this.#counts.get(name);
    if (known !== undefined) this.#counts.set(name, known + count);
    else if (this.#counts.size < this.#limit) this.#counts.set(name, count);
    else this.#counts.set(OTHERS, (this.#counts.get(OTHERS) ?? 0) + count);
  }

  /** Returns the count of a name. */
  of(name: string): number {
    return this.#counts.get(name) ?? 0;
  }

  /** Calls `visit` with each count. */
  report(visit: (count: number, name: string) => void): void {
    for (const [name, count] of this.#counts) visit(count, name);
  }
}
