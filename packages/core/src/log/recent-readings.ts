/**
 * The number of pending reads that keeps a store busy. Reading ahead of them would only delay what readers wait for.
 */
const BUSY_READS = 8;

/** Learns which readings are kept, because their memory is used again when no reader holds them. */
export interface ReadingHolder<Reading> {
  hold(reading: Reading): void;
  release(reading: Reading): void;
}

/**
 * Shares reads of the store between readers: keeps the most recent readings, and joins callers that ask for a reading
 * that is still pending. Bounded by bytes over all logs; the oldest readings are removed first.
 */
export class RecentReadings<Reading extends { readonly lines: Uint8Array }> {
  readonly #limitBytes: number;
  readonly #holder: ReadingHolder<Reading>;
  readonly #kept = new Map<string, Reading>();
  readonly #pending = new Map<string, Promise<Reading>>();
  #bytes = 0;

  constructor(limitBytes: number, holder: ReadingHolder<Reading>) {
    this.#limitBytes = limitBytes;
    this.#holder = holder;
  }

  get isBusy(): boolean {
    return this.#pending.size >= BUSY_READS;
  }

  /** Returns the reading that is kept under a key. */
  kept(key: string): Reading | undefined {
    return this.#kept.get(key);
  }

  /** Returns the reading that is kept under a key, or the result of `read`, which callers at the same time share. */
  get(key: string, read: () => Promise<Reading>): Reading | Promise<Reading> {
    const known = this.#kept.get(key) ?? this.#pending.get(key);
    if (known) return known;
    const reading = read().finally(() => this.#pending.delete(key));
    this.#pending.set(key, reading);
    return reading;
  }

  /** Keeps a reading that stays correct however often it is used. */
  keep(key: string, reading: Reading): void {
    // a large one would push all others out
    if (reading.lines.length > this.#limitBytes / 4 || this.#kept.has(key)) return;
    this.#holder.hold(reading);
    this.#kept.set(key, reading);
    this.#bytes += reading.lines.length;
    for (const [oldest, old] of this.#kept) {
      if (this.#bytes <= this.#limitBytes) break;
      this.#kept.delete(oldest);
      this.#bytes -= old.lines.length;
      this.#holder.release(old);
    }
  }
}
