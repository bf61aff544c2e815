import type { BenchOfRows, Row, Values } from './measurement.ts';

/*
 * Rows of growth compare the product with its own ten times smaller self, so that growth shows as a ratio: 1 means that a cost
 * stays the same, 10 that it grows with the size.
 */

/** The most that a cost may grow while the size grows ten times, and the least that a rate may keep. */
export const COST_GOAL = 1.2;
export const RATE_GOAL = 0.83;
/** The most that a cost may grow if it is proportional to the logarithm of the size in steps of 1,000: 10 steps instead of 7. */
export const LOG_COST_GOAL = 1.5;

export const growth = (
  rows: readonly Row[],
  size: number,
  measure: (size: number) => Promise<Values>,
  pairs?: number,
): BenchOfRows => ({
  rows,
  ...(pairs === undefined ? {} : { pairs }),
  floor: () => measure(size / 10),
  figure: () => measure(size),
});
