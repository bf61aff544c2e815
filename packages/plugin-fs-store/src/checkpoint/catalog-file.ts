import { type Disk, writeFully } from '../disk/disk.ts';
import { errnoOf } from '../disk/disk-failure.ts';
import type { Layout } from '../layout/layout.ts';
import { catalogHeader } from './catalog.ts';

/** What a catalog may have in changes before it is written anew, beside as much again as its base has. */
const CHANGES_BYTES = 1_048_576;

/** The catalog on disk: lines are appended to it, until it is written anew and the one before is kept. */
export class CatalogFile {
  readonly #disk: Disk;
  readonly #layout: Layout;
  readonly #runtimeId: string;
  #bytes: number;
  #base: number;

  /** `bytes` is how long it is, `base` how much of that no later line replaces. */
  constructor(disk: Disk, layout: Layout, runtimeId: string, bytes: number, base: number) {
    this.#disk = disk;
    this.#layout = layout;
    this.#runtimeId = runtimeId;
    this.#bytes = bytes;
    this.#base = base;
  }

  get isOutgrown(): boolean {
    return this.#bytes - this.#base > Math.max(CHANGES_BYTES, this.#base);
  }

  /** On return the lines are in it, synced. What was broken off before is cut away. */
  async append(lines: readonly Buffer[]): Promise<void> {
    const bytes = Buffer.concat(lines);
    const file = await this.#disk.open(this.#layout.catalog, 'write');
    try {
      await this.#disk.truncate(file, this.#bytes);
      await writeFully(this.#disk, file, bytes, this.#bytes);
      await this.#disk.sync(file);
    } finally {
      await this.#disk.close(file);
    }
    this.#bytes += bytes.length;
  }

  /** Writes it anew with these lines alone, and keeps the one before. */
  async replace(lines: readonly Buffer[]): Promise<void> {
    const { nextCatalog, catalog, previousCatalog, root } = this.#layout;
    const chunks = [Buffer.from(catalogHeader(this.#runtimeId)), ...lines];
    await this.#disk.replace(nextCatalog, chunks);
    await this.#disk.rename(catalog, previousCatalog).catch((error: unknown) => {
      if (errnoOf(error) !== 'ENOENT') throw error;
    });
    await this.#disk.rename(nextCatalog, catalog);
    await this.#disk.syncDirectory(root);
    this.#bytes = chunks.reduce((sum, chunk) => sum + chunk.length, 0);
    this.#base = this.#bytes;
  }
}
