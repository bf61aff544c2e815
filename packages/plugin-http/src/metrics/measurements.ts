import type { Committed, ErrorCode, PluginHooks, WorkerStatus } from '@worker-runtime/core';
import type { Metric, ServedRuntime } from '@worker-runtime/core/plugin-kit';
import { collectDefaultMetrics, type Histogram, Registry } from 'prom-client';
import { counterOf, gaugeOf, histogramOf } from './metric.ts';
import { reportedMetrics, storeMetricsOf } from './reported-metrics.ts';
import { RunMeasurements } from './run-measurements.ts';
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

/** Sums of other metrics. Their names are those of counters, which the conventions of Prometheus do not allow for gauges. */
const MISNAMED = [
  'nodejs_active_handles_total',
  'nodejs_active_requests_total',
  'nodejs_active_resources_total',
];

/**
 * Returns the metrics of the process. All runtimes of the process share them, since their collectors cannot be
 * unregistered.
 */
const metricsOfProcess = (): Registry => {
  if (processMetrics === null) {
    processMetrics = new Registry();
    collectDefaultMetrics({ register: processMetrics });
    for (const name of MISNAMED) processMetrics.removeSingleMetric(name);
  }
  return processMetrics;
};

/** The answers of one method of a route. The labels of its series are found once, and not for each answer. */
interface Answers {
  readonly method: string;
  readonly route: string;
  /** The number of answers by status. */
  readonly statuses: Map<number, number>;
  readonly observe: (seconds: number) => void;
}

/** One runtime, and the counts of its hooks. */
class Measured {
  readonly events = new Tally();
  readonly diagnostics = new Tally(DIAGNOSTIC_CODES);
  commits = 0;
  readonly runtime: ServedRuntime;

  constructor(
    runtime: ServedRuntime,
    hooks: Pick<PluginHooks, 'committed' | 'diagnostic'>,
    runs: (committed: Committed) => void,
  ) {
    this.runtime = runtime;
    hooks.committed.tap((committed) => {
      this.commits += 1;
      for (const { type } of committed.events) this.events.add(type);
      runs(committed);
    });
    hooks.diagnostic.tap(({ code }) => this.diagnostics.add(code));
  }
}

/**
 * The metrics of a listener and of the runtimes in its process. Labels come from fixed sets and from the names of runtimes in
 * the configuration, so the number of series is bounded.
 */
export class Measurements {
  readonly #own = new Registry();
  readonly #runtimes = new Map<string, Measured>();
  readonly #durations: Histogram;
  readonly #answers = new Map<string, Answers>();
  readonly #refusals = new Tally();
  readonly #runs: RunMeasurements;

  constructor(gauges: Gauges) {
    const own = this.#own;
    counterOf(
      own,
      'http_requests_total',
      'Number of requests that were answered',
      ['method', 'route', 'status'],
      (add) => {
        for (const { method, route, statuses } of this.#answers.values())
          for (const [status, count] of statuses) add(count, method, route, String(status));
      },
    );
    this.#durations = histogramOf(
      own,
      'http_request_duration_seconds',
      'Time until the answer was written, without streams',
      ['method', 'route'],
    );
    counterOf(own, 'http_refusals_total', 'Number of refused requests by code', ['code'], (add) =>
      this.#refusals.report((count, code) => add(count, code)),
    );
    gaugeOf(own, 'http_connections', 'Number of open connections', [], (set) => set(gauges.connections()));
    gaugeOf(own, 'http_streams', 'Number of open streams', [], (set) => set(gauges.streams()));
    gaugeOf(own, 'http_answer_bytes', 'Bytes of answers that clients have not read yet', [], (set) =>
      set(gauges.answerBytes()),
    );
    gaugeOf(own, 'http_body_bytes', 'Bytes of the bodies of requests in progress', [], (set) =>
      set(gauges.bodyBytes()),
    );
    gaugeOf(own, 'workers', 'Number of Workers by status', ['runtime', 'status'], async (set) => {
      for (const [name, { runtime }] of this.#running) {
        const { workers } = await runtime.summary();
        for (const status of STATUSES) set(workers[status], name, status);
      }
    });
    gaugeOf(own, 'store_healthy', '1 if the last commit succeeded, else 0', ['runtime'], async (set) => {
      for (const [name, { runtime }] of this.#running)
        set((await runtime.summary()).store.healthy ? 1 : 0, name);
    });
    gaugeOf(
      own,
      'stored_bytes',
      'Bytes of the events and of the files of all Workers',
      ['runtime', 'content'],
      async (set) => {
        for (const [name, { runtime }] of this.#running) {
          const { store } = await runtime.summary();
          set(store.eventBytes, name, 'events');
          set(store.fileBytes, name, 'files');
        }
      },
    );
    counterOf(own, 'commits_total', 'Number of commits', ['runtime'], (add) => {
      for (const [name, { commits }] of this.#runtimes) add(commits, name);
    });
    counterOf(own, 'events_total', 'Number of committed events by type', ['runtime', 'type'], (add) => {
      for (const [name, { events }] of this.#runtimes) events.report((count, type) => add(count, name, type));
    });
    counterOf(own, 'diagnostics_total', 'Number of diagnostics by code', ['runtime', 'code'], (add) => {
      for (const [name, { diagnostics }] of this.#runtimes)
        diagnostics.report((count, code) => add(count, name, code));
    });
    this.#runs = new RunMeasurements(own);
  }

  /** Counts a refusal of a request. */
  refused(code: ErrorCode): void {
    this.#refusals.add(code);
  }

  /** Measures a runtime in this process, under its name in the configuration. Call it before the runtime starts. */
  measure(name: string, runtime: ServedRuntime, hooks: Pick<PluginHooks, 'committed' | 'diagnostic'>): void {
    this.#runtimes.set(name, new Measured(runtime, hooks, this.#runs.measure(name, runtime)));
  }

  /**
   * Counts an answer. `route` is the declared path, never the requested one. `durationMs` is null for a stream, whose
   * duration would distort the histogram.
   */
  answered(method: string, route: string, status: number, durationMs: number | null): void {
    const { statuses, observe } = this.#answersOf(method, route);
    statuses.set(status, (statuses.get(status) ?? 0) + 1);
    if (durationMs !== null) observe(durationMs / 1_000);
  }

  #answersOf(method: string, route: string): Answers {
    const key = `${method} ${route}`;
    let answers = this.#answers.get(key);
    if (answers === undefined) {
      const durations = this.#durations.labels(method, route);
      answers = { method, route, statuses: new Map(), observe: (seconds) => durations.observe(seconds) };
      this.#answers.set(key, answers);
    }
    return answers;
  }

  get #running(): readonly (readonly [string, Measured])[] {
    return [...this.#runtimes].filter(([, { runtime }]) => runtime.status === 'running');
  }

  get contentType(): string {
    return this.#own.contentType;
  }

  /** Returns all metrics in the text format of Prometheus. `others` are those of the directory. */
  async text(others: readonly Metric[]): Promise<string> {
    const stores = storeMetricsOf([...this.#runtimes].map(([name, { runtime }]) => [name, runtime] as const));
    const texts = [this.#own, reportedMetrics([...stores, ...others]), metricsOfProcess()].map((registry) =>
      registry.metrics(),
    );
    return (await Promise.all(texts)).filter((text) => text !== '').join('\n');
  }
}
