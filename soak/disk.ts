import { execFileSync } from 'node:child_process';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { appendFile } from 'node:fs/promises';
import { join } from 'node:path';

/** A small disk for the store if a disk can be mounted. Otherwise it is a plain folder, which never fills up. */
export class SmallDisk {
  readonly path: string;
  readonly isMounted: boolean;
  isFull = false;
  #isUnmounted = false;

  constructor(path: string, mebibytes: number) {
    this.path = path;
    mkdirSync(path, { recursive: true });
    this.isMounted = process.getuid?.() === 0 && this.#mount(mebibytes);
    process.once('exit', () => this.unmount());
  }

  /** Fills the disk with a file. */
  async fill(): Promise<void> {
    if (!this.isMounted) return;
    this.isFull = true;
    for (let bytes = 1_048_576; bytes >= 4_096; )
      try {
        await appendFile(join(this.path, 'filler'), Buffer.alloc(bytes));
      } catch {
        bytes /= 2;
      }
  }

  /** Removes the file that fills the disk. */
  free(): void {
    rmSync(join(this.path, 'filler'), { force: true });
    this.isFull = false;
  }

  unmount(): void {
    if (!this.isMounted || this.#isUnmounted) return;
    this.#isUnmounted = true;
    execFileSync('umount', ['-l', this.path]);
  }

  #mount(mebibytes: number): boolean {
    try {
      execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${mebibytes}m`, 'tmpfs', this.path], {
        stdio: 'ignore',
      });
      writeFileSync(join(this.path, 'filler'), '');
      return true;
    } catch {
      return false;
    }
  }
}
