import type { Committed, Diagnostic, WorkerStatus } from '@worker-runtime/core';
import type { ServedRuntime } from '@worker-runtime/core/plugin-kit';
import { type Counter, collectDefaultMetrics, type Histogram, Registry } from 'prom-client';
import { counterOf, gaugeOf, histogramOf } from './metric.ts';
import { Tally } from './tally.ts';

/** The values that are read at each scrape. */
export interface Gauges {
  connections(): number;
  streams(): number;
  answerBytes(): number;
  bodyBytes(): number;
}

/** The number of diagnostic codes with a series of their own. Plugins may use any code; the rest share one series. */
const DIAGNOSTIC_CODES = 100;
const STATUSES: readonly WorkerStatus[] = ['idle', 'running', 'waiting', 'stopped'];

let processMetrics: Registry | null = null;

/**
 * Returns the metrics of the process. All runtimes of the process share them, since their collectors cannot be
 * unregistered.
 */
const metricsOfProcess = (): Registry => {
  if (processMetrics === null) {
    processMetrics = new Registry();
    collectDefaultMetrics({ register: processMetrics });
  }
  return processMetrics;
};

/** The metrics of a runtime and its listener. Labels come from fixed sets, so the number of series is bounded. */
export class Measurements {
  readonly #own = new Registry();
  readonly #events = new Tally();
  readonly #diagnostics = new Tally(DIAGNOSTIC_CODES);
  readonly #requests: Counter;
  readonly #durations: Histogram;
  #commits = 0;

  constructor(runtime: ServedRuntime, gauges: Gauges) {
    const own = this.#own;
    this.#requests = counterOf(own, 'http_requests_total', 'Number of requests that were answered', [
      'method',
      'route',
      'status',
    ]);
    this.#durations = histogramOf(
      own,
      'http_request_duration_seconds',
      'Time until the answer was written, without streams',
      ['method', 'route'],
    );
    gaugeOf(own, 'http_connections', 'Number of open connections', [], (set) => set(gauges.connections()));
    gaugeOf(own, 'http_streams', 'Number of open streams', [], (set) => set(gauges.streams()));
    gaugeOf(own, 'http_answer_bytes', 'Bytes of answers that clients have not read yet', [], (set) =>
      set(gauges.answerBytes()),
    );
    gaugeOf(own, 'http_body_bytes', 'Bytes of the bodies of requests in progress', [], (set) =>
      set(gauges.bodyBytes()),
    );
    gaugeOf(own, 'workers', 'Number of Workers by status', ['status'], async (set) => {
      if (runtime.status !== 'running') return;
      const { workers } = await runtime.summary();
      for (const status of STATUSES) set(workers[status], status);
    });
    gaugeOf(own, 'store_healthy', '1 if the last commit succeeded, else 0', [], async (set) => {
      if (runtime.status === 'running') set((await runtime.summary()).store.healthy ? 1 : 0);
    });
    counterOf(own, 'commits_total', 'Number of commits', [], (add) => add(this.#commits));
    counterOf(own, 'events_total', 'Number of committed events by type', ['type'], (add) =>
      this.#events.report(add),
    );
    counterOf(own, 'diagnostics_total', 'Number of diagnostics by code', ['code'], (add) =>
      this.#diagnostics.report(add),
    );
  }

  /** Counts a commit: a tap of the hook `committed`. */
  readonly committed = ({ events }: Committed): void => {
    this.#commits += 1;
    for (const { type } of events) this.#events.add(type);
  };

  /** Counts a diagnostic: a tap of the hook `diagnostic`. */
  readonly diagnosed = ({ code }: Diagnostic): void => this.#diagnostics.add(code);

  /**
   * Counts an answer. `route` is the declared path, never the requested one. `durationMs` is null for a stream, whose
   * duration would distort the histogram.
   */
  answered(method: string, route: string, status: number, durationMs: number | null): void {
    this.#requests.labels(method, route, String(status)).inc();
    if (durationMs !== null) this.#durations.labels(method, route).observe(durationMs / 1_000);
  }

  get contentType(): string {
    return this.#own.contentType;
  }

  /** Returns all metrics in the text format of Prometheus. */
  async text(): Promise<string> {
    return `${await this.#own.metrics()}\n${await metricsOfProcess().metrics()}`;
  }
}
