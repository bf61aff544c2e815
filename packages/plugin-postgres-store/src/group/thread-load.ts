/** The time over which the load is measured, in milliseconds. */
const WINDOW_MS = 100;
/** The share of the time from which the thread, and not PostgreSQL, limits the rate. */
const BUSY = 0.5;

/** Measures how busy the thread is. */
export class ThreadLoad {
  #since = performance.eventLoopUtilization();
  #isBusy = false;

  /** Returns true if the thread was busy for more than half of the last full window. */
  isHigh(): boolean {
    const { active, idle, utilization } = performance.eventLoopUtilization(this.#since);
    if (active + idle >= WINDOW_MS) {
      this.#isBusy = utilization > BUSY;
      this.#since = performance.eventLoopUtilization();
    }
    return this.#isBusy;
  }
}
