/** A place in a script where an engine waits until a test lets it on. Once open, it stays open. */
export interface Gate {
  /** Resolves when somebody has come to the gate. */
  readonly reached: Promise<void>;
  /** Resolves when so many have come to it. */
  arrivals(count: number): Promise<void>;
  open(): void;
}

export class NamedGate implements Gate {
  readonly #waiting: { readonly count: number; readonly resolve: () => void }[] = [];
  readonly #opened: Promise<void>;
  #open: () => void = () => {};
  #arrived = 0;

  constructor() {
    this.#opened = new Promise((resolve) => {
      this.#open = resolve;
    });
  }

  get reached(): Promise<void> {
    return this.arrivals(1);
  }

  arrivals(count: number): Promise<void> {
    if (this.#arrived >= count) return Promise.resolve();
    return new Promise((resolve) => this.#waiting.push({ count, resolve }));
  }

  open(): void {
    this.#open();
  }

  /** Comes to the gate. Resolves when it is open. */
  pass(): Promise<void> {
    this.#arrived += 1;
    for (const { count, resolve } of this.#waiting) if (this.#arrived >= count) resolve();
    return this.#opened;
  }
}
