/**
 * Memory for pieces of many kilobytes that live for a moment, such as reads and frames of a catch-up. Without it, the
 * allocation and the collection of these buffers take most of the time of a catch-up.
 *
 * A piece belongs to its holders and is used again once all of them have released it. A holder that never does so leaves the
 * piece to the garbage collector, so every way out that is not sure of the end of a use simply forgets the piece.
 */
export class ReusedMemory {
  readonly #pieceBytes: number;
  readonly #leastBytes: number;
  readonly #spareLimit: number;
  readonly #spare: ArrayBufferLike[] = [];
  /** The number of holders of each piece in use. A new use of the same memory is a new piece. */
  readonly #holders = new WeakMap<Uint8Array, number>();

  /** Makes pieces of `leastBytes` to `pieceBytes`, and keeps up to `spareLimit` of them while they are not in use. */
  constructor(pieceBytes: number, leastBytes: number, spareLimit: number) {
    this.#pieceBytes = pieceBytes;
    this.#leastBytes = leastBytes;
    this.#spareLimit = spareLimit;
  }

  /** True if pieces of this size are used again. */
  suits(bytes: number): boolean {
    return bytes >= this.#leastBytes && bytes <= this.#pieceBytes;
  }

  /** Returns memory with any content, which its caller holds. A size that does not suit gets ordinary memory of its own. */
  take(bytes: number): Buffer {
    // not from the buffer pool of Node: bytes that a stalled socket holds must not keep a whole pool alive
    if (!this.suits(bytes)) return Buffer.allocUnsafeSlow(bytes);
    const memory = this.#spare.pop() ?? Buffer.allocUnsafeSlow(this.#pieceBytes).buffer;
    const piece = Buffer.from(memory, 0, bytes);
    this.#holders.set(piece, 1);
    return piece;
  }

  /** Adds a holder. Returns false if the piece was released by all of its holders: its content is another one by now. */
  hold(piece: Uint8Array): boolean {
    if (!this.suits(piece.length)) return true;
    const holders = this.#holders.get(piece);
    // memory of another origin is never used again
    if (holders === undefined) return true;
    if (holders === 0) return false;
    this.#holders.set(piece, holders + 1);
    return true;
  }

  /** Removes a holder, who no longer uses the piece. */
  release(piece: Uint8Array): void {
    if (!this.suits(piece.length)) return;
    const holders = this.#holders.get(piece);
    if (!holders) return;
    this.#holders.set(piece, holders - 1);
    if (holders === 1 && this.#spare.length < this.#spareLimit) this.#spare.push(piece.buffer);
  }
}
