import { RuntimeError } from '@worker-runtime/core';
import type { StoredBundle } from '@worker-runtime/core/plugin-kit';
import type { Disk } from '../disk/disk.ts';
import { errnoOf, withDiskFailure } from '../disk/disk-failure.ts';
import type { Lane } from '../disk/lane.ts';
import { idOfFileName } from '../layout/file-name.ts';
import type { Layout } from '../layout/layout.ts';

const SUFFIX = '.json';
const DIGEST = /^[\x21-\x7e]{1,128}$/;

/** The bundles of a store, one file each. A file is replaced atomically and synced. */
export class BundleFiles {
  readonly #disk: Disk;
  readonly #layout: Layout;
  readonly #writes: Lane;
  readonly #reads: Lane;

  constructor(disk: Disk, layout: Layout, writes: Lane, reads: Lane) {
    this.#disk = disk;
    this.#layout = layout;
    this.#writes = writes;
    this.#reads = reads;
  }

  /** Writes a bundle, unless the same one is there. @throws INVALID_REQUEST the digest is not valid · STORE_FULL · STORE_UNAVAILABLE */
  async put({ digest, body }: StoredBundle): Promise<void> {
    if (!DIGEST.test(digest))
      throw new RuntimeError('INVALID_REQUEST', 'The digest of a bundle is not valid');
    await withDiskFailure(() =>
      this.#writes.run(async () => {
        const path = this.#layout.bundle(digest);
        const known = await this.#read(digest).catch(() => null);
        if (known === null || Buffer.compare(known, body) !== 0) await this.#disk.replace(path, [body]);
      }),
    );
  }

  /** Reads a bundle. Returns null if there is none of this digest. @throws STORE_UNAVAILABLE */
  get(digest: string): Promise<Uint8Array | null> {
    return withDiskFailure(() => this.#reads.run(() => this.#read(digest)));
  }

  /** Returns the digests of all bundles, sorted. @throws STORE_UNAVAILABLE */
  async list(): Promise<readonly string[]> {
    const names = await withDiskFailure(() => this.#reads.run(() => this.#disk.list(this.#layout.bundles)));
    const digests: string[] = [];
    for (const name of names) {
      const digest = name.endsWith(SUFFIX) ? idOfFileName(name.slice(0, -SUFFIX.length)) : null;
      if (digest !== null) digests.push(digest);
    }
    return digests.sort();
  }

  async #read(digest: string): Promise<Uint8Array | null> {
    try {
      return await this.#disk.readFile(this.#layout.bundle(digest));
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') return null;
      throw error;
    }
  }
}
