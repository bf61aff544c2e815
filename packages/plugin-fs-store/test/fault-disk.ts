import type { Disk, OpenMode } from '../src/disk/disk.ts';
import type { FileJob } from '../src/disk/file-job.ts';
import { performJobs } from '../src/disk/file-steps.ts';
import { nodeDisk } from '../src/disk/node-disk.ts';

/** A call to the disk that is about to be made. */
export interface Call {
  readonly operation: keyof Disk;
  /** The path, also of an open file; for a rename the source. */
  readonly path: string;
  readonly bytes: number;
  /** The mode of an `open`, and of the file of a write that is also a sync. */
  readonly mode?: OpenMode;
}

/** The fate of a call: made, failed with a code, made in part (a write), or held until `thaw`. */
export type Fate = undefined | { readonly code: string } | { readonly take: number } | 'hang';

const never = new Promise<never>(() => {});

/** The real disk, on which single calls can fail, write less or hang, and which can be frozen as `kill -9` would. */
export class FaultDisk implements Disk {
  readonly hasDurableWrites = true;
  readonly #paths = new Map<number, string>();
  readonly #durable = new Set<number>();
  readonly #running = new Set<Promise<unknown>>();
  #isFrozen = false;
  bytesRead = 0;
  /** The highest number of calls in progress at the same time. */
  mostRunning = 0;
  #runningCalls = 0;
  #release: () => void = () => {};
  #thaw = new Promise<void>((done) => {
    this.#release = done;
  });

  /** Continues the calls that hang. */
  thaw(): void {
    this.#release();
    this.#thaw = new Promise<void>((done) => {
      this.#release = done;
    });
  }

  /** Decides the fate of each call. */
  fate: (call: Call) => Fate = () => undefined;

  get openFiles(): number {
    return this.#paths.size;
  }

  /** Stops the disk. On return no call is in progress, and later calls never settle. */
  async freeze(): Promise<void> {
    this.#isFrozen = true;
    await Promise.allSettled(this.#running);
    for (const file of this.#paths.keys()) await nodeDisk.close(file);
    this.#paths.clear();
  }

  async open(path: string, mode: Parameters<Disk['open']>[1]): Promise<number> {
    const file = await this.#call('open', path, 0, () => nodeDisk.open(path, mode), mode);
    this.#paths.set(file, path);
    if (mode === 'durable') this.#durable.add(file);
    return file;
  }

  async close(file: number): Promise<void> {
    const path = this.#path(file);
    await this.#call('close', path, 0, () => {
      this.#paths.delete(file);
      this.#durable.delete(file);
      return nodeDisk.close(file);
    });
  }

  async read(file: number, into: Uint8Array, position: number): Promise<number> {
    const read = () => nodeDisk.read(file, into, position);
    const count = await this.#call('read', this.#path(file), into.length, read);
    this.bytesRead += count;
    return count;
  }

  async write(file: number, bytes: Uint8Array, position: number): Promise<number> {
    const write = (take?: number) =>
      nodeDisk.write(file, take === undefined ? bytes : bytes.subarray(0, take), position);
    if (!this.#durable.has(file)) return this.#call('write', this.#path(file), bytes.length, write);
    const written = await this.#call('write', this.#path(file), bytes.length, write, 'durable');
    await this.#call('sync', this.#path(file), 0, async () => {}, 'durable');
    return written;
  }

  truncate(file: number, length: number): Promise<void> {
    return this.#call('truncate', this.#path(file), length, () => nodeDisk.truncate(file, length));
  }

  sync(file: number): Promise<void> {
    return this.#call('sync', this.#path(file), 0, () => nodeDisk.sync(file));
  }

  async readFile(path: string): Promise<Buffer> {
    const found = await this.#call('readFile', path, 0, () => nodeDisk.readFile(path));
    this.bytesRead += found.length;
    return found;
  }

  replace(path: string, chunks: readonly Uint8Array[]): Promise<void> {
    const bytes = chunks.reduce((sum, chunk) => sum + chunk.length, 0);
    return this.#call('replace', path, bytes, () => nodeDisk.replace(path, chunks));
  }

  size(path: string): Promise<number | null> {
    return this.#call('size', path, 0, () => nodeDisk.size(path));
  }

  identity(path: string): Promise<string | null> {
    return this.#call('identity', path, 0, () => nodeDisk.identity(path));
  }

  pathOf(file: number): string | null {
    return nodeDisk.pathOf(file);
  }

  perform(jobs: readonly FileJob[]): ReturnType<Disk['perform']> {
    return performJobs(this, jobs);
  }

  space(path: string): ReturnType<Disk['space']> {
    return this.#call('space', path, 0, () => nodeDisk.space(path));
  }

  list(path: string): Promise<readonly string[]> {
    return this.#call('list', path, 0, () => nodeDisk.list(path));
  }

  makeDirectory(path: string): Promise<void> {
    return this.#call('makeDirectory', path, 0, () => nodeDisk.makeDirectory(path));
  }

  syncDirectory(path: string): Promise<void> {
    return this.#call('syncDirectory', path, 0, () => nodeDisk.syncDirectory(path));
  }

  rename(from: string, to: string): Promise<void> {
    return this.#call('rename', from, 0, async () => {
      await nodeDisk.rename(from, to);
      for (const [file, path] of this.#paths) if (path === from) this.#paths.set(file, to);
    });
  }

  remove(path: string): Promise<void> {
    return this.#call('remove', path, 0, () => nodeDisk.remove(path));
  }

  #path(file: number): string {
    return this.#paths.get(file) ?? '';
  }

  async #call<T>(
    operation: keyof Disk,
    path: string,
    bytes: number,
    make: (take?: number) => Promise<T>,
    mode?: OpenMode,
  ): Promise<T> {
    if (this.#isFrozen) return never;
    const fate = this.fate({ operation, path, bytes, ...(mode && { mode }) });
    this.#runningCalls += 1;
    this.mostRunning = Math.max(this.mostRunning, this.#runningCalls);
    if (fate === 'hang') await this.#thaw;
    try {
      return await this.#make(fate === 'hang' ? undefined : fate, make);
    } finally {
      this.#runningCalls -= 1;
    }
  }

  async #make<T>(fate: Exclude<Fate, 'hang'>, make: (take?: number) => Promise<T>): Promise<T> {
    if (fate && 'code' in fate) throw Object.assign(new Error(`Injected ${fate.code}`), { code: fate.code });
    const running = make(fate?.take);
    this.#running.add(running);
    try {
      const result = await running;
      return this.#isFrozen ? never : result;
    } finally {
      this.#running.delete(running);
    }
  }
}
