/** The node of one Worker, of one removed Worker or of one watch in the order of changes. */
export interface ChangeNode<W> {
  older: ChangeNode<W> | null;
  newer: ChangeNode<W> | null;
  readonly kind: 'worker' | 'removed' | 'watch';
  revision: number;
  readonly worker: W | null;
  readonly workerId: string;
}

/** A Worker as the order of changes needs it. */
interface Changing<W> {
  readonly workerId: string;
  change: ChangeNode<W> | null;
}

/** One change as a watch reads it. */
type Change<W> =
  | { readonly type: 'worker'; readonly worker: W }
  | { readonly type: 'removed'; readonly workerId: string };

/** The position of one watch in the order of changes. It costs one node, however many Workers have changed. */
export interface WatchPosition<W> {
  /** Moves past the next change and returns it; null at the end. */
  next(): Change<W> | null;
  /** The revision of the last change that was passed. */
  readonly revision: number;
  /** Removes the position from the order. */
  close(): void;
}

const link = <W>(node: ChangeNode<W>, older: ChangeNode<W>): void => {
  node.older = older;
  node.newer = older.newer;
  if (older.newer) older.newer.older = node;
  older.newer = node;
};

const unlink = <W>(node: ChangeNode<W>): void => {
  if (node.older) node.older.newer = node.newer;
  if (node.newer) node.newer.older = node.older;
  node.older = null;
  node.newer = null;
};

/**
 * All Workers in the order of their last change. A change moves a Worker to the end, in constant time, and a watch
 * walks from its position to the end: it reads the present state of each Worker once, however often that Worker
 * changed in the meantime. Removed Workers keep a node until `removedLimit` later removals; a watch that missed
 * more must start again.
 */
export class Changes<W extends Changing<W>> {
  readonly #start: ChangeNode<W> = {
    older: null,
    newer: null,
    kind: 'watch',
    revision: 0,
    worker: null,
    workerId: '',
  };
  #end: ChangeNode<W> = this.#start;
  readonly #removed: ChangeNode<W>[] = [];
  readonly #removedLimit: number;
  readonly #wakes = new Set<() => void>();
  #revision = 0;
  /** Removals up to this revision have lost their nodes. */
  #droppedUpTo = 0;

  constructor(removedLimit: number) {
    this.#removedLimit = removedLimit;
  }

  get revision(): number {
    return this.#revision;
  }

  /** Moves a Worker that is new or has changed to the end. */
  touch(worker: W): void {
    if (worker.change) this.#take(worker.change);
    else {
      const { workerId } = worker;
      worker.change = { older: null, newer: null, kind: 'worker', revision: 0, worker, workerId };
    }
    this.#append(worker.change);
  }

  remove(worker: W): void {
    if (!worker.change) return;
    this.#take(worker.change);
    worker.change = null;
    const removed: ChangeNode<W> = {
      older: null,
      newer: null,
      kind: 'removed',
      revision: 0,
      worker: null,
      workerId: worker.workerId,
    };
    this.#append(removed);
    this.#removed.push(removed);
    if (this.#removed.length > this.#removedLimit) {
      const dropped = this.#removed.shift() as ChangeNode<W>;
      this.#droppedUpTo = dropped.revision;
      this.#take(dropped);
    }
  }

  /** Calls `callback` once, at the next change. Returns a function that cancels this. */
  onChange(callback: () => void): () => void {
    this.#wakes.add(callback);
    return () => this.#wakes.delete(callback);
  }

  /**
   * Opens a position after a revision; null if removals since then have lost their nodes. Costs the number of changes
   * since that revision.
   */
  openPosition(revision: number): WatchPosition<W> | null {
    if (revision !== 0 && (revision < this.#droppedUpTo || revision > this.#revision)) return null;
    let behind = this.#end;
    while (behind !== this.#start && (behind.kind === 'watch' || behind.revision > revision))
      behind = behind.older as ChangeNode<W>;
    const node: ChangeNode<W> = {
      older: null,
      newer: null,
      kind: 'watch',
      revision,
      worker: null,
      workerId: '',
    };
    this.#insert(node, revision === 0 ? this.#start : behind);
    // a list that begins at the start never showed the Workers that were removed before
    const unseen = revision === 0 ? this.#revision : 0;
    return {
      next: () => {
        for (let found = node.newer; found; found = found.newer) {
          if (found.kind === 'watch' || (found.kind === 'removed' && found.revision <= unseen)) continue;
          this.#take(node);
          this.#insert(node, found);
          node.revision = found.revision;
          return found.worker
            ? { type: 'worker', worker: found.worker }
            : { type: 'removed', workerId: found.workerId };
        }
        // also past the removals that were skipped, so that its cursor does not lead back to them
        node.revision = this.#revision;
        return null;
      },
      get revision() {
        return node.revision;
      },
      close: () => this.#take(node),
    };
  }

  #append(node: ChangeNode<W>): void {
    this.#revision += 1;
    node.revision = this.#revision;
    this.#insert(node, this.#end);
    if (this.#wakes.size === 0) return;
    const wakes = [...this.#wakes];
    this.#wakes.clear();
    for (const wake of wakes) wake();
  }

  #insert(node: ChangeNode<W>, older: ChangeNode<W>): void {
    link(node, older);
    if (older === this.#end) this.#end = node;
  }

  #take(node: ChangeNode<W>): void {
    if (node === this.#end) this.#end = node.older as ChangeNode<W>;
    unlink(node);
  }
}
