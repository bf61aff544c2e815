import type { WorkerEvent } from '../contracts/event.ts';
import { Tail } from '../log/tail.ts';
import type { InFlight } from './in-flight.ts';
import type { LiveState } from './live-state.ts';

/** Receives the events that were committed, if they are the change. A wake that only reads the log ignores them. */
type Wake = (committed: readonly WorkerEvent[]) => void;

const NOTHING: readonly WorkerEvent[] = [];

/** The state that the readers of one live Worker share: the last lines of its log, the text in flight, and their wake-ups. */
export class Readers implements LiveState {
  readonly tail: Tail;
  /** The message that the active run is writing; null between runs. */
  inFlight: InFlight | null = null;
  #wakes = new Set<Wake>();

  constructor(tailBytes: number) {
    this.tail = new Tail(tailBytes);
  }

  get isBusy(): boolean {
    return this.#wakes.size > 0;
  }

  /** Calls `wake` once, at the next change. A second call with the same function has no effect. */
  onChange(wake: Wake): void {
    this.#wakes.add(wake);
  }

  /** Cancels `onChange`. */
  cancel(wake: Wake): void {
    this.#wakes.delete(wake);
  }

  /** Wakes all readers, with what was committed. A reader that waits again at once is not called a second time. */
  wake(committed: readonly WorkerEvent[] = NOTHING): void {
    if (this.#wakes.size === 0) return;
    const wakes = this.#wakes;
    // a new set instead of a cleared one, which V8 would link to its old table; see `TimeLimit`
    this.#wakes = new Set();
    for (const wake of wakes) wake(committed);
  }
}
