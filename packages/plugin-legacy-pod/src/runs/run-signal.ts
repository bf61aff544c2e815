import type { Run } from '@worker-runtime/core';
import type { PodFeed } from '../link/pod-feed.ts';
import type { LinkEvent } from '../link/pod-link.ts';
import type { PodMethod } from '../wire/pod-method.ts';

export type Heard = LinkEvent | 'late' | 'told' | 'left';

/** Listens to a pod and to whoever ends the run, and tells the pod once. */
export class RunSignal {
  readonly #run: Run;
  readonly #feed: PodFeed;
  readonly #send: (method: PodMethod) => void;
  #isTold = false;

  constructor(run: Run, feed: PodFeed, send: (method: PodMethod) => void) {
    this.#run = run;
    this.#feed = feed;
    this.#send = send;
  }

  /**
   * The next event of the pod. `late`: none came in time. `told`: the run is to end, and the pod was told so. `left`:
   * the run is to end, and nobody waits for the pod.
   */
  async next(timeoutMs: number | null): Promise<Heard> {
    const { signal } = this.#run;
    const event = await this.#feed.next(this.#isTold ? null : signal, timeoutMs);
    if (event !== null) return event;
    if (this.#isTold || !signal.aborted) return 'late';
    this.#isTold = true;
    // a stop ends the pod as well: whoever detaches it speaks to it
    if (signal.reason === 'stop') return 'left';
    this.#send({ method: 'cancel' });
    return 'told';
  }
}
