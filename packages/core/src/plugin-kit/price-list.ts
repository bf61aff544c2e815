import type { ModelPrice, PriceList } from '../contracts/prices.ts';
import { type OptionReader, object } from './options.ts';
import { isObject } from './shape.ts';

const MODELS = 1_000;
const NAME_CHARS = 256;
const CURRENCY = /^[A-Z]{3}$/;
const PRICES: Readonly<Record<keyof ModelPrice, 'required' | 'optional'>> = {
  input: 'required',
  output: 'required',
  cacheRead: 'optional',
  cacheWrite: 'optional',
};

const assertOnly = (
  value: Readonly<Record<string, unknown>>,
  known: readonly string[],
  refuse: (mismatch: string) => never,
  where: string,
): void => {
  const other = Object.keys(value).find((name) => !known.includes(name));
  if (other !== undefined)
    refuse(`has "${other}"${where}, which does not exist; there are ${known.join(', ')}`);
};

/** Reads a price list, also from JSON text, since flags are text. */
export const priceList: OptionReader<PriceList> = (value, refuse) => {
  const list = object(value, refuse);
  assertOnly(list, ['currency', 'models'], refuse, '');
  const { currency, models } = list;
  if (typeof currency !== 'string' || !CURRENCY.test(currency))
    return refuse('must have a currency of three capital letters, such as USD');
  if (!isObject(models))
    return refuse('must have models: an object with the prices of each model by its name');
  const names = Object.keys(models);
  if (names.length > MODELS) return refuse(`must have at most ${MODELS} models`);
  for (const name of names) {
    if (name === '' || name.length > NAME_CHARS || name.slice(0, -1).includes('*'))
      return refuse(
        `has the model "${name.slice(0, NAME_CHARS)}"; a name has 1 to ${NAME_CHARS} characters, and only its end may be *`,
      );
    const prices = models[name];
    if (!isObject(prices)) return refuse(`must have an object of prices for "${name}"`);
    assertOnly(prices, Object.keys(PRICES), refuse, ` for "${name}"`);
    for (const [kind, need] of Object.entries(PRICES)) {
      const price = prices[kind];
      if (price === undefined && need === 'optional') continue;
      if (typeof price !== 'number' || !Number.isFinite(price) || price < 0)
        return refuse(`must have a number, 0 or more, as the price of "${name}" for ${kind}`);
    }
  }
  return structuredClone(list) as unknown as PriceList;
};
