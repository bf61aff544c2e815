/**
 * Runs one job after the other. Node's thread pool has four threads, and a stuck sync keeps one: the log, the files
 * behind it and the reads have a lane each, so at most three calls of this store are ever in the pool.
 */
export class Lane {
  #last: Promise<unknown> = Promise.resolve();

  run<T>(job: () => Promise<T>): Promise<T> {
    const result = this.#last.then(job);
    this.#last = result.catch(() => {});
    return result;
  }

  /** On return everything that was given before has ended. */
  async drained(): Promise<void> {
    await this.#last;
  }
}
