/** The most pages that are read at once. Each may have a megabyte. */
const AT_ONCE = 64;

/** Limits how many pages are read from the store at once. Further reads wait in order. */
export class Reads {
  #active = 0;
  readonly #waiting: (() => void)[] = [];

  /** Calls `read` when it is its turn. */
  async run<T>(read: () => Promise<T>): Promise<T> {
    if (this.#active >= AT_ONCE) await new Promise<void>((resolve) => this.#waiting.push(resolve));
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
