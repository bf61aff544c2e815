/** The time for which an agent has to be quiet after its answer until its run ends, in milliseconds. */
const QUIET_MS = 100;

/** The longest time to wait until an agent is quiet, in milliseconds. */
const LONGEST_MS = 1_000;

/**
 * Waits for the words that an agent sends after its answer to a prompt. By the protocol there are none, but common agents
 * answer before they have sent their last updates.
 */
export class LastWords {
  /** Resolves when the agent is quiet, or when it no longer matters. */
  readonly over: Promise<void>;
  readonly #quiet: NodeJS.Timeout;
  readonly #longest: NodeJS.Timeout;
  #resolve: () => void = () => {};

  constructor() {
    this.over = new Promise((resolve) => {
      this.#resolve = resolve;
    });
    this.#quiet = setTimeout(() => this.end(), QUIET_MS);
    this.#longest = setTimeout(() => this.end(), LONGEST_MS);
  }

  /** Called for each update of the agent. */
  heard(): void {
    this.#quiet.refresh();
  }

  end(): void {
    clearTimeout(this.#quiet);
    clearTimeout(this.#longest);
    this.#resolve();
  }
}
