import { RuntimeError } from '../contracts/runtime-error.ts';

/** Keeps readings of archives and removals of history apart, because a reading takes longer than any lock should be held. */
export class ArchiveGate {
  #readings = 0;
  /** The last removal. */
  #removing: Promise<unknown> = Promise.resolve();

  /** Yields what a reading yields, after the removals in progress. No removal begins before its end. */
  async *reading<T>(read: () => AsyncIterable<T>): AsyncGenerator<T> {
    this.#readings += 1;
    try {
      await this.#removing;
      yield* read();
    } finally {
      this.#readings -= 1;
    }
  }

  /** Runs a removal after earlier ones. @throws STORE_UNAVAILABLE an archive is being made */
  removing<T>(remove: () => Promise<T>): Promise<T> {
    const removing = this.#removing.then(() => {
      if (this.#readings === 0) return remove();
      throw new RuntimeError('STORE_UNAVAILABLE', 'An archive is being made; remove history after that');
    });
    this.#removing = removing.catch(() => {});
    return removing;
  }
}
