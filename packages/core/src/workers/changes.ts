/** A Worker as the order of changes needs it. */
interface Changing {
  readonly workerId: string;
  /** The revision of its last change; null while it is not in the order. */
  revision: number | null;
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
export class Changes<W extends Changing> {
  // Two arrays instead of one of objects, because there is an entry for each Worker.
  /** The revision of each entry, in order. */
  #revisions: number[] = [];
  /**
   * The Worker of each entry, the id of a removed one, or null for none. The entry of a Worker is stale if the Worker has another
   * revision.
   */
  #subjects: (W | string | null)[] = [];
  #staleEntries = 0;
  /** Increases when entries are dropped, because their indexes change then. */
  #generation = 0;
  /** The revisions of the last removals. */
  readonly #removed: number[] = [];
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
    if (worker.revision !== null) {
      worker.revision = null;
      this.#noteStale();
    }
    worker.revision = this.#append(worker);
    this.#wake();
  }

  remove(worker: W): void {
    if (worker.revision === null) return;
    this.#clear(worker.revision);
    worker.revision = null;
    this.#removed.push(this.#append(worker.workerId));
    if (this.#removed.length > this.#removedLimit) {
      this.#droppedUpTo = this.#removed.shift() as number;
      this.#clear(this.#droppedUpTo);
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
        for (; index < this.#subjects.length; index++) {
          const subject = this.#subjects[index] as W | string | null;
          const found = this.#revisions[index] as number;
          const isRemoved = typeof subject === 'string';
          if (subject === null || (isRemoved ? found <= unseen : subject.revision !== found)) continue;
          passed = found;
          index += 1;
          return isRemoved ? { type: 'removed', workerId: subject } : { type: 'worker', worker: subject };
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

  /** Adds an entry at the end. Returns its revision. */
  #append(subject: W | string): number {
    this.#revision += 1;
    this.#revisions.push(this.#revision);
    this.#subjects.push(subject);
    return this.#revision;
  }

  /** Wakes the watches, once the change is complete. */
  #wake(): void {
    if (this.#wakes.size === 0) return;
    const wakes = this.#wakes;
    // a new set instead of a cleared one, which V8 would link to its old table; see `TimeLimit`
    this.#wakes = new Set();
    for (const wake of wakes) wake();
  }

  /** Clears the entry of a revision, so that it holds no Worker. */
  #clear(revision: number): void {
    this.#subjects[this.#indexAfter(revision) - 1] = null;
    this.#noteStale();
  }

  /** Counts an entry that has become stale, and drops all such entries if they are too many. */
  #noteStale(): void {
    this.#staleEntries += 1;
    if (this.#staleEntries <= Math.max(STALE_ENTRIES, this.#subjects.length / 2)) return;
    const revisions: number[] = [];
    const subjects: (W | string | null)[] = [];
    for (const [index, subject] of this.#subjects.entries()) {
      const revision = this.#revisions[index] as number;
      if (subject === null || (typeof subject !== 'string' && subject.revision !== revision)) continue;
      revisions.push(revision);
      subjects.push(subject);
    }
    this.#revisions = revisions;
    this.#subjects = subjects;
    this.#staleEntries = 0;
    this.#generation += 1;
  }

  #indexAfter(revision: number): number {
    let low = 0;
    let high = this.#revisions.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#revisions[middle] as number) <= revision) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
