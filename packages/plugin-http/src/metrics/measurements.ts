import type { Committed, Diagnostic, Runtime, WorkerStatus } from '@worker-runtime/core';
import { type Counter, collectDefaultMetrics, type Histogram, Registry } from 'prom-client';
import { counterOf, gaugeOf, histogramOf } from './metric.ts';
import { Tally } from './tally.ts';

/** What is read when it is asked for. */
export interface Gauged {
  connections(): number;
  streams(): number;
}

/** Codes of diagnostics that are told apart; plugins may invent their own. */
const CODES = 100;
const STATUSES: readonly WorkerStatus[] = ['idle', 'running', 'waiting', 'stopped'];

let process: Registry | null = null;

/** Of the process, whatever number of runtimes is in it: these measurements cannot be taken back. */
const ofProcess = (): Registry => {
  if (process === null) {
    process = new Registry();
    collectDefaultMetrics({ register: process });
  }
  return process;
};

/** Counts what a runtime and its listener do. Labels come from fixed sets, so the answer cannot grow with use. */
export class Measurements {
  readonly #own = new Registry();
  readonly #events = new Tally();
  readonly #diagnostics = new Tally(CODES);
  readonly #requests: Counter;
  readonly #durations: Histogram;
  #commits = 0;

  constructor(runtime: Runtime, gauged: Gauged) {
    const own = this.#own;
    this.#requests = counterOf(own, 'http_requests_total', 'Requests that were answered', [
      'method',
      'route',
      'status',
    ]);
    this.#durations = histogramOf(
      own,
      'http_request_duration_seconds',
      'Until the answer was handed over; without those that stay open',
      ['method', 'route'],
    );
    gaugeOf(own, 'http_connections', 'Open connections', [], (set) => set(gauged.connections()));
    gaugeOf(own, 'http_streams', 'Answers that stay open', [], (set) => set(gauged.streams()));
    gaugeOf(own, 'workers', 'Workers', ['status'], async (set) => {
      if (runtime.status !== 'running') return;
      const { workers } = await runtime.summary();
      for (const status of STATUSES) set(workers[status], status);
    });
    gaugeOf(own, 'store_healthy', 'Whether the last commit was made', [], async (set) => {
      if (runtime.status === 'running') set((await runtime.summary()).store.healthy ? 1 : 0);
    });
    counterOf(own, 'commits_total', 'Commits of events', [], (add) => add(this.#commits));
    counterOf(own, 'events_total', 'Events that were committed', ['type'], (add) => this.#events.tell(add));
    counterOf(own, 'diagnostics_total', 'Trouble that was survived', ['code'], (add) =>
      this.#diagnostics.tell(add),
    );
  }

  readonly committed = ({ events }: Committed): void => {
    this.#commits += 1;
    for (const { type } of events) this.#events.add(type);
  };

  readonly diagnosed = ({ code }: Diagnostic): void => this.#diagnostics.add(code);

  /** `route` is the declared path, never the one that was asked for. A stream has no duration that means something. */
  answered(method: string, route: string, status: number, durationMs: number | null): void {
    this.#requests.labels(method, route, String(status)).inc();
    if (durationMs !== null) this.#durations.labels(method, route).observe(durationMs / 1_000);
  }

  get contentType(): string {
    return this.#own.contentType;
  }

  /** In the text format of Prometheus. */
  async text(): Promise<string> {
    return `${await this.#own.metrics()}\n${await ofProcess().metrics()}`;
  }
}
