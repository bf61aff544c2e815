/** The size of a block: that of the pool of Node's Buffer. A reader that keeps a line keeps the block that it is in. */
const BLOCK_BYTES = 8_192;

/** The most bytes that one UTF-16 unit takes in UTF-8. */
const BYTES_PER_UNIT = 3;

/**
 * Writes lines, each once, into blocks that many batches share. `Buffer.from` would measure each text before it allocates
 * memory for it, and the limit of an event would measure it once more.
 */
export class LineWriter {
  #block = Buffer.allocUnsafeSlow(BLOCK_BYTES);
  #start = 0;
  #end = 0;

  /** The size of what was written since the last `take`. */
  get length(): number {
    return this.#end - this.#start;
  }

  /** Writes a text. Returns its size. */
  write(text: string): number {
    if (text.length * BYTES_PER_UNIT > this.#block.length - this.#end) this.#reserve(Buffer.byteLength(text));
    const bytes = this.#block.write(text, this.#end);
    this.#end += bytes;
    return bytes;
  }

  /** Removes what was written after the first `length` bytes. */
  cut(length: number): void {
    this.#end = this.#start + length;
  }

  /** Returns what was written since the last call. The bytes do not change any more. */
  take(): Uint8Array {
    const lines = this.#block.subarray(this.#start, this.#end);
    this.#start = this.#end;
    if (this.#block.length === BLOCK_BYTES) return lines;
    // a reader that keeps one small line must not keep a large block: no other batch shares it, and its unused end is released
    const isFull = lines.length === this.#block.length;
    this.#block = Buffer.allocUnsafeSlow(BLOCK_BYTES);
    this.#start = 0;
    this.#end = 0;
    return isFull ? lines : new Uint8Array(lines);
  }

  #reserve(bytes: number): void {
    if (bytes <= this.#block.length - this.#end) return;
    const written = this.#block.subarray(this.#start, this.#end);
    // doubled, so that a batch of many lines is copied a constant number of times on average
    const size = written.length === 0 ? bytes : 2 * (written.length + bytes);
    this.#block = Buffer.allocUnsafeSlow(Math.max(BLOCK_BYTES, size));
    this.#block.set(written);
    this.#start = 0;
    this.#end = written.length;
  }
}
