const MAX_KEPT = 10_000;

/** Values of which each may be used once, until the time is over in which it could be used at all. */
export class UsedOnce {
  readonly #keptMs: number;
  readonly #until = new Map<string, number>();

  constructor(keptMs: number) {
    this.#keptMs = keptMs;
  }

  /** Uses a value. Returns false if it is used already. */
  use(value: string): boolean {
    const now = performance.now();
    for (const [kept, until] of this.#until) {
      // the oldest one comes first
      if (until > now && this.#until.size < MAX_KEPT) break;
      this.#until.delete(kept);
    }
    if (this.#until.has(value)) return false;
    this.#until.set(value, now + this.#keptMs);
    return true;
  }
}
