import { Tail } from '../log/tail.ts';
import type { InFlight } from './in-flight.ts';
import type { Slot } from './slot.ts';

/** The state that the readers of one live Worker share: the last lines of its log, the text in flight, and their wake-ups. */
export class Readers implements Slot {
  readonly tail: Tail;
  /** The message that the active run is writing; null between runs. */
  inFlight: InFlight | null = null;
  #wakes = new Set<() => void>();

  constructor(tailBytes: number) {
    this.tail = new Tail(tailBytes);
  }

  get isBusy(): boolean {
    return this.#wakes.size > 0;
  }

  /** Calls `wake` once, at the next change. A second call with the same function has no effect. */
  onChange(wake: () => void): void {
    this.#wakes.add(wake);
  }

  /** Cancels `onChange`. */
  cancel(wake: () => void): void {
    this.#wakes.delete(wake);
  }

  /** Wakes all readers. A reader that waits again at once is not called a second time. */
  wake(): void {
    if (this.#wakes.size === 0) return;
    const wakes = this.#wakes;
    // a new set instead of a cleared one, which V8 would link to its old table; see `TimeLimit`
    this.#wakes = new Set();
    for (const wake of wakes) wake();
  }
}
