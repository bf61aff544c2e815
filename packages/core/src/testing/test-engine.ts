import { declareOn } from './declare.ts';
import { endingTests } from './engine/ending.ts';
import type { EngineHarness, LackingEngineCapabilities } from './engine/harness.ts';
import { runningTests } from './engine/running.ts';
import { type Contract, EngineScene } from './engine/scene.ts';
import type { TestFunction } from './store/harness.ts';

/**
 * Declares the engine contract as tests. An implementation of `Engine` calls it in a test file, with ava's `test` or a
 * function of the same shape.
 *
 * Each test calls `makeHarness` once and runs the harness's engine in a runtime on a memory store. After the test it
 * stops the runtime and disposes of the harness. So all tests may run concurrently.
 *
 * `lacks` gives, for each capability that the engine or its harness does not have, the reason. The tests that need
 * that capability are skipped, with the reason in their titles.
 * @example
 * testEngine(test, async () => ({
 *   engine: myEngine(),
 *   config: { model: 'm' },
 *   input: { text: 'hello' },
 *   dispose: async () => {},
 * }), { long: 'runs end at once', echo: 'it does not repeat its input', recall: 'it has no memory' });
 */
export const testEngine = (
  test: TestFunction,
  makeHarness: () => Promise<EngineHarness>,
  lacks: LackingEngineCapabilities = {},
): void => {
  const contract: Contract = declareOn(test, lacks, async (t) => {
    const scene = new EngineScene(t, await makeHarness());
    await scene.start();
    return scene;
  });
  runningTests(contract);
  endingTests(contract);
};
