import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { RuntimeError } from '@worker-runtime/core';
import { type Disk, writeFully } from '../disk/disk.ts';
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
    const directory = this.#layout.blobsOf(log);
    await withDiskFailure(() =>
      this.#writes.run(async () => {
        const path = this.#layout.blob(log, name);
        if ((await this.#disk.size(path)) !== body.length) {
          await this.#disk.makeDirectory(directory);
          await this.#write(path, body);
        }
        // also for a blob that is there: a process that was killed may not have synced its name
        await this.#disk.syncDirectory(directory);
        await this.#disk.syncDirectory(this.#layout.blobs);
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

  /**
   * Returns the names of the blobs of a log, sorted. The names that the runtime gives are never shortened for their files.
   * @throws STORE_UNAVAILABLE · STORE_CORRUPT the name of a blob is not known
   */
  async list(log: string): Promise<readonly string[]> {
    const found = await withDiskFailure(() =>
      this.#reads.run(() => this.#disk.list(this.#layout.blobsOf(log))),
    );
    return found
      .map((file) => {
        const name = idOfFileName(file);
        if (name !== null) return name;
        throw new RuntimeError('STORE_CORRUPT', 'The name of a blob is not known', { details: { log } });
      })
      .sort();
  }

  /** The directory with the blobs of a log. */
  directory(log: string): string {
    return this.#layout.blobsOf(log);
  }

  /** Deletes what an earlier process has left: writes that it did not complete, and the blobs of logs that do not exist. */
  async removeOthers(exists: (log: string) => boolean): Promise<void> {
    const { incoming, blobs } = this.#layout;
    for (const name of await this.#disk.list(incoming)) await this.#disk.remove(join(incoming, name));
    for (const name of await this.#disk.list(blobs)) {
      const log = idOfFileName(name);
      if (log !== null && !exists(log)) await this.#disk.remove(join(blobs, name));
    }
  }

  /** Writes and syncs a file elsewhere, and then gives it its name, so that no reader and no later process sees a part of it. */
  async #write(path: string, body: Uint8Array): Promise<void> {
    const temporary = join(this.#layout.incoming, randomUUID());
    try {
      const file = await this.#disk.open(temporary, 'replace');
      try {
        await writeFully(this.#disk, file, body, 0);
        await this.#disk.sync(file);
      } finally {
        await this.#disk.close(file);
      }
      await this.#disk.rename(temporary, path);
    } catch (error) {
      await this.#disk.remove(temporary).catch(() => {});
      throw error;
    }
  }
}
