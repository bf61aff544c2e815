import { Timed, type TimeLimit } from '../time-limit.ts';

interface Reactions {
  readonly succeeded: () => void;
  readonly failed: (error: unknown) => void;
}

/**
 * The attempts of one Worker to append, of which one at a time is in progress. The object and its callbacks are made once and
 * not for each attempt, because an attempt is made for each commit.
 */
export class Attempt {
  readonly #limit: TimeLimit;
  readonly #timed: Timed;
  readonly #succeeded: () => void;
  readonly #failed: (error: unknown) => void;
  /** The callbacks of attempts that have not timed out. */
  #reactions: Reactions | null = null;

  /**
   * For each attempt, one of the two is called once: when it settles, or `failed` with the error of `late` when the limit has
   * passed.
   */
  constructor(limit: TimeLimit, late: () => Error, succeeded: () => void, failed: (error: unknown) => void) {
    this.#limit = limit;
    this.#succeeded = succeeded;
    this.#failed = failed;
    this.#timed = new Timed(() => {
      // the outcome of this attempt has no effect any more
      this.#reactions = null;
      failed(late());
    });
  }

  /** The steady time at which the last attempt began, in ms. */
  get sinceMs(): number {
    return this.#timed.sinceMs;
  }

  /** Begins an attempt. The previous one has ended. */
  watch(attempt: Promise<unknown>): void {
    this.#reactions ??= this.#react();
    this.#limit.add(this.#timed);
    attempt.then(this.#reactions.succeeded, this.#reactions.failed);
  }

  #react(): Reactions {
    const reactions: Reactions = {
      succeeded: () => {
        if (this.#reactions !== reactions) return;
        this.#limit.remove(this.#timed);
        this.#succeeded();
      },
      failed: (error) => {
        if (this.#reactions !== reactions) return;
        this.#limit.remove(this.#timed);
        this.#failed(error);
      },
    };
    return reactions;
  }
}
