/** Limits how many tests of a kit run at once, because a test waits for its runtime only so long. Further tests wait in order. */
export class Turns {
  readonly #most: number;
  #active = 0;
  readonly #waiting: (() => void)[] = [];

  constructor(most: number) {
    this.#most = most;
  }

  /** Resolves when it is the caller's turn, with the function that ends the turn. */
  async take(): Promise<() => void> {
    if (this.#active >= this.#most) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    else this.#active += 1;
    return () => {
      const next = this.#waiting.shift();
      // the turn passes to the next test, so the number of active ones stays
      if (next) next();
      else this.#active -= 1;
    };
  }
}
