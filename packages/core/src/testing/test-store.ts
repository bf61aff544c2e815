import { declareOn } from './declare.ts';
import { archivingTests } from './store/archiving.ts';
import type { Contract } from './store/contract.ts';
import { documentTests } from './store/documents.ts';
import type { LackingCapabilities, StoreHarness, TestFunction } from './store/harness.ts';
import { killingTests } from './store/killing.ts';
import { losingTests } from './store/losing.ts';
import { openingTests } from './store/opening.ts';
import { readingTests } from './store/reading.ts';
import { restartingTests } from './store/restarting.ts';
import { StoreScene } from './store/scene.ts';
import { trimmingTests } from './store/trimming.ts';
import { writingTests } from './store/writing.ts';

/**
 * Declares the store contract as tests. An implementation of `RuntimeStore` calls it in a test file, with ava's `test`
 * or a function of the same shape.
 *
 * Each test calls `makeHarness` (some call it twice), opens stores on the harness, closes them and disposes of the
 * harness. So all tests may run concurrently.
 *
 * `lacks` gives, for each capability that the store or its harness does not have, the reason. The tests that need that
 * capability are skipped, with the reason in their titles.
 * @example
 * testStore(test, async () => {
 *   const directory = await mkdtemp(join(tmpdir(), 'store-'));
 *   return {
 *     open: async () => myStore(directory),
 *     dispose: () => rm(directory, { recursive: true }),
 *   };
 * }, { kill: 'the store runs in this process', meter: 'reads are not counted', takeover: 'the store has no lock' });
 */
export const testStore = (
  test: TestFunction,
  makeHarness: () => Promise<StoreHarness>,
  lacks: LackingCapabilities = {},
): void => {
  const contract: Contract = declareOn(test, lacks, async (t) => {
    const scene = new StoreScene(t, makeHarness);
    await scene.open();
    return scene;
  });
  openingTests(contract);
  writingTests(contract);
  readingTests(contract);
  documentTests(contract);
  restartingTests(contract);
  archivingTests(contract);
  trimmingTests(contract);
  killingTests(contract);
  losingTests(contract);
};
