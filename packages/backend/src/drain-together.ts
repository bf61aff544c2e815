/** Drains a server once, when each of its runtimes has ended its runs: until then, their streams still have events to send. */
export class DrainTogether {
  readonly #drain: (signal: AbortSignal) => Promise<void>;
  #expected: number;
  #arrived: () => void = () => {};
  readonly #all: Promise<void>;
  #drained: Promise<void> | null = null;

  constructor(runtimes: number, drain: (signal: AbortSignal) => Promise<void>) {
    this.#expected = runtimes;
    this.#drain = drain;
    this.#all = new Promise((resolve) => {
      this.#arrived = resolve;
    });
  }

  /** Resolves when the server has drained. A signal ends the wait for the other runtimes. */
  async arrive(signal: AbortSignal): Promise<void> {
    this.#expected -= 1;
    if (this.#expected === 0) this.#arrived();
    const aborted = new Promise<void>((resolve) => {
      if (signal.aborted) resolve();
      else signal.addEventListener('abort', () => resolve(), { once: true });
    });
    await Promise.race([this.#all, aborted]);
    this.#drained ??= this.#drain(signal);
    await this.#drained;
  }
}
