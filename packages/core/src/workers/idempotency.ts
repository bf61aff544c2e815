import { hash } from 'node:crypto';
import { canonicalJson } from '../canonical-json.ts';
import type { EventKey } from '../contracts/event.ts';
import type { JsonValue } from '../contracts/json.ts';
import { invalidRequest, RuntimeError } from '../contracts/runtime-error.ts';
import type { KeyEntry } from '../contracts/store.ts';

/** The digest of a request, for comparison with a later one. The order of fields does not matter. */
export const digestOf = (request: JsonValue): string => hash('sha256', canonicalJson(request), 'base64url');

export const hashOfKey = (key: string): string => hash('sha256', key, 'base64url');

/** The idempotency key of a call, hashed once. */
export interface CallKey extends Pick<KeyEntry, 'hash' | 'digest'> {
  /** As the event of the call records it. */
  readonly recorded: EventKey;
}

/** @throws INVALID_REQUEST a key that is empty or longer than 255 characters */
export const callKey = (value: string, request: JsonValue): CallKey => {
  if (typeof value !== 'string' || value.length < 1 || value.length > 255) {
    throw invalidRequest(
      [{ pointer: '/idempotencyKey', message: 'must have 1 to 255 characters' }],
      'An idempotency key has 1 to 255 characters',
    );
  }
  const digest = digestOf(request);
  return { recorded: { value, digest }, hash: hashOfKey(value), digest };
};

/**
 * The most recent idempotency keys, in order of use, and the keys of calls in progress. `reserve` takes a new key
 * before the first await, so that only one of two simultaneous calls is executed.
 */
export class Keys<Entry extends { readonly hash: string; readonly digest: string } = KeyEntry> {
  readonly #limit: number;
  readonly #entries = new Map<string, Entry>();
  readonly #inFlight = new Set<string>();

  constructor(limit: number, entries: Iterable<Entry> = []) {
    this.#limit = limit;
    for (const entry of entries) this.add(entry);
  }

  /**
   * Returns the entry of an earlier call with this key. Otherwise reserves the key until `release` and returns undefined.
   * @throws IDEMPOTENCY_MISMATCH the key was used for another request · IDEMPOTENCY_IN_FLIGHT its first call is in progress
   */
  reserve({ hash, digest }: CallKey): Entry | undefined {
    const known = this.#entries.get(hash);
    if (known && known.digest !== digest) throw new RuntimeError('IDEMPOTENCY_MISMATCH');
    if (known) return known;
    if (this.#inFlight.has(hash)) throw new RuntimeError('IDEMPOTENCY_IN_FLIGHT');
    this.#inFlight.add(hash);
    return undefined;
  }

  release({ hash }: CallKey): void {
    this.#inFlight.delete(hash);
  }

  add(entry: Entry): void {
    this.#entries.delete(entry.hash);
    this.#entries.set(entry.hash, entry);
    if (this.#entries.size > this.#limit) this.#entries.delete(this.#entries.keys().next().value as string);
  }

  delete(hash: string): void {
    this.#entries.delete(hash);
  }

  /** Removes all entries. Keys of calls in progress stay reserved. */
  clear(): void {
    this.#entries.clear();
  }

  /** Returns the entries, the oldest first. */
  entries(): readonly Entry[] {
    return [...this.#entries.values()];
  }

  /** Returns the hashes of the entries, the oldest first. */
  hashes(): readonly string[] {
    return [...this.#entries.keys()];
  }

  get size(): number {
    return this.#entries.size;
  }
}
