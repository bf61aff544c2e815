import { type Disk, writeFully } from '../disk/disk.ts';
import { errnoOf } from '../disk/disk-failure.ts';
import type { Layout } from '../layout/layout.ts';
import { catalogHeader } from './catalog.ts';

/** The appended bytes above which a catalog is rewritten, if they are also more than the rest of it. */
const APPENDED_BYTES = 1_048_576;

/** The catalog on disk. Lines are appended to it until it is rewritten; the previous file is then kept. */
export class CatalogFile {
  readonly #disk: Disk;
  readonly #layout: Layout;
  readonly #runtimeId: string;
  #bytes: number;
  #base: number;

  /** `bytes` is the length of the file, `base` the part of it that no later line replaces. */
  constructor(disk: Disk, layout: Layout, runtimeId: string, bytes: number, base: number) {
    this.#disk = disk;
    this.#layout = layout;
    this.#runtimeId = runtimeId;
    this.#bytes = bytes;
    this.#base = base;
  }

  /** True if the catalog should be rewritten. */
  get isOutgrown(): boolean {
    return this.#bytes - this.#base > Math.max(APPENDED_BYTES, this.#base);
  }

  /** Appends lines and syncs them. Cuts off the rest of an earlier, interrupted append first. */
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

  /** Rewrites the catalog with these lines only, and keeps the previous file. */
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
