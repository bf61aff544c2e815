import { join } from 'node:path';
import { RuntimeError } from '@worker-runtime/core';
import type { Disk } from '../disk/disk.ts';
import { errnoOf, withDiskFailure } from '../disk/disk-failure.ts';
import type { Lane } from '../disk/lane.ts';
import type { Layout } from '../layout/layout.ts';

const SUFFIX = '.json';
const NAME = /^[\x21-\x7e]{1,128}$/;

/** The states of plugins, one file each. A file is replaced atomically and synced. */
export class PluginStateFiles {
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

  /** Replaces a state. @throws INVALID_REQUEST the name is not valid · STORE_FULL · STORE_UNAVAILABLE */
  async put(name: string, body: Uint8Array): Promise<void> {
    if (!NAME.test(name)) throw new RuntimeError('INVALID_REQUEST', 'The name of a state is not valid');
    await withDiskFailure(() =>
      this.#writes.run(() => this.#disk.replace(this.#layout.pluginState(name), [body])),
    );
  }

  /** Deletes the files of replacements that an earlier process did not complete. */
  async removeIncomplete(): Promise<void> {
    const { plugins } = this.#layout;
    for (const name of await this.#disk.list(plugins))
      if (!name.endsWith(SUFFIX)) await this.#disk.remove(join(plugins, name));
  }

  /** Reads a state. Returns null if there is none of this name. @throws STORE_UNAVAILABLE */
  get(name: string): Promise<Uint8Array | null> {
    return withDiskFailure(() =>
      this.#reads.run(async () => {
        try {
          return await this.#disk.readFile(this.#layout.pluginState(name));
        } catch (error) {
          if (errnoOf(error) === 'ENOENT') return null;
          throw error;
        }
      }),
    );
  }
}
