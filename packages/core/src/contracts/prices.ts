import type { ModelUsage } from './overview.ts';
import type { UsageOfModel } from './usage.ts';

/** The prices of a million tokens of a model. */
export interface ModelPrice {
  /** Tokens of the input that a cache did not have. */
  readonly input: number;
  /** Tokens of the output, those of reasoning included. */
  readonly output: number;
  /** Tokens of the input that were read from a cache. Default: the price of the input. */
  readonly cacheRead?: number;
  /** Tokens of the input that were written to a cache. Default: the price of the input. */
  readonly cacheWrite?: number;
}

/** The prices of models. */
export interface PriceList {
  /** A code of ISO 4217, such as `USD`. */
  readonly currency: string;
  /** The prices by the name of the model, as `usage.recorded` has it. A name may end with `*`, for all names that begin so. */
  readonly models: Readonly<Record<string, ModelPrice>>;
}

/** Returns the price of a model: that of its name, else that of the longest beginning. */
const priceOf = ({ models }: PriceList, model: string): ModelPrice | null => {
  if (Object.hasOwn(models, model)) return models[model] ?? null;
  let longest = '';
  for (const name of Object.keys(models))
    if (name.endsWith('*') && name.length > longest.length && model.startsWith(name.slice(0, -1)))
      longest = name;
  return longest === '' ? null : (models[longest] ?? null);
};

const MILLION = 1_000_000;

const costAt = (
  { input, output, cacheRead = input, cacheWrite = input }: ModelPrice,
  usage: ModelUsage,
): number => {
  // the tokens of caches are parts of the input; an agent that counts them apart has less input than that
  const fresh = Math.max(0, usage.inputTokens - usage.cacheReadTokens - usage.cacheWriteTokens);
  return (
    (fresh * input +
      usage.cacheReadTokens * cacheRead +
      usage.cacheWriteTokens * cacheWrite +
      usage.outputTokens * output) /
    MILLION
  );
};

/** Returns the cost of tokens in the currency of a price list; null if it has no price of their model. */
export const costOf = (prices: PriceList, { model, ...usage }: UsageOfModel): number | null => {
  const price = model === null ? null : priceOf(prices, model);
  return price && costAt(price, usage);
};
