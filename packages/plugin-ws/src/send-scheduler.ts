/** An object that writes when the scheduler calls it. It is called once each time it is added. */
export interface Sender {
  /** True from `SendScheduler.add` until the call. Only the scheduler sets it. */
  isQueued: boolean;
  /** Prepares a bounded write. `now` is `performance.now()`. */
  prepare(now: number): void;
  /** Writes what was prepared. */
  write(): void;
  /** Receives an error of `prepare` or `write`. */
  failed(cause: unknown): void;
}

/** The time after which the scheduler yields to the event loop. */
const SLICE_MS = 4;
/** The senders that write together: a reader on this machine, such as a proxy, then wakes once for many writes. */
const GROUP_SENDERS = 64;

/**
 * Calls senders in the order in which they were added, in slices of a few milliseconds. Between two slices the process
 * does its other work, and new events join the writes that are still to come.
 */
export class SendScheduler {
  #queued: Sender[] = [];
  #isRunScheduled = false;

  /** Queues a call of the sender, unless one is queued already. */
  add(sender: Sender): void {
    if (sender.isQueued) return;
    sender.isQueued = true;
    this.#queued.push(sender);
    if (this.#isRunScheduled) return;
    this.#isRunScheduled = true;
    setImmediate(this.#run);
  }

  readonly #run = (): void => {
    const senders = this.#queued;
    // a sender that adds itself again goes to the end of the queue
    this.#queued = [];
    let now = performance.now();
    const end = now + SLICE_MS;
    let at = 0;
    while (at < senders.length && now <= end) {
      const first = at;
      do {
        const sender = senders[at] as Sender;
        sender.isQueued = false;
        try {
          sender.prepare(now);
        } catch (cause) {
          sender.failed(cause);
        }
        now = performance.now();
        at += 1;
      } while (at < senders.length && at < first + GROUP_SENDERS && now <= end);
      for (const sender of senders.slice(first, at)) {
        try {
          sender.write();
        } catch (cause) {
          sender.failed(cause);
        }
      }
    }
    if (at < senders.length) this.#queued = senders.slice(at).concat(this.#queued);
    this.#isRunScheduled = this.#queued.length > 0;
    if (this.#isRunScheduled) setImmediate(this.#run);
  };
}
