import type { PriceList } from '@worker-runtime/core';
import type { Routes } from './context.ts';

/** The prices of models; null if the server has none. */
export interface Prices {
  readonly prices: PriceList | null;
}

/** Adds the prices of models, from which clients compute costs. */
export const pricesRoute =
  (prices: PriceList | null): Routes =>
  (app) => {
    app.get('/v1/prices', { config: { permission: 'observe' } }, async (): Promise<Prices> => ({ prices }));
  };
