/** The time that a test waits for an expected item before it fails, in milliseconds. */
const TIMEOUT_MS = 30_000;

/** Callers that wait for a condition. `wake` makes all of them check theirs again. */
export class Waiters {
  #waiting: (() => void)[] = [];

  wake(): void {
    for (const resolve of this.#waiting.splice(0)) resolve();
  }

  /** Waits until the condition holds. Checks it at first and at each `wake`. Returns false after `TIMEOUT_MS`. */
  async until(holds: () => boolean): Promise<boolean> {
    let isOver = false;
    const timer = setTimeout(() => {
      isOver = true;
      this.wake();
    }, TIMEOUT_MS);
    try {
      while (!holds()) {
        if (isOver) return false;
        await new Promise<void>((resolve) => this.#waiting.push(resolve));
      }
      return true;
    } finally {
      clearTimeout(timer);
    }
  }
}
