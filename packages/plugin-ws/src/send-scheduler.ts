/** Something that has bounded work to do now and then. It has no other turn before it was added again. */
export interface Turn {
  /** Whether it was added and has not had its turn. For `Rounds` alone. */
  isWaiting: boolean;
  /** Makes ready what is to be written. `now`: as `performance.now()`. */
  prepare(now: number): void;
  /** Writes it. */
  write(): void;
  /** Told what either of them threw. */
  failed(cause: unknown): void;
}

const SLICE_MS = 4;
/** Written together: who reads on this machine, a proxy perhaps, is woken once for many writes instead of for each. */
const TOGETHER = 64;

/**
 * Gives everybody with work a turn, first come first served, a few milliseconds at a time: between two slices the
 * process does everything else, and what happens there joins the writes that are still to come.
 */
export class Rounds {
  #waiting: Turn[] = [];
  #isScheduled = false;

  add(turn: Turn): void {
    if (turn.isWaiting) return;
    turn.isWaiting = true;
    this.#waiting.push(turn);
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    setImmediate(this.#run);
  }

  readonly #run = (): void => {
    const turns = this.#waiting;
    // whoever adds itself again comes behind those that wait
    this.#waiting = [];
    let now = performance.now();
    const end = now + SLICE_MS;
    let at = 0;
    while (at < turns.length && now <= end) {
      const first = at;
      do {
        const turn = turns[at] as Turn;
        turn.isWaiting = false;
        try {
          turn.prepare(now);
        } catch (cause) {
          turn.failed(cause);
        }
        now = performance.now();
        at += 1;
      } while (at < turns.length && at < first + TOGETHER && now <= end);
      for (const turn of turns.slice(first, at)) {
        try {
          turn.write();
        } catch (cause) {
          turn.failed(cause);
        }
      }
    }
    if (at < turns.length) this.#waiting = turns.slice(at).concat(this.#waiting);
    this.#isScheduled = this.#waiting.length > 0;
    if (this.#isScheduled) setImmediate(this.#run);
  };
}
