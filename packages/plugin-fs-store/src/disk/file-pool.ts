import type { Disk } from './disk.ts';

interface Pooled {
  readonly file: Promise<number>;
  users: number;
  isDropped: boolean;
}

/** Open files by path, at most `limit` and those in use: the ones used longest ago are closed first. */
export class FilePool {
  readonly #disk: Disk;
  readonly #limit: number;
  readonly #files = new Map<string, Pooled>();

  constructor(disk: Disk, limit: number) {
    this.#disk = disk;
    this.#limit = limit;
  }

  get size(): number {
    return this.#files.size;
  }

  /** Runs a job with the open file; it is not closed meanwhile. `create` makes a file that is not there. */
  async use<T>(path: string, mode: 'write' | 'create', job: (file: number) => Promise<T>): Promise<T> {
    let pooled = this.#files.get(path);
    if (pooled) this.#files.delete(path);
    else pooled = { file: this.#disk.open(path, mode), users: 0, isDropped: false };
    this.#files.set(path, pooled);
    pooled.users += 1;
    try {
      return await job(await pooled.file);
    } catch (error) {
      // Opened anew next time: what failed may have been the file itself.
      this.#forget(path, pooled);
      throw error;
    } finally {
      pooled.users -= 1;
      if (pooled.isDropped && pooled.users === 0) await this.#close(pooled);
      if (this.#files.size > this.#limit) await this.#closeOldest();
    }
  }

  /** Closes a file, at once or when its last user is done. */
  async drop(path: string): Promise<void> {
    const pooled = this.#files.get(path);
    if (!pooled) return;
    this.#forget(path, pooled);
    if (pooled.users === 0) await this.#close(pooled);
  }

  async close(): Promise<void> {
    for (const path of [...this.#files.keys()]) await this.drop(path);
  }

  #forget(path: string, pooled: Pooled): void {
    pooled.isDropped = true;
    if (this.#files.get(path) === pooled) this.#files.delete(path);
  }

  async #closeOldest(): Promise<void> {
    for (const [path, pooled] of this.#files) {
      if (this.#files.size <= this.#limit) return;
      if (pooled.users === 0) await this.drop(path);
    }
  }

  async #close(pooled: Pooled): Promise<void> {
    try {
      await this.#disk.close(await pooled.file);
    } catch {
      // It never opened, or the close failed: either way no descriptor is left.
    }
  }
}
