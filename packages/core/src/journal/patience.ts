import type { Clock } from '../contracts/clock.ts';

/** Lets decisions wait for a store that is away. Its owner may end all of its waits at once. */
export class Patience {
  /** The ends of the waits. Created by the first wait, because a store is rarely away. */
  #ends: Set<() => void> | null = null;
  #isOver = false;

  /** True if no decision waits any longer. */
  get isOver(): boolean {
    return this.#isOver;
  }

  /** Ends all waits, and allows no others. */
  end(): void {
    this.#isOver = true;
    for (const end of this.#ends ?? []) end();
  }

  /**
   * Calls `over` once: after `delayMs` milliseconds, or as soon as the patience ends. Returns the function that cancels
   * the wait.
   */
  wait(clock: Clock, delayMs: number, over: () => void): () => void {
    const end = (): void => {
      cancel();
      over();
    };
    const cancelTimer = clock.after(this.#isOver ? 0 : delayMs, end);
    const cancel = (): void => {
      this.#ends?.delete(end);
      cancelTimer();
    };
    this.#ends ??= new Set();
    this.#ends.add(end);
    return cancel;
  }
}
