import type { Committed, EventData, RequestKind, RunOutcome, WorkerEvent } from '@worker-runtime/core';
import type { ServedRuntime } from '@worker-runtime/core/plugin-kit';
import type { Histogram, Registry } from 'prom-client';
import { counterOf, gaugeOf, histogramOf } from './metric.ts';
import { Tally } from './tally.ts';

const OUTCOMES: readonly RunOutcome[] = ['completed', 'failed', 'cancelled', 'interrupted'];
const KINDS: readonly RequestKind[] = ['permission', 'question'];
const TOKENS: Readonly<Record<string, keyof EventData['usage.recorded']>> = {
  input: 'inputTokens',
  output: 'outputTokens',
  cache_read: 'cacheReadTokens',
  cache_write: 'cacheWriteTokens',
  reasoning: 'reasoningTokens',
};
const NO_MODEL = 'unknown';
/** The number of models and of engines with series of their own. Configs name models freely; the rest share one series. */
const NAMES = 50;
/** The buckets of runs, which may last for an hour, in seconds. */
const RUN_SECONDS = [0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1_800, 3_600];
const PAGE = 1_000;

interface ActiveRun {
  readonly startedMs: number;
  hasOutput: boolean;
  openCalls: number;
}

/** One series of a histogram. */
type Observed = Pick<Histogram.Internal<string>, 'observe'>;

/** The runs of one runtime that its hooks have reported since the process began. */
class Runs {
  readonly runtime: ServedRuntime;
  readonly finished = new Tally(NAMES * OUTCOMES.length);
  readonly tokens = new Tally(NAMES * Object.keys(TOKENS).length);
  readonly calls = new Tally();
  readonly active = new Map<string, ActiveRun>();
  /** The engines that have begun a run. Engines come with the configuration, so there are few. */
  readonly engines = new Set<string>();
  /** Their labels are found once, and not for each run. */
  readonly duration: Readonly<Record<RunOutcome, Observed>>;
  readonly firstOutput: Observed;

  constructor(name: string, runtime: ServedRuntime, durations: Histogram, firstOutputs: Histogram) {
    this.runtime = runtime;
    const durationOf = (outcome: RunOutcome): Observed => {
      durations.zero({ runtime: name, outcome });
      return durations.labels(name, outcome);
    };
    this.duration = {
      completed: durationOf('completed'),
      failed: durationOf('failed'),
      cancelled: durationOf('cancelled'),
      interrupted: durationOf('interrupted'),
    };
    this.firstOutput = firstOutputs.labels(name);
  }
}

const separated = (name: string): readonly [string, string] => {
  const at = name.lastIndexOf('\n');
  return at < 0 ? ['other', 'other'] : [name.slice(0, at), name.slice(at + 1)];
};

/** The metrics of runs, tokens, tool calls, requests and queues. No label is chosen by a client without a bound. */
export class RunMeasurements {
  readonly #all = new Map<string, Runs>();
  readonly #durations;
  readonly #firstOutputs;

