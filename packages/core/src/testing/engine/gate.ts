/** A point in a script where the engine waits until the test opens it. An open gate stays open. */
export interface Gate {
  /** Resolves when the first script has arrived at the gate. */
  readonly reached: Promise<void>;
  /** Resolves when `count` scripts have arrived at the gate. */
  arrivals(count: number): Promise<void>;
  /** Lets all waiting scripts continue, and all later ones pass. */
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

  /** Arrives at the gate. Resolves when it is open. */
  pass(): Promise<void> {
    this.#arrived += 1;
    for (const { count, resolve } of this.#waiting) if (this.#arrived >= count) resolve();
    return this.#opened;
  }
}
