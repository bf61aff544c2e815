import type { SeenHost } from '@worker-runtime/core/plugin-kit';

interface Seen {
  readonly beat: number;
  /** The time at which this host had first received this beat. */
  readonly sinceMs: number;
}

/**
 * Counts how long other hosts have been silent, by the clock of this process alone. A time in which this host could not look does not
 * count. A silence begins when the answer with the last beat has arrived, and lasts to the request of the last look, so it is never
 * taken as longer than it was.
 */
export class Silences {
  readonly #longestGapMs: number;
  #seen: ReadonlyMap<string, Seen> = new Map();
  #askedMs = 0;
  #answeredMs = Number.NEGATIVE_INFINITY;

  /** `longestGapMs` is the longest time between two looks that still counts as watching. */
  constructor(longestGapMs: number) {
    this.#longestGapMs = longestGapMs;
  }

  /** Notes a look, with the times of its request and its answer. */
  note(hosts: readonly SeenHost[], askedMs: number, answeredMs: number): void {
    const hasWatched = askedMs - this.#answeredMs <= this.#longestGapMs;
    const before = this.#seen;
    this.#seen = new Map(
      hosts.map(({ id, beat }) => {
        const known = hasWatched ? before.get(id) : undefined;
        return [id, known?.beat === beat ? known : { beat, sinceMs: answeredMs }];
      }),
    );
    this.#askedMs = askedMs;
    this.#answeredMs = answeredMs;
  }

  /** Returns how long a host has been silent. A host without a card has been so for ever. */
  ofHost(id: string): number {
    const seen = this.#seen.get(id);
    return seen ? this.#askedMs - seen.sinceMs : Number.POSITIVE_INFINITY;
  }
}