  constructor(own: Registry) {
    this.#durations = histogramOf(
      own,
      'run_duration_seconds',
      'Time from the start of a run to its end',
      ['runtime', 'outcome'],
      RUN_SECONDS,
    );
    this.#firstOutputs = histogramOf(
      own,
      'run_first_output_seconds',
      'Time from the start of a run to its first recorded message or tool call',
      ['runtime'],
      RUN_SECONDS,
    );
    counterOf(own, 'runs_total', 'Number of finished runs', ['runtime', 'engine', 'outcome'], (add) =>
      this.#report('finished', add),
    );
    counterOf(
      own,
      'tokens_total',
      'Number of tokens that engines reported',
      ['runtime', 'model', 'kind'],
      (add) => this.#report('tokens', add),
    );
    counterOf(own, 'tool_calls_total', 'Number of tool calls that ended', ['runtime', 'outcome'], (add) => {
      for (const [name, { calls }] of this.#all)
        for (const outcome of ['succeeded', 'failed', 'denied']) add(calls.of(outcome), name, outcome);
    });
    gaugeOf(own, 'tool_calls_open', 'Number of tool calls in progress', ['runtime'], (set) => {
      for (const [name, { active }] of this.#all)
        set(
          [...active.values()].reduce((sum, { openCalls }) => sum + openCalls, 0),
          name,
        );
    });
    gaugeOf(
      own,
      'requests_open',
      'Number of requests that wait for an answer',
      ['runtime', 'kind'],
      async (set) => {
        for (const [name, requests] of await this.#openRequests())
          for (const kind of KINDS) set(requests.filter((one) => one.kind === kind).length, name, kind);
      },
    );
    gaugeOf(own, 'request_age_seconds', 'Age of the oldest open request', ['runtime'], async (set) => {
      for (const [name, requests] of await this.#openRequests())
        set(
          ageOf(requests, ({ openedAt }) => openedAt),
          name,
        );
    });
    gaugeOf(own, 'inputs_queued', 'Number of inputs behind active runs', ['runtime'], async (set) => {
      for (const [name, workers] of await this.#busyWorkers())
        set(
          workers.reduce((sum, { queued }) => sum + queued, 0),
          name,
        );
    });
    gaugeOf(own, 'run_age_seconds', 'Age of the oldest active run', ['runtime'], async (set) => {
      for (const [name, workers] of await this.#busyWorkers())
        set(
          ageOf(
            workers.flatMap(({ run }) => run ?? []),
            ({ startedAt }) => startedAt,
          ),
          name,
        );
    });
  }

  /** Begins to measure a runtime under its name in the configuration. Returns the function that gets what was committed. */
  measure(name: string, runtime: ServedRuntime): (committed: Committed) => void {
    const runs = new Runs(name, runtime, this.#durations, this.#firstOutputs);
    this.#all.set(name, runs);
    return ({ worker, events }) => {
      for (const event of events) this.#note(runs, worker.engine, event);
    };
  }

  #note(runs: Runs, engine: string, event: WorkerEvent): void {
    const { run = '' } = event;
    switch (event.type) {
      case 'run.started':
        runs.active.set(run, { startedMs: performance.now(), hasOutput: false, openCalls: 0 });
        if (runs.engines.has(engine)) return;
        runs.engines.add(engine);
        // an alert on a rate needs the value from before the first failure
        for (const outcome of OUTCOMES) runs.finished.add(`${engine}\n${outcome}`, 0);
        return;
      case 'message.completed':
        this.#firstOutput(runs, runs.active.get(run));
        return;
      case 'tool.called': {
        const active = runs.active.get(run);
        this.#firstOutput(runs, active);
        if (active) active.openCalls += 1;
        return;
      }
      case 'tool.finished': {
        const active = runs.active.get(run);
        if (active && active.openCalls > 0) active.openCalls -= 1;
        const { denied, error } = event.data;
        runs.calls.add(denied ? 'denied' : error === undefined ? 'succeeded' : 'failed');
        return;
      }
      case 'usage.recorded':
        for (const [kind, field] of Object.entries(TOKENS)) {
          const count = event.data[field];
          if (typeof count === 'number' && count > 0)
            runs.tokens.add(`${event.data.model ?? NO_MODEL}\n${kind}`, count);
        }
        return;
      case 'run.finished': {
        const { outcome } = event.data;
        runs.finished.add(`${engine}\n${outcome}`);
        const active = runs.active.get(run);
        if (active === undefined) return;
        runs.active.delete(run);
        runs.duration[outcome].observe((performance.now() - active.startedMs) / 1_000);
        return;
      }
      default:
    }
  }

  #firstOutput({ firstOutput }: Runs, active: ActiveRun | undefined): void {
    if (active === undefined || active.hasOutput) return;
    active.hasOutput = true;
    firstOutput.observe((performance.now() - active.startedMs) / 1_000);
  }

  #report(tally: 'finished' | 'tokens', add: (value: number, ...labels: string[]) => void): void {
    for (const [name, runs] of this.#all)
      runs[tally].report((count, key) => add(count, name, ...separated(key)));
  }

  get #running(): readonly (readonly [string, ServedRuntime])[] {
    return [...this.#all]
      .filter(([, { runtime }]) => runtime.status === 'running')
      .map(([name, { runtime }]) => [name, runtime]);
  }

  #openRequests() {
    return Promise.all(
      this.#running.map(async ([name, runtime]) => {
        return [name, await pagesOf((after) => runtime.listOpenRequests({ after, limit: PAGE }))] as const;
      }),
    );
  }

  #busyWorkers() {
    return Promise.all(
      this.#running.map(async ([name, runtime]) => {
        const lists = (['running', 'waiting'] as const).map((status) =>
          pagesOf((after) => runtime.listWorkers({ status, after, limit: PAGE })),
        );
        return [name, (await Promise.all(lists)).flat()] as const;
      }),
    );
  }
}

const pagesOf = async <Item>(
  page: (after: string) => Promise<{ readonly items: readonly Item[]; readonly next: string | null }>,
): Promise<readonly Item[]> => {
  const all: Item[] = [];
  for (let after: string | null = 'start'; after !== null; ) {
    const { items, next }: Awaited<ReturnType<typeof page>> = await page(after);
    all.push(...items);
    after = next;
  }
  return all;
};

const ageOf = <Item>(items: readonly Item[], timeOf: (item: Item) => string): number => {
  const oldest = items.reduce((least, item) => Math.min(least, Date.parse(timeOf(item))), Date.now());
  return (Date.now() - oldest) / 1_000;
};
