/** The time without an update after which an agent counts as quiet, in milliseconds. */
const QUIET_MS = 100;
/** A timer that fires later than this shows a loaded machine, on which the agent may be late too. */
const LATE_MS = 20;

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
  /** The time at which the present wait began. */
  #since = performance.now();

  /** @param longestMs the longest time to wait, in milliseconds */
  constructor(longestMs: number) {
    this.over = new Promise((resolve) => {
      this.#resolve = resolve;
    });
    this.#quiet = setTimeout(() => this.#expired(), QUIET_MS);
    this.#longest = setTimeout(() => this.end(), longestMs);
  }

  /** Called for each update of the agent. */
  heard(): void {
    this.#waitAgain();
  }

  #waitAgain(): void {
    this.#since = performance.now();
    this.#quiet.refresh();
  }

  #expired(): void {
    const since = this.#since;
    if (performance.now() - since > QUIET_MS + LATE_MS) {
      this.#waitAgain();
      return;
    }
    // Node runs timers before it reads from pipes, so an update may wait in one: the agent is quiet if none comes now.
    setImmediate(() => {
      if (this.#since === since) this.end();
    });
  }

  end(): void {
    clearTimeout(this.#quiet);
    clearTimeout(this.#longest);
    this.#resolve();
  }
}
