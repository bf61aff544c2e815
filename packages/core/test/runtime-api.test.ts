import assert from 'node:assert/strict';
import test from 'ava';
import { testRuntimeApi } from '../src/testing/test-runtime-api.ts';
import { apiHarness } from './fixtures/api-harness.ts';
import { brokenApis } from './fixtures/broken-apis.ts';
import { runContract } from './fixtures/run-contract.ts';

testRuntimeApi(test, () => apiHarness());

for (const [what, titlePart, seen] of brokenApis) {
  test(`the contract notices ${what}`, async (t) => {
    const { count, failures } = await runContract(titlePart, (declare) =>
      testRuntimeApi(declare, () => apiHarness(seen)),
    );
    t.is(count, 1, `one test of the contract is about "${titlePart}"`);
    t.is(failures.length, 1);
    t.true(failures[0] instanceof assert.AssertionError, String(failures[0]));
  });
}
