/** Something that can do a bounded piece of work. It is not called again before it was added again. */
export interface Turn {
  turn(): void;
}

const SLICE_MS = 4;

/**
 * Gives everybody with work a turn, first come first served, a few milliseconds at a time: between two slices the
 * process does everything else, and what happens there joins the writes that are still to come.
 */
export class Rounds {
  readonly #due = new Set<Turn>();
  #isScheduled = false;

  add(turn: Turn): void {
    this.#due.add(turn);
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    setImmediate(this.#run);
  }

  remove(turn: Turn): void {
    this.#due.delete(turn);
  }

  readonly #run = (): void => {
    const end = performance.now() + SLICE_MS;
    // whoever adds itself again comes behind those that wait
    for (const turn of this.#due) {
      this.#due.delete(turn);
      turn.turn();
      if (performance.now() > end) break;
    }
    this.#isScheduled = this.#due.size > 0;
    if (this.#isScheduled) setImmediate(this.#run);
  };
}
