import type { LogEntry } from '../files/log-entry.ts';
import { DescribedLogs } from './described-logs.ts';

/** All logs of a store, by their ids. A log that the catalog describes gets an entry when it is first used. */
export class LogTable {
  readonly #entries = new Map<string, LogEntry>();
  /** No log after it has an entry. Most logs that a replay creates are after all others, and a search takes as long as an entry. */
  #last = '';
  readonly described: DescribedLogs;
  #isListed = false;

  constructor(described = new DescribedLogs(Buffer.alloc(0))) {
    this.described = described;
  }

  get size(): number {
    return this.#entries.size + this.described.size;
  }

  /** The bytes of the events of all logs, and those that are not in the files of their Worker yet. */
  get eventBytes(): { readonly all: number; readonly unfiled: number } {
    let all = this.described.eventBytes;
    let unfiled = 0;
    for (const { bytes, filed } of this.#entries.values()) {
      all += bytes;
      unfiled += bytes - filed.bytes;
    }
    return { all, unfiled };
  }

  has(log: string): boolean {
    return this.#entries.has(log) || this.described.has(log);
  }

  get(log: string): LogEntry | undefined {
    const entry = log > this.#last ? undefined : this.#entries.get(log);
    return entry ?? (this.described.size > 0 ? this.#use(this.described.take(log)) : undefined);
  }

  /** Returns the id of the Worker of a log, without an entry for it. */
  workerIdOf(log: string): string | undefined {
    return this.#entries.get(log)?.workerId ?? this.described.workerIdOf(log);
  }

  /** Adds the log of a line in the catalog, in place of what was known of it. */
  describe(index: number): void {
    if (this.#entries.size > 0) this.#entries.delete(this.described.logOf(index));
    this.described.add(index);
  }

  set(entry: LogEntry): void {
    if (this.described.size > 0) this.described.take(entry.log);
    this.#add(entry);
  }

  delete(log: string): void {
    this.described.take(log);
    this.#entries.delete(log);
  }

  /** Iterates over the logs that have an entry: those that were used, or of which the catalog does not say all. */
  used(): IterableIterator<LogEntry> {
    return this.#entries.values();
  }

  /** Iterates over all logs. Each gets an entry. */
  *all(): Generator<LogEntry> {
    for (const entry of this.described.takeAll()) this.#use(entry);
    yield* this.#entries.values();
  }

  /** Notes that the runtime has the snapshots of all logs, so that entries need none. */
  noteListed(): void {
    this.#isListed = true;
    for (const entry of this.#entries.values()) entry.snapshot = null;
  }

  #use(entry: LogEntry | undefined): LogEntry | undefined {
    if (!entry) return undefined;
    if (this.#isListed) entry.snapshot = null;
    this.#add(entry);
    return entry;
  }

  #add(entry: LogEntry): void {
    this.#entries.set(entry.log, entry);
    if (entry.log > this.#last) this.#last = entry.log;
  }
}
