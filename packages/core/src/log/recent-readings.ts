/** So many reads on their way keep a store busy; reading ahead of them would only push out what others wait for. */
const BUSY = 8;

/**
 * What was read from the store last, and what is being read: whoever is behind reads what others read before, and
 * goes on reading while what it has is on its way out. Bounded by bytes, all logs together; the oldest goes.
 */
export class RecentReadings<Reading extends { readonly lines: Uint8Array }> {
  readonly #limitBytes: number;
  readonly #kept = new Map<string, Reading>();
  readonly #pending = new Map<string, Promise<Reading>>();
  #bytes = 0;

  constructor(limitBytes: number) {
    this.#limitBytes = limitBytes;
  }

  get isBusy(): boolean {
    return this.#pending.size >= BUSY;
  }

  /** What is kept under a key, or what `read` gives, asked once for all who want it meanwhile. */
  get(key: string, read: () => Promise<Reading>): Reading | Promise<Reading> {
    const known = this.#kept.get(key) ?? this.#pending.get(key);
    if (known) return known;
    const reading = read().finally(() => this.#pending.delete(key));
    this.#pending.set(key, reading);
    return reading;
  }

  /** One that will be the same whenever it is asked for. */
  keep(key: string, reading: Reading): void {
    // a large one would throw all others out
    if (reading.lines.length > this.#limitBytes / 4 || this.#kept.has(key)) return;
    this.#kept.set(key, reading);
    this.#bytes += reading.lines.length;
    for (const [oldest, { lines }] of this.#kept) {
      if (this.#bytes <= this.#limitBytes) break;
      this.#kept.delete(oldest);
      this.#bytes -= lines.length;
    }
  }
}
