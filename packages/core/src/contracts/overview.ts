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

/** The number of models that are counted separately. */
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

/** Adds the usage of one `usage.recorded` event to totals. */
export const addUsage = (sum: UsageTotals, usage: UsageData): UsageTotals => ({
  ...plus(sum, usage),
  byModel: addModel(sum.byModel, usage),
});
