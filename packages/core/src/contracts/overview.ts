import type { Cursor } from './cursor.ts';
import type { RunOutcome, UsageData } from './event.ts';

/** Numbers of tokens. */
export interface ModelUsage {
  readonly inputTokens: number;
  readonly outputTokens: number;
  readonly cacheReadTokens: number;
  readonly cacheWriteTokens: number;
  readonly reasoningTokens: number;
}

/** Numbers of tokens, in total and by model. */
export interface UsageTotals extends ModelUsage {
  /** The first 100 models. Tokens of further models count in the totals only. */
  readonly byModel: Readonly<Record<string, ModelUsage>>;
}

/** Counts and usage of a Worker since its creation, derived from its log. */
export interface Overview {
  readonly workerId: string;
  readonly events: number;
  readonly inputs: number;
  readonly messages: number;
  readonly toolCalls: number;
  readonly runs: Readonly<Record<RunOutcome, number>>;
  readonly usage: UsageTotals;
  readonly lastActivityAt: string;
  readonly asOf: Cursor;
}

export const NO_MODEL_USAGE: ModelUsage = {
  inputTokens: 0,
  outputTokens: 0,
  cacheReadTokens: 0,
  cacheWriteTokens: 0,
  reasoningTokens: 0,
};

export const NO_USAGE: UsageTotals = { ...NO_MODEL_USAGE, byModel: {} };

/** A number of tokens. Logs of earlier versions may hold other values, which count as zero. */
const tokens = (value: unknown): number =>
  typeof value === 'number' && Number.isFinite(value) && value > 0 ? value : 0;

/** Adds numbers of tokens. */
export const sumOf = (sum: UsageData, usage: UsageData): ModelUsage => ({
  inputTokens: tokens(sum.inputTokens) + tokens(usage.inputTokens),
  outputTokens: tokens(sum.outputTokens) + tokens(usage.outputTokens),
  cacheReadTokens: tokens(sum.cacheReadTokens) + tokens(usage.cacheReadTokens),
  cacheWriteTokens: tokens(sum.cacheWriteTokens) + tokens(usage.cacheWriteTokens),
  reasoningTokens: tokens(sum.reasoningTokens) + tokens(usage.reasoningTokens),
});

/** The number of models that are counted separately. */
const MODELS = 100;

const addModel = (
  byModel: UsageTotals['byModel'],
  { model, ...usage }: UsageData,
): UsageTotals['byModel'] => {
  if (typeof model !== 'string') return byModel;
  const known = Object.hasOwn(byModel, model) ? byModel[model] : undefined;
  if (!known && Object.keys(byModel).length >= MODELS) return byModel;
  return { ...byModel, [model]: sumOf(known ?? NO_MODEL_USAGE, usage) };
};

/** Returns totals in which each value that is not a number of tokens is zero. */
export const cleanUsage = (totals: UsageTotals): UsageTotals => ({
  ...sumOf(totals, NO_MODEL_USAGE),
  byModel: Object.fromEntries(
    Object.entries(totals.byModel).map(([model, usage]) => [model, sumOf(usage, NO_MODEL_USAGE)]),
  ),
});

/** Adds the usage of one `usage.recorded` event to totals. */
export const addUsage = (sum: UsageTotals, usage: UsageData): UsageTotals => ({
  ...sumOf(sum, usage),
  byModel: addModel(sum.byModel, usage),
});
