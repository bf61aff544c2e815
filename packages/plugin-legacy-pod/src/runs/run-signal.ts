import type { Run } from '@worker-runtime/core';
import type { LinkEvent } from '../link/link-event.ts';
import type { PodFeed } from '../link/pod-feed.ts';
import type { PodMethod } from '../wire/pod-method.ts';

/**
 * An event that a run has to handle: an event of the link, or one of these.
 * - `timeout`: no event arrived in time.
 * - `cancelling`: the run is to end, and `cancel` was sent to the pod. The pod's events still follow.
 * - `stopped`: the run is to end without waiting for the pod.
 */
export type RunEvent = LinkEvent | 'timeout' | 'cancelling' | 'stopped';

/** Merges the events of a pod with the abort signal of a run. Sends `cancel` to the pod at most once. */
export class RunSignal {
  readonly #run: Run;
  readonly #feed: PodFeed;
  readonly #send: (method: PodMethod) => void;
  #isAbortHandled = false;

  constructor(run: Run, feed: PodFeed, send: (method: PodMethod) => void) {
    this.#run = run;
    this.#feed = feed;
    this.#send = send;
  }

  async next(timeoutMs: number | null): Promise<RunEvent> {
    const { signal } = this.#run;
    const event = await this.#feed.next(this.#isAbortHandled ? null : signal, timeoutMs);
    if (event !== null) return event;
    if (this.#isAbortHandled || !signal.aborted) return 'timeout';
    this.#isAbortHandled = true;
    // A stop also ends the pod: the detach sends `shutdown`.
    if (signal.reason === 'stop') return 'stopped';
    this.#send({ method: 'cancel' });
    return 'cancelling';
  }
}
