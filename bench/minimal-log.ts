import { closeSync, fdatasync, openSync, write } from 'node:fs';
import { join } from 'node:path';

/**
 * The floor of durable commits in Node: one file that gets all pending bytes in one write and one fdatasync, after
 * which all pending appends resolve. It has no framing, no numbering and no checks.
 */
export class MinimalLog {
  readonly #fd: number;
  #pending: {
    readonly bytes: Uint8Array;
    readonly resolve: () => void;
    readonly reject: (error: Error) => void;
  }[] = [];
  #isWriting = false;

  constructor(folder: string) {
    this.#fd = openSync(join(folder, 'minimal.log'), 'a', 0o600);
  }

  append(bytes: Uint8Array): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#pending.push({ bytes, resolve, reject });
      if (!this.#isWriting) this.#write();
    });
  }

  close(): void {
    closeSync(this.#fd);
  }

  #write(): void {
    const group = this.#pending;
    if (group.length === 0) {
      this.#isWriting = false;
      return;
    }
    this.#isWriting = true;
    this.#pending = [];
    const bytes =
      group.length === 1
        ? (group[0]?.bytes as Uint8Array)
        : Buffer.concat(group.map((append) => append.bytes));
    const settle = (error: Error | null): void => {
      for (const { resolve, reject } of group) {
        if (error) reject(error);
        else resolve();
      }
      this.#write();
    };
    write(this.#fd, bytes, 0, bytes.length, null, (error) =>
      error ? settle(error) : fdatasync(this.#fd, settle),
    );
  }
}
