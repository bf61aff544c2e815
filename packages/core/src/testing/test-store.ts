import { declareOn } from './declare.ts';
import type { Contract } from './store/contract.ts';
import { documentTests } from './store/documents.ts';
import type { LackingCapabilities, StoreHarness, TestFunction } from './store/harness.ts';
import { killingTests } from './store/killing.ts';
import { openingTests } from './store/opening.ts';
import { Place } from './store/place.ts';
import { readingTests } from './store/reading.ts';
import { restartingTests } from './store/restarting.ts';
import { writingTests } from './store/writing.ts';

/**
 * Declares the store contract as tests: what any `RuntimeStore` runs as its test file, with ava's `test`. Each test
 * asks for a harness of its own, opens stores on it and disposes of it, so all of them may run at once.
 */
export const testStore = (
  test: TestFunction,
  makeHarness: () => Promise<StoreHarness>,
  lacks: LackingCapabilities = {},
): void => {
  const contract: Contract = declareOn(test, lacks, async (t) => {
    const place = new Place(t, makeHarness);
    await place.open();
    return place;
  });
  openingTests(contract);
  writingTests(contract);
  readingTests(contract);
  documentTests(contract);
  restartingTests(contract);
  killingTests(contract);
};
