import type { Disk } from './disk.ts';

interface PooledFile {
  readonly handle: Promise<number>;
  users: number;
  /** The file is out of the pool, and is closed once no job uses it. */
  isReleased: boolean;
}

/** Open files by path. Above `limit`, the least recently used files without a user are closed. */
export class FilePool {
  readonly #disk: Disk;
  readonly #limit: number;
  readonly #files = new Map<string, PooledFile>();

  constructor(disk: Disk, limit: number) {
    this.#disk = disk;
    this.#limit = limit;
  }

  get size(): number {
    return this.#files.size;
  }

  /** Runs a job with the open file, which stays open until the job ends. `create` makes a missing file. */
  async use<T>(path: string, mode: 'write' | 'create', job: (file: number) => Promise<T>): Promise<T> {
    let pooled = this.#files.get(path);
    if (pooled) this.#files.delete(path);
    else pooled = { handle: this.#disk.open(path, mode), users: 0, isReleased: false };
    this.#files.set(path, pooled);
    pooled.users += 1;
    try {
      return await job(await pooled.handle);
    } catch (error) {
      // The next use opens the file again: the failure may be one of this descriptor.
      this.#remove(path, pooled);
      throw error;
    } finally {
      pooled.users -= 1;
      if (pooled.isReleased && pooled.users === 0) await this.#close(pooled);
      if (this.#files.size > this.#limit) await this.#closeOldest();
    }
  }

  /** Closes a file now, or as soon as its last user is done. */
  async release(path: string): Promise<void> {
    const pooled = this.#files.get(path);
    if (!pooled) return;
    this.#remove(path, pooled);
    if (pooled.users === 0) await this.#close(pooled);
  }

  async close(): Promise<void> {
    for (const path of [...this.#files.keys()]) await this.release(path);
  }

  #remove(path: string, pooled: PooledFile): void {
    pooled.isReleased = true;
    if (this.#files.get(path) === pooled) this.#files.delete(path);
  }

  async #closeOldest(): Promise<void> {
    for (const [path, pooled] of this.#files) {
      if (this.#files.size <= this.#limit) return;
      if (pooled.users === 0) await this.release(path);
    }
  }

  async #close(pooled: PooledFile): Promise<void> {
    try {
      await this.#disk.close(await pooled.handle);
    } catch {
      // The open or the close failed. Either way no descriptor is left.
    }
  }
}
