import type { LogHead, Snapshot } from '@worker-runtime/core/plugin-kit';

const BLOCK_BYTES = 1_048_576;
/** A longer text gets memory of its own, which is free as soon as it is not needed. */
export const LARGE_BYTES = 4_096;

/**
 * Memory for what the runtime keeps of the logs after an open: blocks that thousands of them share. One text for each Worker would cost
 * more to make, and the garbage collector would copy all of them. A block is free when the runtime needs nothing in it.
 */
export class SharedMemory {
  #block = Buffer.alloc(0);
  #used = 0;

  /** Returns the place of `length` bytes in a block. */
  take(length: number): { readonly block: Buffer; readonly from: number } {
    if (length > LARGE_BYTES) return { block: Buffer.allocUnsafeSlow(length), from: 0 };
    if (this.#used + length > this.#block.length) {
      this.#block = Buffer.allocUnsafeSlow(BLOCK_BYTES);
      this.#used = 0;
    }
    const from = this.#used;
    this.#used += length;
    return { block: this.#block, from };
  }
}

/** A snapshot in the bytes of the catalog. Its text is decoded on use, because all snapshots together may be large. */
export class CatalogSnapshot implements Snapshot {
  readonly head: LogHead;
  #bytes: Buffer;
  #from: number;
  readonly #length: number;

  constructor(head: LogHead, bytes: Buffer, from: number, to: number) {
    this.head = head;
    this.#bytes = bytes;
    this.#from = from;
    this.#length = to - from;
  }

  get text(): string {
    return this.#bytes.toString('utf8', this.#from, this.#from + this.#length);
  }

  /** Moves the bytes, so that the catalog can be released. */
  moveTo(memory: SharedMemory): void {
    const { block, from } = memory.take(this.#length);
    this.#bytes.copy(block, from, this.#from, this.#from + this.#length);
    this.#bytes = block;
    this.#from = from;
  }
}
