import type { LogHead, Snapshot } from '@worker-runtime/core/plugin-kit';

const BLOCK_BYTES = 1_048_576;
/** A longer snapshot gets memory of its own, which is free as soon as it is not needed. */
const LARGE_BYTES = 4_096;

/**
 * Memory for the snapshots that the runtime keeps after an open: blocks that thousands of them share. One text for each Worker would
 * cost more to make, and the garbage collector would copy all of them. A block is free when the runtime needs none of its snapshots.
 */
export class SnapshotMemory {
  #block = Buffer.alloc(0);
  #used = 0;

  /** Copies bytes. Returns the place of the copy. */
  copy(bytes: Buffer, from: number, to: number): { readonly block: Buffer; readonly from: number } {
    const length = to - from;
    if (length > LARGE_BYTES) return { block: Buffer.from(bytes.subarray(from, to)), from: 0 };
    if (this.#used + length > this.#block.length) {
      this.#block = Buffer.allocUnsafeSlow(BLOCK_BYTES);
      this.#used = 0;
    }
    const at = this.#used;
    bytes.copy(this.#block, at, from, to);
    this.#used += length;
    return { block: this.#block, from: at };
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
  moveTo(memory: SnapshotMemory): void {
    const { block, from } = memory.copy(this.#bytes, this.#from, this.#from + this.#length);
    this.#bytes = block;
    this.#from = from;
  }
}
