/**
 * Runs jobs one after the other. Node's thread pool has four threads, and a stalled sync occupies one of them. The
 * write-ahead log, the Workers' files and the reads have one lane each, so an open store never has more than three calls
 * in the pool. If many files are due, other threads write them, and their lane has no call in the pool.
 */
export class Lane {
  #last: Promise<unknown> = Promise.resolve();

  /** Runs a job after all earlier ones. Returns its result. */
  run<T>(job: () => Promise<T>): Promise<T> {
    const result = this.#last.then(job);
    this.#last = result.catch(() => {});
    return result;
  }

  /** Waits for every job that was added before this call. */
  async drained(): Promise<void> {
    await this.#last;
  }
}
