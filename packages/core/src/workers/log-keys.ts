import type { KeyEntry } from '../contracts/store.ts';
import { type CallKey, Keys } from './idempotency.ts';

/** The number of marks that take as much memory as one entry. */
const MARKS_PER_ENTRY = 16;

/** Returns the first 48 bits of a hash as a number. */
const markOf = (hash: string): number => Buffer.from(hash.slice(0, 8), 'base64url').readUIntBE(0, 6);

/**
 * The idempotency keys of one log. In condensed form it has only a short mark of each key. That is enough for a new key, which has no
 * mark, so that a busy Worker does not read its keys again for each input.
 */
export class LogKeys extends Keys {
  readonly #limit: number;
  /** The marks of the keys whose entries were released, oldest first; null if all entries are here. */
  #marks: Float64Array | null = null;

  constructor(limit: number, entries: Iterable<KeyEntry>) {
    super(limit, entries);
    this.#limit = limit;
  }

  /** The memory that the keys take, in entries. */
  get weight(): number {
    return this.size + Math.ceil((this.#marks?.length ?? 0) / MARKS_PER_ENTRY);
  }

  /** True if no further memory can be released but by forgetting the keys. */
  get isCondensed(): boolean {
    return this.size === 0;
  }

  /** Releases the entries and keeps their marks. */
  condense(): void {
    const marks = [...(this.#marks ?? []), ...this.hashes().map(markOf)];
    this.#marks = Float64Array.from(marks.slice(-this.#limit));
    this.clear();
  }

  /** True if the key may be one whose entry was released: then `restore` has to come before `reserve`. */
  mayHaveReleased({ hash }: CallKey): boolean {
    return this.#marks?.includes(markOf(hash)) ?? false;
  }

  /** Puts back the entries that the store has. Those that were added since stay the newest. */
  restore(stored: Iterable<KeyEntry>): void {
    const newer = this.entries();
    this.#marks = null;
    this.clear();
    for (const entry of stored) this.add(entry);
    for (const entry of newer) this.add(entry);
  }
}
