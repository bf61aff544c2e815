import { setMaxListeners } from 'node:events';

/** Ends the authority of callers that it was given to. */
export class Withdrawal {
  readonly #controller = new AbortController();

  constructor() {
    // each stream of a caller listens
    setMaxListeners(0, this.#controller.signal);
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  withdraw(): void {
    this.#controller.abort();
  }
}
