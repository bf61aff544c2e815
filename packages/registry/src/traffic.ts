import type { Metric } from '@worker-runtime/core/plugin-kit';

/**
 * The end of a request to a remote runtime: `answered` with any status, `unreachable` without an answer in time, `refused` for the
 * credentials of the registry, or `left` by the client before the answer.
 */
const OUTCOMES = ['answered', 'unreachable', 'refused', 'left'] as const;
export type Outcome = (typeof OUTCOMES)[number];

/** The counts of the requests to one remote runtime since its source was added. */
export class Traffic {
  readonly #requests: Record<Outcome, number> = { answered: 0, unreachable: 0, refused: 0, left: 0 };
  #seconds = 0;
  #open = 0;

  /** Begins to measure a request. The returned function ends it, with the first outcome that it gets. */
  begin(): (outcome: Outcome) => void {
    const began = performance.now();
    let hasEnded = false;
    return (outcome) => {
      if (hasEnded) return;
      hasEnded = true;
      this.#requests[outcome] += 1;
      this.#seconds += (performance.now() - began) / 1_000;
    };
  }

  /** Counts a stream or a socket as open. The returned function ends it. */
  open(): () => void {
    this.#open += 1;
    return () => {
      this.#open -= 1;
    };
  }

  /** Returns the metrics of remote runtimes, by their names in the configuration. */
  static metricsOf(
    remotes: readonly { readonly name: string; readonly traffic: Traffic; readonly isAvailable: boolean }[],
  ): readonly Metric[] {
    const each = (value: (one: (typeof remotes)[number]) => number): Metric['values'] =>
      remotes.map((one) => ({ value: value(one), labels: { remote: one.name } }));
    return [
      {
        name: 'registry_upstream_requests_total',
        help: 'Number of requests to remote runtimes, by outcome',
        type: 'counter',
        values: remotes.flatMap(({ name, traffic }) =>
          OUTCOMES.map((outcome) => ({
            value: traffic.#requests[outcome],
            labels: { remote: name, outcome },
          })),
        ),
      },
      {
        name: 'registry_upstream_request_seconds_total',
        help: 'Time until these requests had the head of their answer or failed',
        type: 'counter',
        values: each(({ traffic }) => traffic.#seconds),
      },
      {
        name: 'registry_upstream_streams',
        help: 'Number of open streams and sockets of remote runtimes',
        type: 'gauge',
        values: each(({ traffic }) => traffic.#open),
      },
      {
        name: 'registry_upstream_unavailable',
        help: '1 if lists name the remote runtime as unavailable, else 0',
        type: 'gauge',
        values: each(({ isAvailable }) => (isAvailable ? 0 : 1)),
      },
    ];
  }
}
