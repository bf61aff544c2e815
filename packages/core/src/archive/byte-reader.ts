const NEWLINE = 0x0a;

/** Reads lines and runs of bytes from chunks of any sizes. */
export class ByteReader {
  readonly #chunks: AsyncIterator<Buffer>;
  #chunk: Buffer = Buffer.alloc(0);

  constructor(chunks: AsyncIterable<Buffer>) {
    this.#chunks = chunks[Symbol.asyncIterator]();
  }

  /** Returns the bytes before the next newline; null if there is none within `most` bytes. */
  async line(most: number): Promise<Buffer | null> {
    const pieces: Buffer[] = [];
    for (let length = 0; length <= most; ) {
      const at = this.#chunk.indexOf(NEWLINE);
      if (at >= 0) {
        pieces.push(this.#chunk.subarray(0, at));
        this.#chunk = this.#chunk.subarray(at + 1);
        return Buffer.concat(pieces);
      }
      pieces.push(this.#chunk);
      length += this.#chunk.length;
      if (!(await this.#next())) return null;
    }
    return null;
  }

  /** Returns the next `count` bytes; null if there are fewer. */
  async take(count: number): Promise<Buffer | null> {
    const pieces: Buffer[] = [];
    for (let missing = count; missing > 0; ) {
      if (this.#chunk.length === 0 && !(await this.#next())) return null;
      const piece = this.#chunk.subarray(0, missing);
      pieces.push(piece);
      missing -= piece.length;
      this.#chunk = this.#chunk.subarray(piece.length);
    }
    return Buffer.concat(pieces);
  }

  async #next(): Promise<boolean> {
    const next = await this.#chunks.next();
    this.#chunk = next.done ? Buffer.alloc(0) : next.value;
    return !next.done;
  }
}
