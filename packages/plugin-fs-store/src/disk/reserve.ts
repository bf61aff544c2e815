import { randomFillSync } from 'node:crypto';
import { join } from 'node:path';
import { type Disk, writeFully } from './disk.ts';

/** The reserve is at most this part of the volume. */
const SHARE = 1 / 16;
/**
 * Bounds for the bytes that only further writes can free (segments, unfiled bytes), as parts of the volume and of its free
 * space. When the disk becomes full, these bytes are few.
 */
const BOUND_OF_TOTAL = 1 / 64;
const BOUND_OF_FREE = 1 / 8;
const LEAST_BOUND = 65_536;
/** After a failed attempt to make the reserve again, the next one waits this long. */
const RETRY_MS = 1_000;
/** The reserve consists of two files. The second one is released only if the first one did not suffice. */
const NAMES = ['reserve.1', 'reserve.2'] as const;

/** Random, so that a file system that compresses cannot store it in less space. */
const BLOCK = randomFillSync(Buffer.allocUnsafe(262_144));

/**
 * Space on the disk that is kept free for what ends work and frees space: stops, ends of runs, removals, checkpoints. When
 * the disk is full, the files are deleted, and only such changes are accepted until there is space for them again.
 */
export class Reserve {
  readonly #disk: Disk;
  readonly #root: string;
  readonly #limitBytes: number;
  #partBytes = 0;
  #isFull = false;
  #boundBytes = Number.POSITIVE_INFINITY;
  #retryAt = 0;
  #regaining: Promise<void> | null = null;

  constructor(disk: Disk, root: string, limitBytes: number) {
    this.#disk = disk;
    this.#root = root;
    this.#limitBytes = limitBytes;
  }

  /** True while the disk is treated as full: ordinary changes are refused. */
  get isFull(): boolean {
    return this.#isFull;
  }

  /** The bytes that the write-ahead log may take of one file of the reserve before it needs them. */
  get bytesAhead(): number {
    return Math.floor(this.#partBytes / 2);
  }

  /** Makes what is missing of the reserve. If there is no space for it, the disk is treated as full. */
  async open(): Promise<void> {
    if (this.#limitBytes === 0) return;
    this.#isFull = true;
    await this.regain();
  }

  /** Returns a limit of the store, or less if the volume is small or nearly full. */
  within(limitBytes: number): number {
    return Math.min(limitBytes, this.#boundBytes);
  }

  /** Measures the free space for `within`. */
  async measure(): Promise<{ readonly free: number; readonly total: number }> {
    const space = await this.#disk.space(this.#root);
    const bound = Math.min(space.total * BOUND_OF_TOTAL, space.free * BOUND_OF_FREE);
    this.#boundBytes = Math.max(LEAST_BOUND, bound);
    return space;
  }

  /** Treats the disk as full from now on. */
  markFull(): void {
    this.#isFull = this.#limitBytes > 0;
  }

  /** Deletes one file of the reserve. Returns false if there is none left. */
  async release(): Promise<boolean> {
    await this.#regaining;
    this.markFull();
    for (const name of NAMES) {
      const path = join(this.#root, name);
      try {
        if (((await this.#disk.size(path)) ?? 0) === 0) continue;
        await this.#disk.remove(path);
        return true;
      } catch {
        // The other file may be released instead.
      }
    }
    return false;
  }

  /** Makes the reserve again if there is space for it and for as much beside it. Then the disk is no longer full. */
  async regain(): Promise<void> {
    if (!this.#isFull) return;
    this.#regaining ??= this.#regain().finally(() => {
      this.#regaining = null;
    });
    await this.#regaining;
  }

  async #regain(): Promise<void> {
    if (performance.now() < this.#retryAt) return;
    try {
      const { free, total } = await this.measure();
      const part = Math.floor(Math.min(this.#limitBytes, total * SHARE) / NAMES.length);
      this.#partBytes = part;
      const missing: string[] = [];
      for (const name of NAMES) {
        const path = join(this.#root, name);
        if (((await this.#disk.size(path)) ?? 0) < part) missing.push(path);
      }
      if (free < part * (missing.length + NAMES.length)) return;
      for (const path of missing) await this.#make(path, part);
      this.#isFull = false;
    } catch {
      // A quota may be full before the disk is. Each attempt needs the space that is left, for a moment.
      this.#retryAt = performance.now() + RETRY_MS;
    }
  }

  /** The file is not synced: after a power loss it may be short, and is made again. */
  async #make(path: string, bytes: number): Promise<void> {
    const file = await this.#disk.open(path, 'replace');
    try {
      for (let at = 0; at < bytes; at += BLOCK.length)
        await writeFully(this.#disk, file, BLOCK.subarray(0, Math.min(BLOCK.length, bytes - at)), at);
    } catch (error) {
      await this.#disk.remove(path).catch(() => {});
      throw error;
    } finally {
      await this.#disk.close(file);
    }
  }
}
