/** One entry in the order of changes. An entry that a later change of the same Worker has replaced is stale. */
export interface ChangeEntry<W> {
  readonly revision: number;
  /** The Worker; null in a stale entry, and in that of a removed Worker. */
  worker: W | null;
  /** The id of a removed Worker; null in any other entry. */
  removedId: string | null;
}

/** A Worker as the order of changes needs it. */
interface Changing<W> {
  readonly workerId: string;
  change: ChangeEntry<W> | null;
}

/** One change as a watch reads it. */
type Change<W> =
  | { readonly type: 'worker'; readonly worker: W }
  | { readonly type: 'removed'; readonly workerId: string };

/** The position of one watch in the order of changes. It is a number, so any number of watches costs the order nothing. */
export interface WatchPosition<W> {
  /** Moves past the next change and returns it; null at the end. */
  next(): Change<W> | null;
  /** The revision of the last change that was passed. */
  readonly revision: number;
}

/** Stale entries are dropped when there are more of them than others, and more than this. */
const STALE_ENTRIES = 64;

/**
 * All Workers in the order of their last change. A change moves a Worker to the end, and a watch walks from its position to
 * the end: it reads the present state of each Worker once, however often that Worker changed in the meantime. Removed
 * Workers keep an entry until `removedLimit` later removals; a watch that missed more must start again.
 *
 * A change costs constant time (amortized), for any number of watches. A watch that reads to the end costs the number
 * of changes since it last did, and at most twice the number of Workers.
 */
export class Changes<W extends Changing<W>> {
  /** Sorted by revision. */
  #entries: ChangeEntry<W>[] = [];
  #staleEntries = 0;
  /** Increases when entries are dropped, because their indexes change then. */
  #generation = 0;
  readonly #removed: ChangeEntry<W>[] = [];
  readonly #removedLimit: number;
  #wakes = new Set<() => void>();
  #revision = 0;
  /** Removals up to this revision have lost their entries. */
  #droppedUpTo = 0;

  constructor(removedLimit: number) {
    this.#removedLimit = removedLimit;
  }

  get revision(): number {
    return this.#revision;
  }

  /** Moves a Worker that is new or has changed to the end. */
  touch(worker: W): void {
    if (worker.change) this.#markStale(worker.change);
    worker.change = this.#append(worker, null);
    this.#wake();
  }

  remove(worker: W): void {
    if (!worker.change) return;
    this.#markStale(worker.change);
    worker.change = null;
    this.#removed.push(this.#append(null, worker.workerId));
    if (this.#removed.length > this.#removedLimit) {
      const dropped = this.#removed.shift() as ChangeEntry<W>;
      this.#droppedUpTo = dropped.revision;
      this.#markStale(dropped);
    }
    this.#wake();
  }

  /** Calls `callback` once, at the next change. Returns a function that cancels this. */
  onChange(callback: () => void): () => void {
    this.#wakes.add(callback);
    return () => this.#wakes.delete(callback);
  }

  /**
   * Opens a position after a revision; null if removals since then have lost their entries. Costs the logarithm of the
   * number of Workers.
   */
  openPosition(revision: number): WatchPosition<W> | null {
    if (revision !== 0 && (revision < this.#droppedUpTo || revision > this.#revision)) return null;
    // a list that begins at the start never showed the Workers that were removed before
    const unseen = revision === 0 ? this.#revision : 0;
    let passed = revision;
    let index = this.#indexAfter(passed);
    let generation = this.#generation;
    return {
      next: () => {
        if (generation !== this.#generation) {
          index = this.#indexAfter(passed);
          generation = this.#generation;
        }
        for (; index < this.#entries.length; index++) {
          const { worker, removedId, revision: found } = this.#entries[index] as ChangeEntry<W>;
          if (worker === null && (removedId === null || found <= unseen)) continue;
          passed = found;
          index += 1;
          return worker ? { type: 'worker', worker } : { type: 'removed', workerId: removedId as string };
        }
        // also past the entries that were skipped, so that its cursor does not lead back to them
        passed = this.#revision;
        return null;
      },
      get revision() {
        return passed;
      },
    };
  }

  #append(worker: W | null, removedId: string | null): ChangeEntry<W> {
    this.#revision += 1;
    const entry = { revision: this.#revision, worker, removedId };
    this.#entries.push(entry);
    return entry;
  }

  /** Wakes the watches, once the change is complete. */
  #wake(): void {
    if (this.#wakes.size === 0) return;
    const wakes = this.#wakes;
    // a new set instead of a cleared one, which V8 would link to its old table; see `TimeLimit`
    this.#wakes = new Set();
    for (const wake of wakes) wake();
  }

  #markStale(entry: ChangeEntry<W>): void {
    entry.worker = null;
    entry.removedId = null;
    this.#staleEntries += 1;
    if (this.#staleEntries <= Math.max(STALE_ENTRIES, this.#entries.length / 2)) return;
    this.#entries = this.#entries.filter(({ worker, removedId }) => worker !== null || removedId !== null);
    this.#staleEntries = 0;
    this.#generation += 1;
  }

  #indexAfter(revision: number): number {
    let low = 0;
    let high = this.#entries.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#entries[middle] as ChangeEntry<W>).revision <= revision) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
