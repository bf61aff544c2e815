import type { UsageData } from '../contracts/event.ts';
import { type ModelUsage, NO_MODEL_USAGE, sumOf } from '../contracts/overview.ts';

/*
 * The usage of a Worker by day and model. It is a part of each state, and of each store snapshot, so it has the densest form that
 * JSON has: a list of numbers for each model, without names.
 */

/** The days of usage by model; the empty name is usage without a model. Each day is `FIELDS` numbers: the day and five counts. */
export type DailyUsage = Readonly<Record<string, readonly number[]>>;

/** The number of days that are counted apart, up to the last one with usage. */
export const DAYS = 31;
/** The most days of all models together. The oldest day goes first. */
const ENTRIES = 128;
/** The numbers of one day of one model. */
export const FIELDS = 6;
const DAY_MS = 86_400_000;

/** The name of usage without a model. */
export const NO_MODEL = '';

/** Returns the number of a day of UTC since 1970; NaN for a text that is no time. */
export const dayOf = (time: string): number => Math.floor(Date.parse(time) / DAY_MS);

/** Returns a day as text, such as `2026-11-29`. */
export const dayText = (day: number): string => new Date(day * DAY_MS).toISOString().slice(0, 10);

/** Returns the counts of usage as numbers, as a day has them. */
export const numbersOf = (usage: ModelUsage): number[] => [
  usage.inputTokens,
  usage.outputTokens,
  usage.cacheReadTokens,
  usage.cacheWriteTokens,
  usage.reasoningTokens,
];

/** Returns the usage that numbers stand for. */
export const usageOf = ([
  inputTokens = 0,
  outputTokens = 0,
  cacheReadTokens = 0,
  cacheWriteTokens = 0,
  reasoningTokens = 0,
]: readonly number[]): ModelUsage => ({
  inputTokens,
  outputTokens,
  cacheReadTokens,
  cacheWriteTokens,
  reasoningTokens,
});

/** Returns the days of one model, each with its counts. */
const daysOf = (list: readonly number[]): readonly (readonly number[])[] =>
  Array.from({ length: list.length / FIELDS }, (_, n) => list.slice(n * FIELDS, (n + 1) * FIELDS));

const allDays = (daily: DailyUsage): readonly number[] =>
  Object.values(daily).flatMap((list) => list.filter((_, at) => at % FIELDS === 0));

/** Removes the days before `first`, and models without days. */
const from = (daily: DailyUsage, first: number): DailyUsage =>
  Object.fromEntries(
    Object.entries(daily).flatMap(([model, list]) => {
      const kept = daysOf(list).filter(([day = 0]) => day >= first);
      return kept.length === 0 ? [] : [[model, kept.flat()]];
    }),
  );

/** Removes the days that are no longer counted apart. */
const bounded = (daily: DailyUsage): DailyUsage => {
  const days = allDays(daily).toSorted((one, other) => other - one);
  const newest = days[0] ?? 0;
  const first = newest - DAYS + 1;
  // a day that does not fit goes as a whole, so that no day is shown with a part of its usage
  const cut = days[ENTRIES];
  return from(daily, cut === undefined ? first : Math.max(first, cut + 1));
};

/**
 * Adds the usage of one event. A time before the days that are counted apart, and one that cannot be read, changes nothing.
 * @param model the name under which the totals count it, or `NO_MODEL`
 */
export const addToDay = (daily: DailyUsage, time: string, model: string, usage: UsageData): DailyUsage => {
  const day = dayOf(time);
  if (Number.isNaN(day)) return daily;
  const list = Object.hasOwn(daily, model) ? (daily[model] ?? []) : [];
  const at = findDay(list, day);
  if (at >= 0) {
    const sum = sumOf(usageOf(list.slice(at + 1, at + FIELDS)), usage);
    return { ...daily, [model]: list.toSpliced(at, FIELDS, day, ...numbersOf(sum)) };
  }
  const first = numbersOf(sumOf(NO_MODEL_USAGE, usage));
  return bounded({ ...daily, [model]: [...list, day, ...first] });
};

const findDay = (list: readonly number[], day: number): number => {
  // the last day is the likely one
  for (let at = list.length - FIELDS; at >= 0; at -= FIELDS) if (list[at] === day) return at;
  return -1;
};
