import { testRuntimeApi } from '@worker-runtime/core/testing';
import test from 'ava';
import { hopHarness } from '../hop-harness.ts';

testRuntimeApi(test, () => hopHarness({ webSocket: null }), {
  kill: 'the hop passes on what the direct client gets, which is tested with kills',
});
