import type { Disk } from '../disk/disk.ts';

/**
 * The names of the Workers' directories. There may be very many, so they are listed while the catalog is read, and released early if they
 * will hardly be needed.
 */
export class Directories {
  readonly #disk: Disk;
  readonly #path: string;
  readonly #listing: Promise<number>;
  #names: readonly string[] | null = null;
  #expected = -1;

  constructor(disk: Disk, path: string) {
    this.#disk = disk;
    this.#path = path;
    this.#listing = disk.list(path).then((names) => {
      this.#names = names;
      this.#release();
      return names.length;
    });
    this.#listing.catch(() => {});
  }

  /** Returns the number of names. */
  count(): Promise<number> {
    return this.#listing;
  }

  async names(): Promise<readonly string[]> {
    await this.#listing;
    return this.#names ?? this.#disk.list(this.#path);
  }

  /** Gives the number of directories that are known. If there are no others, the names are released. */
  expect(count: number): void {
    this.#expected = count;
    this.#release();
  }

  #release(): void {
    if (this.#names && this.#names.length <= this.#expected) this.#names = null;
  }
}
