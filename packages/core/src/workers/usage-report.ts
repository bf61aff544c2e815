import { type ModelUsage, NO_MODEL_USAGE, sumOf } from '../contracts/overview.ts';
import type { UsageOfModel, UsageOfWorker, UsageReport } from '../contracts/usage.ts';
import { dayOf, daysOf, dayText, NO_MODEL } from '../domain/daily-usage.ts';
import type { WorkerState } from '../domain/state.ts';
import type { Worker } from './worker.ts';
import type { Workers } from './workers.ts';

/** The Workers that are read before other work gets its turn. Each may be parsed from its store snapshot. */
const AT_ONCE = 100;
/** The number of models that a report counts apart. */
const MODELS = 100;

/** Sums of tokens by name. */
class Sums {
  readonly #byName = new Map<string, ModelUsage>();

  add(name: string, usage: ModelUsage): void {
    this.#byName.set(name, sumOf(this.#byName.get(name) ?? NO_MODEL_USAGE, usage));
  }

  subtract(name: string, usage: ModelUsage): void {
    const known = this.#byName.get(name) ?? NO_MODEL_USAGE;
    const less = Object.keys(NO_MODEL_USAGE) as (keyof ModelUsage)[];
    // a damaged snapshot may have more tokens by day than in all
    this.#byName.set(
      name,
      Object.fromEntries(
        less.map((key) => [key, Math.max(0, known[key] - usage[key])]),
      ) as unknown as ModelUsage,
    );
  }

  /** The sums that are not zero, with their names. */
  get entries(): readonly (readonly [string, ModelUsage])[] {
    return [...this.#byName].filter(([, usage]) => tokensOf(usage) > 0);
  }

  get models(): readonly UsageOfModel[] {
    return this.entries.map(([name, usage]) => ({ model: modelOf(name), ...usage }));
  }
}

const modelOf = (name: string): string | null => (name === NO_MODEL ? null : name);

/** All tokens: those of caches and of reasoning are parts of the two. */
const tokensOf = ({ inputTokens, outputTokens }: ModelUsage): number => inputTokens + outputTokens;

const tokensOfAll = (models: readonly ModelUsage[]): number =>
  models.reduce((sum, usage) => sum + tokensOf(usage), 0);

const byTokens = (one: UsageOfWorker, other: UsageOfWorker): number =>
  tokensOfAll(other.models) - tokensOfAll(one.models);

export interface ReportOptions {
  readonly runtimeId: string;
  /** The time, in milliseconds since 1970. */
  readonly now: number;
  readonly days: number;
  readonly limit: number;
  readonly isSelected: (labels: WorkerState['labels']) => boolean;
}

/** The sums of a report while Workers are added. */
class Report {
  readonly #options: ReportOptions;
  readonly #first: number;
  readonly #last: number;
  readonly #models = new Set<string>();
  readonly #days = new Map<number, Sums>();
  readonly #earlier = new Sums();
  #workers: UsageOfWorker[] = [];
  #workersWithUsage = 0;

  constructor(options: ReportOptions) {
    this.#options = options;
    this.#last = dayOf(new Date(options.now).toISOString());
    this.#first = this.#last - options.days + 1;
  }

  add({ workerId, displayName, tally: { usage, daily = {} } }: WorkerState): void {
    this.#addEarlier(usage);
    const own = new Sums();
    for (const [name, list] of Object.entries(daily)) {
      for (const { day, ...tokens } of daysOf(list)) {
        if (day < this.#first || day > this.#last) continue;
        const model = this.#counted(name);
        const sums = this.#days.get(day) ?? new Sums();
        this.#days.set(day, sums);
        sums.add(model, tokens);
        own.add(model, tokens);
        this.#earlier.subtract(model, tokens);
      }
    }
    const models = own.models;
    if (models.length === 0) return;
    this.#workersWithUsage += 1;
    this.#workers.push({ workerId, displayName, models });
    // twice as many as are asked for are kept, so that sorting stays cheap on average
    if (this.#workers.length >= 2 * this.#options.limit) this.#cut();
  }

  get result(): UsageReport {
    this.#cut();
    const days = [...this.#days].toSorted(([one], [other]) => one - other);
    return {
      runtimeId: this.#options.runtimeId,
      from: dayText(this.#first),
      to: dayText(this.#last),
      days: days.flatMap(([day, sums]) => sums.models.map((usage) => ({ day: dayText(day), ...usage }))),
      workers: this.#workers,
      workersWithUsage: this.#workersWithUsage,
      earlier: this.#earlier.models,
    };
  }

  /** Adds the usage since the creation, from which the days are subtracted. */
  #addEarlier({ byModel, ...total }: WorkerState['tally']['usage']): void {
    const named = new Sums();
    named.add(NO_MODEL, total);
    for (const [name, usage] of Object.entries(byModel)) {
      this.#earlier.add(this.#counted(name), usage);
      named.subtract(NO_MODEL, usage);
    }
    for (const [name, usage] of named.entries) this.#earlier.add(name, usage);
  }

  /** Returns the name under which the usage of a model is counted. */
  #counted(name: string): string {
    if (name === NO_MODEL || this.#models.has(name)) return name;
    if (this.#models.size >= MODELS) return NO_MODEL;
    this.#models.add(name);
    return name;
  }

  #cut(): void {
    this.#workers = this.#workers.toSorted(byTokens).slice(0, this.#options.limit);
  }
}

/** Sums up the usage of the visible Workers, a few at a time. Costs the number of Workers, and keeps no parsed state. */
export const usageReport = async (workers: Workers, options: ReportOptions): Promise<UsageReport> => {
  const report = new Report(options);
  for (let after = ''; ; ) {
    const { items, hasMore } = workers.list({}, after, AT_ONCE);
    for (const worker of items) addTo(report, worker, options);
    if (!hasMore) return report.result;
    after = (items.at(-1) as Worker).log;
    await new Promise((resolve) => setImmediate(resolve));
  }
};

const addTo = (report: Report, worker: Worker, { isSelected }: ReportOptions): void => {
  const state = worker.glimpse();
  if (isSelected(state.labels)) report.add(state);
};
