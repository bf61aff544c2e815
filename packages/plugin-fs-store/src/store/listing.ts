import type { LogHead, Snapshot, StoredLog } from '@worker-runtime/core/plugin-kit';
import { CatalogSnapshot, SharedMemory } from '../checkpoint/catalog-snapshot.ts';
import type { LogEntry } from '../files/log-entry.ts';

/** The most bytes of a tail with which a log is listed. The runtime reads the rest. */
const TAIL_BYTES = 65_536;
/** The most bytes of a log that is listed with all of its lines. */
const WHOLE_BYTES = 1_024;

/**
 * A short log that has no files. The runtime keeps it for a Worker that was created and not used, so it has a copy of its lines in memory
 * that many share, and does not keep the segment.
 */
class WholeLog implements StoredLog {
  readonly #entry: LogEntry;
  readonly #seq: number;
  readonly #block: Buffer;
  readonly #from: number;
  readonly #length: number;

  constructor(entry: LogEntry, memory: SharedMemory) {
    const { block, from } = memory.take(entry.bytes);
    this.#entry = entry;
    this.#seq = entry.seq;
    this.#block = block;
    this.#from = from;
    this.#length = entry.bytes;
    entry.copyUnfiled(block, from);
  }

  get log(): string {
    return this.#entry.log;
  }

  get workerId(): string {
    return this.#entry.workerId;
  }

  get head(): LogHead {
    return { seq: this.#seq, bytes: this.#length };
  }

  get snapshot(): null {
    return null;
  }

  get tail(): Uint8Array {
    return this.#block.subarray(this.#from, this.#from + this.#length);
  }

  get isDamaged(): boolean {
    return false;
  }
}

/** Returns the snapshot of a log if it fits the lines that were found. */
const snapshotOf = ({ snapshot, seq, bytes, begin }: LogEntry): Snapshot | null => {
  if (!snapshot || snapshot.head.seq > seq || snapshot.head.bytes > bytes) return null;
  return snapshot.head.seq >= begin.seq ? snapshot : null;
};

/** Lists the logs that have an entry for the runtime, which may keep what it gets. */
export class Listing {
  readonly #snapshots = new SharedMemory();
  /** Apart, because the runtime does not need most of them for long. */
  readonly #lines = new SharedMemory();

  logOf(entry: LogEntry): StoredLog {
    const { log, workerId, head, base, begin } = entry;
    const snapshot = snapshotOf(entry);
    const isDamaged = entry.isDamaged || entry.isUnreadable;
    const isWhole = entry.filed.bytes === 0 && entry.bytes <= WHOLE_BYTES && !snapshot && !base;
    if (isWhole && !isDamaged) return new WholeLog(entry, this.#lines);
    const tail = entry.tailFrom(snapshot?.head.bytes ?? begin.bytes, TAIL_BYTES);
    // without the whole catalog
    if (snapshot instanceof CatalogSnapshot) snapshot.moveTo(this.#snapshots);
    const listed = { log, workerId, head, snapshot, tail, isDamaged };
    return base ? { ...listed, base } : listed;
  }
}
