/** Limits how many answers are read from the store at once. Further reads wait in order. */
export class Reads {
  readonly #atOnce: number;
  #active = 0;
  readonly #waiting: (() => void)[] = [];

  constructor(atOnce: number) {
    this.#atOnce = atOnce;
  }

  /** Calls `read` when it is its turn. */
  async run<T>(read: () => Promise<T>): Promise<T> {
    if (this.#active >= this.#atOnce) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    else this.#active += 1;
    try {
      return await read();
    } finally {
      const next = this.#waiting.shift();
      if (next) next();
      else this.#active -= 1;
    }
  }
}
