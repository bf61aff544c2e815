import type { JsonValue } from '../contracts/json.ts';
import type { KeyEntry, LogHead, RuntimeStore, Snapshot } from '../contracts/store.ts';
import { corrupt } from './archive-bytes.ts';
import type { ArchivedLog, ArchiveItem } from './archive-item.ts';

/** Writes the items of one log to a store, in order, one write at a time. Continues a log that an earlier import has begun. */
export class LogWriter {
  readonly log: string;
  readonly #store: RuntimeStore;
  readonly #head: ArchivedLog & ArchiveItem;
  #keys: readonly KeyEntry[] = [];
  #base: Snapshot | null = null;
  #at: LogHead = { seq: 0, bytes: 0 };
  readonly #begun: LogHead | undefined;
  #writing: Promise<void> = Promise.resolve();

  /** `begun` is the end of the log in the store, if it is there, and `log` the id that it gets. */
  constructor(store: RuntimeStore, head: ArchivedLog & ArchiveItem, begun?: LogHead, log = head.log) {
    this.#store = store;
    this.#head = head;
    this.#begun = begun;
    this.log = log;
  }

  /** Resolves when everything was written. */
  get written(): Promise<void> {
    return this.#writing;
  }

  /** Begins to write an item, after the one before was written. */
  async add(item: ArchiveItem): Promise<void> {
    await this.#writing;
    this.#writing = this.#write(item);
    // `written` reports it
    this.#writing.catch(() => {});
  }

  async #write(item: ArchiveItem): Promise<void> {
    if (item.kind === 'keys') this.#keys = JSON.parse(Buffer.from(item.body).toString()) as KeyEntry[];
    else if (item.kind === 'base') {
      const { seq, bytes } = item;
      this.#base = { head: { seq, bytes }, text: Buffer.from(item.body).toString() };
      this.#at = this.#base.head;
    } else if (item.kind === 'blob') await this.#store.putBlob(this.log, item.name, item.body);
    else if (item.kind === 'lines') await this.#append(item.body, item.count);
    else throw corrupt('an item belongs to no log');
  }

  async #append(lines: Uint8Array, count: number): Promise<void> {
    const { seq, bytes } = this.#at;
    this.#at = { seq: seq + count, bytes: bytes + lines.length };
    // each batch is there as a whole or not at all
    if (this.#begun && this.#begun.seq >= this.#at.seq) return;
    const base = this.#base;
    const isFirst = seq === (base?.head.seq ?? 0);
    const keys = this.#keys.filter((key) => (isFirst || key.seq > seq) && key.seq <= seq + count);
    const batch = { lines, count, ...(keys.length > 0 && { keys }) };
    if (isFirst) {
      const record = JSON.parse(Buffer.from(this.#head.body).toString()) as JsonValue;
      const { workerId } = this.#head;
      await this.#store.create(this.log, { workerId, record, ...(base && { base }) }, batch);
    } else await this.#store.append(this.log, { seq, bytes }, batch);
  }
}
