import type { Limits } from '../contracts/limits.ts';
import { limitReached } from '../contracts/runtime-error.ts';

/**
 * A sum of bytes over all Workers, with a limit. What is being added counts from its reservation on, so that concurrent
 * commands do not pass the limit together.
 */
export class ByteSum {
  readonly #name: keyof Limits;
  readonly #limit: number;
  readonly #message: string;
  #bytes = 0;

  constructor(name: keyof Limits, limits: Limits, message: string) {
    this.#name = name;
    this.#limit = limits[name];
    this.#message = message;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Adds bytes without a check; a negative number subtracts. */
  add(bytes: number): void {
    this.#bytes += bytes;
  }

  /** True if that many bytes more are within the limit. */
  hasRoom(bytes: number): boolean {
    return bytes <= 0 || this.#bytes + bytes <= this.#limit;
  }

  /** Adds bytes. @throws LIMIT_REACHED they would exceed the limit */
  take(bytes: number): void {
    if (!this.hasRoom(bytes)) throw limitReached(this.#name, this.#limit, this.#message);
    this.#bytes += bytes;
  }

  /** Adds bytes until the returned function is called. @throws LIMIT_REACHED they would exceed the limit */
  reserve(bytes: number): () => void {
    this.take(bytes);
    let reserved = bytes;
    return () => {
      this.#bytes -= reserved;
      reserved = 0;
    };
  }
}
