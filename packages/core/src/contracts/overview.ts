import type { Cursor } from './cursor.ts';
import type { RunOutcome, UsageData } from './event.ts';

export interface ModelUsage {
  readonly inputTokens: number;
  readonly outputTokens: number;
  readonly cacheReadTokens: number;
  readonly cacheWriteTokens: number;
  readonly reasoningTokens: number;
}

export interface UsageTotals extends ModelUsage {
  readonly byModel: Readonly<Record<string, ModelUsage>>;
}

/** What a Worker has done so far, derived from its log. */
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

const NO_MODEL_USAGE: ModelUsage = {
  inputTokens: 0,
  outputTokens: 0,
  cacheReadTokens: 0,
  cacheWriteTokens: 0,
  reasoningTokens: 0,
};

export const NO_USAGE: UsageTotals = { ...NO_MODEL_USAGE, byModel: {} };

const plus = (sum: ModelUsage, usage: UsageData): ModelUsage => ({
  inputTokens: sum.inputTokens + usage.inputTokens,
  outputTokens: sum.outputTokens + usage.outputTokens,
  cacheReadTokens: sum.cacheReadTokens + (usage.cacheReadTokens ?? 0),
  cacheWriteTokens: sum.cacheWriteTokens + (usage.cacheWriteTokens ?? 0),
  reasoningTokens: sum.reasoningTokens + (usage.reasoningTokens ?? 0),
});

/** Models that are told apart; what others use counts in the totals only. */
const MODELS = 100;

const addModel = (
  byModel: UsageTotals['byModel'],
  { model, ...usage }: UsageData,
): UsageTotals['byModel'] => {
  if (model === undefined) return byModel;
  const known = Object.hasOwn(byModel, model) ? byModel[model] : undefined;
  if (!known && Object.keys(byModel).length >= MODELS) return byModel;
  return { ...byModel, [model]: plus(known ?? NO_MODEL_USAGE, usage) };
};

/** Adds one `usage.recorded` to the sums. */
export const addUsage = (sum: UsageTotals, usage: UsageData): UsageTotals => ({
  ...plus(sum, usage),
  byModel: addModel(sum.byModel, usage),
});
