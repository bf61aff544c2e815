import { declareOn } from './declare.ts';
import { endingTests } from './engine/ending.ts';
import type { EngineHarness, LackingEngineCapabilities } from './engine/harness.ts';
import { livingTests } from './engine/living.ts';
import { type Contract, Trial } from './engine/trial.ts';
import type { TestFunction } from './store/harness.ts';

/**
 * Declares the engine contract as tests, with ava's `test`: what any `Engine` runs as its test file. Each test asks for
 * a harness of its own, runs its engine in a runtime on a store in memory, and disposes of both, so all of them may run
 * at once.
 */
export const testEngine = (
  test: TestFunction,
  makeHarness: () => Promise<EngineHarness>,
  lacks: LackingEngineCapabilities = {},
): void => {
  const contract: Contract = declareOn(test, lacks, async (t) => {
    const trial = new Trial(t, await makeHarness());
    await trial.start();
    return trial;
  });
  livingTests(contract);
  endingTests(contract);
};
