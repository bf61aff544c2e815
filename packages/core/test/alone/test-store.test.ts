import assert from 'node:assert/strict';
import test from 'ava';
import { testStore } from '../../src/testing/test-store.ts';
import { brokenStores } from '../fixtures/broken-stores.ts';
import { killableHarness } from '../fixtures/killable-store.ts';
import { runContract } from '../fixtures/run-contract.ts';

// This store has every capability, so that core runs every test of the contract.
testStore(test, async () => killableHarness());

for (const [defect, titlePart, makeHarness] of brokenStores) {
  test(`the store contract notices ${defect}`, async (t) => {
    const { count, failures } = await runContract(titlePart, (declare) => testStore(declare, makeHarness));
    t.is(count, 1, `the number of tests whose title contains "${titlePart}"`);
    t.is(failures.length, 1);
    t.true(failures[0] instanceof assert.AssertionError, String(failures[0]));
  });
}
