import { cleanUsage, type ModelUsage, NO_MODEL_USAGE } from '../contracts/overview.ts';
import type { UsageOfModel, UsageOfWorker, UsageReport } from '../contracts/usage.ts';
import { dayOf, dayText, FIELDS, NO_MODEL, numbersOf, usageOf } from '../domain/daily-usage.ts';
import type { WorkerState } from '../domain/state.ts';
import type { Worker } from './worker.ts';
import type { Workers } from './workers.ts';

/** The Workers that are read before other work gets its turn. Each may be parsed from its store snapshot. */
const AT_ONCE = 100;
/** The number of models that a report counts apart. */
const MODELS = 100;
/** The kinds of tokens. */
const KINDS = FIELDS - 1;

/** Sums of tokens by name. Adding is a few additions, because a report adds each day of each Worker. */
class Sums {
  readonly #byName = new Map<string, number[]>();

  add(name: string, numbers: readonly number[], at = 0): void {
    const sum = this.#of(name);
    for (let kind = 0; kind < KINDS; kind += 1) sum[kind] = (sum[kind] ?? 0) + (numbers[at + kind] ?? 0);
  }

  subtract(name: string, numbers: readonly number[], at = 0): void {
    const sum = this.#of(name);
    for (let kind = 0; kind < KINDS; kind += 1)
      // a damaged snapshot may have more tokens by day than in all
      sum[kind] = Math.max(0, (sum[kind] ?? 0) - (numbers[at + kind] ?? 0));
  }

  /** The sums of the names with tokens. Those of caches and of reasoning are parts of the input and the output. */
  get models(): readonly UsageOfModel[] {
    return [...this.#byName].flatMap(([name, [input = 0, output = 0, ...others]]) =>
      input + output > 0
        ? [{ model: name === NO_MODEL ? null : name, ...usageOf([input, output, ...others]) }]
        : [],
    );
  }

  #of(name: string): number[] {
    const known = this.#byName.get(name);
    if (known) return known;
    const sum = numbersOf(NO_MODEL_USAGE);
    this.#byName.set(name, sum);
    return sum;
  }
}

const tokensOfAll = (models: readonly ModelUsage[]): number =>
  models.reduce((sum, { inputTokens, outputTokens }) => sum + inputTokens + outputTokens, 0);

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
    // a store snapshot of an earlier version may hold sums of values that were no numbers
    this.#addEarlier(cleanUsage(usage));
    const own = new Sums();
    for (const [name, list] of Object.entries(daily)) {
      for (let at = 0; at < list.length; at += FIELDS) {
        const day = list[at] as number;
        if (day < this.#first || day > this.#last) continue;
        const model = this.#counted(name);
        this.#sumsOf(day).add(model, list, at + 1);
        own.add(model, list, at + 1);
        this.#earlier.subtract(model, list, at + 1);
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
    const unnamed = new Sums();
    unnamed.add(NO_MODEL, numbersOf(total));
    for (const [name, usage] of Object.entries(byModel)) {
      this.#earlier.add(this.#counted(name), numbersOf(usage));
      unnamed.subtract(NO_MODEL, numbersOf(usage));
    }
    for (const usage of unnamed.models) this.#earlier.add(NO_MODEL, numbersOf(usage));
  }

  #sumsOf(day: number): Sums {
    const known = this.#days.get(day);
    if (known) return known;
    const sums = new Sums();
    this.#days.set(day, sums);
    return sums;
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
