import assert from 'node:assert/strict';
import test from 'ava';
import { testRuntimeApi } from '../../src/testing/test-runtime-api.ts';
import { apiHarness } from '../fixtures/api-harness.ts';
import { brokenApis } from '../fixtures/broken-apis.ts';
import { runContract } from '../fixtures/run-contract.ts';

testRuntimeApi(test, () => apiHarness());

for (const [defect, titlePart, breakApi] of brokenApis) {
  test(`the API contract notices ${defect}`, async (t) => {
    const { count, failures } = await runContract(titlePart, (declare) =>
      testRuntimeApi(declare, () => apiHarness(breakApi)),
    );
    t.is(count, 1, `the number of tests whose title contains "${titlePart}"`);
    t.is(failures.length, 1);
    t.true(failures[0] instanceof assert.AssertionError, String(failures[0]));
  });
}
