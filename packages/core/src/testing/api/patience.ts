/** How long a test waits for what has to come. */
const PATIENCE_MS = 30_000;

/** Those who wait for something new, woken all at once. */
export class Waiters {
  #waiting: (() => void)[] = [];

  wake(): void {
    for (const resolve of this.#waiting.splice(0)) resolve();
  }

  /** Waits until it holds, looking again whenever woken. False where that took too long. */
  async until(holds: () => boolean): Promise<boolean> {
    let isOver = false;
    const timer = setTimeout(() => {
      isOver = true;
      this.wake();
    }, PATIENCE_MS);
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
