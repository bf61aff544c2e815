import assert from 'node:assert/strict';
import test from 'ava';
import type { StoreHarness, TestContext } from '../src/testing/store/harness.ts';
import { testStore } from '../src/testing/test-store.ts';
import { brokenStores } from './fixtures/broken-stores.ts';
import { killableHarness } from './fixtures/killable-store.ts';

// A store with every capability, so that no test of the contract goes without a run in core.
testStore(test, async () => killableHarness());

/** Runs the contract tests whose title has this in it, and gives how many there are and the first failure of each. */
const runContract = async (titlePart: string, makeHarness: () => Promise<StoreHarness>) => {
  const runs: ((t: TestContext) => Promise<void>)[] = [];
  const collect = (title: string, run: (t: TestContext) => Promise<void>): void => {
    if (title.includes(titlePart)) runs.push(run);
  };
  testStore(Object.assign(collect, { skip: () => {} }), makeHarness);
  const failures: unknown[] = [];
  for (const run of runs) {
    const t: TestContext = {
      is: (actual, expected, message) => assert.equal(actual, expected, message),
      deepEqual: (actual, expected, message) => assert.deepEqual(actual, expected, message),
      true: (actual, message) => assert.equal(actual, true, message),
      fail: (message) => assert.fail(message),
      teardown: () => {},
    };
    await run(t).catch((error: unknown) => failures.push(error));
  }
  return { count: runs.length, failures };
};

for (const [what, titlePart, makeHarness] of brokenStores) {
  test(`the contract notices ${what}`, async (t) => {
    const { count, failures } = await runContract(titlePart, makeHarness);
    t.is(count, 1, `one test of the contract is about "${titlePart}"`);
    t.is(failures.length, 1);
    t.true(failures[0] instanceof assert.AssertionError, String(failures[0]));
  });
}
