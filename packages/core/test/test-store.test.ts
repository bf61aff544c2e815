import assert from 'node:assert/strict';
import test from 'ava';
import { testStore } from '../src/testing/test-store.ts';
import { brokenStores } from './fixtures/broken-stores.ts';
import { killableHarness } from './fixtures/killable-store.ts';
import { runContract } from './fixtures/run-contract.ts';

// A store with every capability, so that no test of the contract goes without a run in core.
testStore(test, async () => killableHarness());

for (const [what, titlePart, makeHarness] of brokenStores) {
  test(`the contract notices ${what}`, async (t) => {
    const { count, failures } = await runContract(titlePart, (declare) => testStore(declare, makeHarness));
    t.is(count, 1, `one test of the contract is about "${titlePart}"`);
    t.is(failures.length, 1);
    t.true(failures[0] instanceof assert.AssertionError, String(failures[0]));
  });
}
