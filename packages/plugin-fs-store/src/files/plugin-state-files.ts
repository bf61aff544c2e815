import { basename, join } from 'node:path';
import { RuntimeError } from '@worker-runtime/core';
import type { Disk } from '../disk/disk.ts';
import { errnoOf, withDiskFailure } from '../disk/disk-failure.ts';
import type { Lane } from '../disk/lane.ts';
import { idOfFileName } from '../layout/file-name.ts';
import type { Layout } from '../layout/layout.ts';

const SUFFIX = '.json';
/** The file beside a state whose name was shortened for its file name: it has the whole name. */
const NAME_SUFFIX = '.name';
const NAME = /^[\x21-\x7e]{1,128}$/;

/** Returns the name that the name of a file has; null if it was shortened. */
const idOf = (file: string): string | null => idOfFileName(file.slice(0, -SUFFIX.length));

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
      this.#writes.run(async () => {
        const path = this.#layout.pluginState(name);
        // before the state, so that each state can be listed
        if (idOf(basename(path)) === null && (await this.#nameAt(path)) !== name)
          await this.#disk.replace(`${path}${NAME_SUFFIX}`, [Buffer.from(name)]);
        await this.#disk.replace(path, [body]);
      }),
    );
  }

  /** Deletes the files of replacements that an earlier process did not complete. */
  async removeIncomplete(): Promise<void> {
    const { plugins } = this.#layout;
    for (const name of await this.#disk.list(plugins))
      if (!name.endsWith(SUFFIX) && !name.endsWith(NAME_SUFFIX)) await this.#disk.remove(join(plugins, name));
  }

  /** Returns the names of all states, sorted. @throws STORE_UNAVAILABLE · STORE_CORRUPT the name of a state is not known */
  list(): Promise<readonly string[]> {
    return withDiskFailure(() =>
      this.#reads.run(async () => {
        const names: string[] = [];
        for (const file of await this.#disk.list(this.#layout.plugins)) {
          if (!file.endsWith(SUFFIX)) continue;
          const name = idOf(file) ?? (await this.#nameAt(join(this.#layout.plugins, file)));
          if (name === null)
            throw new RuntimeError('STORE_CORRUPT', 'The name of the state of a plugin is not known');
          names.push(name);
        }
        return names.sort();
      }),
    );
  }

  /** Returns the name beside a state; null if there is none. */
  async #nameAt(path: string): Promise<string | null> {
    try {
      return (await this.#disk.readFile(`${path}${NAME_SUFFIX}`)).toString();
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') return null;
      throw error;
    }
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
