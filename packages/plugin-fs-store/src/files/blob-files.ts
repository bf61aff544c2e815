import { RuntimeError } from '@worker-runtime/core';
import type { Disk } from '../disk/disk.ts';
import { errnoOf, withDiskFailure } from '../disk/disk-failure.ts';
import type { Lane } from '../disk/lane.ts';
import { idOfFileName } from '../layout/file-name.ts';
import type { Layout } from '../layout/layout.ts';

const NAME = /^[A-Za-z0-9_-]{1,128}$/;

/** The blobs of all logs: one directory a log, one file a blob. A file is written once, atomically, and synced. */
export class BlobFiles {
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

  /** Writes a blob, unless it is there. @throws INVALID_REQUEST the name is not valid · STORE_FULL · STORE_UNAVAILABLE */
  async put(log: string, name: string, body: Uint8Array): Promise<void> {
    if (!NAME.test(name)) throw new RuntimeError('INVALID_REQUEST', 'The name of a blob is not valid');
    const { blobs } = this.#layout;
    await withDiskFailure(() =>
      this.#writes.run(async () => {
        const path = this.#layout.blob(log, name);
        if ((await this.#disk.size(path)) === body.length) return;
        await this.#disk.makeDirectory(this.#layout.blobsOf(log));
        await this.#disk.syncDirectory(blobs);
        await this.#disk.replace(path, [body]);
      }),
    );
  }

  /** Reads a blob. Returns null if the log has none of this name. @throws STORE_UNAVAILABLE */
  get(log: string, name: string): Promise<Uint8Array | null> {
    if (!NAME.test(name)) return Promise.resolve(null);
    return withDiskFailure(() =>
      this.#reads.run(async () => {
        try {
          return await this.#disk.readFile(this.#layout.blob(log, name));
        } catch (error) {
          if (errnoOf(error) === 'ENOENT') return null;
          throw error;
        }
      }),
    );
  }

  /** Deletes the blobs of a removed log. A failure is not an error: the next open deletes what is left. */
  async remove(log: string): Promise<void> {
    await this.#writes.run(() => this.#disk.remove(this.#layout.blobsOf(log))).catch(() => {});
  }

  /** Deletes the blobs of logs that do not exist, left by a process that ended before it deleted them. */
  async removeOthers(exists: (log: string) => boolean): Promise<void> {
    for (const name of await this.#disk.list(this.#layout.blobs)) {
      const log = idOfFileName(name);
      if (log !== null && !exists(log)) await this.remove(log);
    }
  }
}
