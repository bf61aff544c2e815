import { costOf, type PriceList, type UsageOfModel, type UsageReport } from '@worker-runtime/core/views';

/** The tokens and the cost of one line. */
export interface UsageSum {
  readonly key: string;
  readonly input: number;
  readonly output: number;
  /** Null if no token has a price. */
  readonly cost: number | null;
}

interface WorkerSum extends UsageSum {
  readonly runtimeId: string;
  readonly workerId: string;
  readonly displayName: string | null;
}

/** The usage of all runtimes, summed up for people. */
export interface UsageSums {
  readonly total: UsageSum;
  /** Every day from the first to the last, also without usage. */
  readonly days: readonly UsageSum[];
  /** The models, the one with most tokens first. The key of calls without a model is empty. */
  readonly models: readonly UsageSum[];
  readonly workers: readonly WorkerSum[];
  readonly workersWithUsage: number;
  readonly earlier: UsageSum;
  /** The models with usage and without a price. */
  readonly unpriced: readonly string[];
}

const DAY_MS = 86_400_000;

const emptySum = (key: string): UsageSum => ({ key, input: 0, output: 0, cost: null });

const plus = (sum: UsageSum, usage: UsageOfModel, prices: PriceList | null): UsageSum => {
  const cost = prices && costOf(prices, usage);
  return {
    ...sum,
    input: sum.input + usage.inputTokens,
    output: sum.output + usage.outputTokens,
    cost: cost === null ? sum.cost : (sum.cost ?? 0) + cost,
  };
};

const sumOf = (key: string, models: readonly UsageOfModel[], prices: PriceList | null): UsageSum =>
  models.reduce((sum, usage) => plus(sum, usage, prices), emptySum(key));

const bySize = (one: UsageSum, other: UsageSum): number =>
  other.input + other.output - one.input - one.output;

/** Returns all days from the first to the last. */
const daysBetween = (from: string, to: string): readonly string[] => {
  const days: string[] = [];
  for (let at = Date.parse(from); at <= Date.parse(to); at += DAY_MS)
    days.push(new Date(at).toISOString().slice(0, 10));
  return days;
};

const grouped = <T>(items: readonly T[], keyOf: (item: T) => string): ReadonlyMap<string, readonly T[]> => {
  const groups = new Map<string, T[]>();
  for (const item of items) {
    const key = keyOf(item);
    const group = groups.get(key);
    if (group) group.push(item);
    else groups.set(key, [item]);
  }
  return groups;
};

/** Sums up the reports of runtimes, with the costs that the prices lead to. */
export const sumUp = (reports: readonly UsageReport[], prices: PriceList | null): UsageSums => {
  const first = reports.map(({ from }) => from).toSorted()[0];
  const last = reports
    .map(({ to }) => to)
    .toSorted()
    .at(-1);
  const all = reports.flatMap(({ days }) => days);
  const byDay = grouped(all, ({ day }) => day);
  const byModel = grouped(all, ({ model }) => model ?? '');
  const models = [...byModel].map(([model, usage]) => sumOf(model, usage, prices)).toSorted(bySize);
  const workers = reports.flatMap(({ runtimeId, workers: used }) =>
    used.map(({ workerId, displayName, models: ofWorker }) => ({
      ...sumOf(`${runtimeId}/${workerId}`, ofWorker, prices),
      runtimeId,
      workerId,
      displayName,
    })),
  );
  return {
    total: sumOf('', all, prices),
    days: (first === undefined || last === undefined ? [] : daysBetween(first, last)).map((day) =>
      sumOf(day, byDay.get(day) ?? [], prices),
    ),
    models,
    workers: workers.toSorted(bySize),
    workersWithUsage: reports.reduce((count, { workersWithUsage }) => count + workersWithUsage, 0),
    earlier: sumOf(
      '',
      reports.flatMap(({ earlier }) => earlier),
      prices,
    ),
    unpriced: prices === null ? [] : models.filter(({ cost }) => cost === null).map(({ key }) => key),
  };
};
