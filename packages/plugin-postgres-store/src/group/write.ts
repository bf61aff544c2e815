import type { Batch, KeyEntry, NewLog } from '@worker-runtime/core/plugin-kit';
import type { LogEntry } from '../log/log-entry.ts';

/** A batch that waits for its group, with the answer to its caller. Each append makes one, and one promise. */
export interface Write {
  readonly entry: LogEntry;
  readonly batch: Batch;
  /** The content of a new log besides its lines; null for an append. */
  readonly begin: NewLog | null;
  readonly resolve: () => void;
  readonly reject: (failure: Error) => void;
}

/** Returns key entries as text: an array of `[hash, digest, seq, offset]`. */
export const encodeKeys = (keys: readonly KeyEntry[] | undefined): string | null =>
  keys === undefined || keys.length === 0
    ? null
    : JSON.stringify(keys.map(({ hash, digest, seq, offset }) => [hash, digest, seq, offset]));

export const decodeKeys = (keys: string): readonly KeyEntry[] =>
  (JSON.parse(keys) as [string, string, number, number][]).map(([hash, digest, seq, offset]) => ({
    hash,
    digest,
    seq,
    offset,
  }));
