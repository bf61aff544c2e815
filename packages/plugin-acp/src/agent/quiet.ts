/** The time without an update after which an agent counts as quiet, in milliseconds. */
const QUIET_MS = 100;

/**
 * Waits until an agent is quiet. By the protocol, an agent sends nothing after its answer to a request, but common agents
 * answer before they have sent the last updates that belong to it.
 */
export class Quiet {
  /** Resolves when the agent is quiet, or when it no longer matters. */
  readonly over: Promise<void>;
  readonly #quiet: NodeJS.Timeout;
  readonly #longest: NodeJS.Timeout;
  #resolve: () => void = () => {};

  /** @param longestMs the longest time to wait, in milliseconds */
  constructor(longestMs: number) {
    this.over = new Promise((resolve) => {
      this.#resolve = resolve;
    });
    this.#quiet = setTimeout(() => this.end(), QUIET_MS);
    this.#longest = setTimeout(() => this.end(), longestMs);
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
