import type { Worker } from './worker.ts';

/** A place in the order: a Worker, one that was removed, or where a watch stands. */
export interface Place {
  older: Place | null;
  newer: Place | null;
  readonly kind: 'worker' | 'removed' | 'watch';
  revision: number;
  readonly worker: Worker | null;
  readonly workerId: string;
}

/** What a watch finds next. */
type Change =
  | { readonly type: 'worker'; readonly worker: Worker }
  | { readonly type: 'removed'; readonly workerId: string };

/** Where a watch stands in the order of change. Costs one link, whatever has changed since. */
export interface WatchPlace {
  /** The next change after this place, which it then stands behind; null at the end. */
  next(): Change | null;
  /** Of the last change that was passed. */
  readonly revision: number;
  leave(): void;
}

const link = (place: Place, older: Place): void => {
  place.older = older;
  place.newer = older.newer;
  if (older.newer) older.newer.older = place;
  older.newer = place;
};

const unlink = (place: Place): void => {
  if (place.older) place.older.newer = place.newer;
  if (place.newer) place.newer.older = place.older;
  place.older = null;
  place.newer = null;
};

/**
 * All Workers in the order in which they last changed. A change moves a Worker to the end, in constant time, and a
 * watch walks from where it stands to the end: it sees each Worker's present once, however often it changed
 * meanwhile. Removed Workers keep a place for a while; a watch that missed more than that begins anew.
 */
export class Changes {
  readonly #start: Place = {
    older: null,
    newer: null,
    kind: 'watch',
    revision: 0,
    worker: null,
    workerId: '',
  };
  #end: Place = this.#start;
  readonly #removed: Place[] = [];
  readonly #removedLimit: number;
  readonly #wakes = new Set<() => void>();
  #revision = 0;
  /** Removals up to this revision are forgotten. */
  #forgotten = 0;

  constructor(removedLimit: number) {
    this.#removedLimit = removedLimit;
  }

  get revision(): number {
    return this.#revision;
  }

  /** The Worker is new, or something about it has changed. */
  touch(worker: Worker): void {
    if (worker.place) this.#take(worker.place);
    else {
      const { workerId } = worker;
      worker.place = { older: null, newer: null, kind: 'worker', revision: 0, worker, workerId };
    }
    this.#append(worker.place);
  }

  remove(worker: Worker): void {
    if (!worker.place) return;
    this.#take(worker.place);
    worker.place = null;
    const removed: Place = {
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
      const forgotten = this.#removed.shift() as Place;
      this.#forgotten = forgotten.revision;
      this.#take(forgotten);
    }
  }

  /** Calls back once, at the next change. Returns how to call that off. */
  onChange(callback: () => void): () => void {
    this.#wakes.add(callback);
    return () => this.#wakes.delete(callback);
  }

  /** Stands behind a revision; null where removals since then are forgotten. Costs the changes since then. */
  stand(revision: number): WatchPlace | null {
    if (revision !== 0 && (revision < this.#forgotten || revision > this.#revision)) return null;
    let behind = this.#end;
    while (behind !== this.#start && (behind.kind === 'watch' || behind.revision > revision))
      behind = behind.older as Place;
    const place: Place = { older: null, newer: null, kind: 'watch', revision, worker: null, workerId: '' };
    this.#insert(place, revision === 0 ? this.#start : behind);
    // a list that begins now has never shown those that were removed before
    const unseen = revision === 0 ? this.#revision : 0;
    return {
      next: () => {
        for (let found = place.newer; found; found = found.newer) {
          if (found.kind === 'watch' || (found.kind === 'removed' && found.revision <= unseen)) continue;
          this.#take(place);
          this.#insert(place, found);
          place.revision = found.revision;
          return found.worker
            ? { type: 'worker', worker: found.worker }
            : { type: 'removed', workerId: found.workerId };
        }
        // also past what it was not told of, so that its cursor does not lead there again
        place.revision = this.#revision;
        return null;
      },
      get revision() {
        return place.revision;
      },
      leave: () => this.#take(place),
    };
  }

  #append(place: Place): void {
    this.#revision += 1;
    place.revision = this.#revision;
    this.#insert(place, this.#end);
    if (this.#wakes.size === 0) return;
    const wakes = [...this.#wakes];
    this.#wakes.clear();
    for (const wake of wakes) wake();
  }

  #insert(place: Place, older: Place): void {
    link(place, older);
    if (older === this.#end) this.#end = place;
  }

  #take(place: Place): void {
    if (place === this.#end) this.#end = place.older as Place;
    unlink(place);
  }
}
