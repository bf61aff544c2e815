import { mkdirSync, readdirSync, renameSync, unlinkSync } from 'node:fs';
import { join } from 'node:path';
import type { Random } from './random.ts';

/** The files of a store that is in use, as other programs may treat them: cleaners, synchronizers, administrators. */
export class StoreFiles {
  readonly #store: string;
  readonly #aside: string;

  /** `aside` is a folder on the same disk. */
  constructor(store: string, aside: string) {
    this.#store = store;
    this.#aside = aside;
    mkdirSync(aside, { recursive: true });
  }

  /** Unlinks the sockets of the lock, as a cleaner of temporary files does. */
  unlinkLockSockets(): void {
    for (const name of readdirSync(this.#store))
      if (name.startsWith('lock-') && name.endsWith('.sock')) unlinkSync(join(this.#store, name));
  }

  /**
   * Moves the files of a Worker away. Returns a function that puts them back. Permissions would be the other way to make
   * files unusable, but they do not bind root.
   */
  takeWorkerAway(random: Random): () => void {
    const folders = readdirSync(join(this.#store, 'workers')).filter((name) => /^w\d+\./.test(name));
    if (folders.length === 0) return () => {};
    const name = random.of(folders);
    const [from, to] = [join(this.#store, 'workers', name), join(this.#aside, name)];
    renameSync(from, to);
    return () => renameSync(to, from);
  }
}
