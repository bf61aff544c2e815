import type { PriceList } from '@worker-runtime/core/views';
import type { Routes } from './context.ts';

/** Adds the prices of models, from which clients compute costs; null if the server has none. */
export const pricesRoute =
  (prices: PriceList | null): Routes =>
  (app) => {
    app.get('/v1/prices', { permission: 'observe' }, async () => ({ prices }));
  };
