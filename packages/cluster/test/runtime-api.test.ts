import { testRuntimeApi } from '@worker-runtime/core/testing';
import test from 'ava';
import { elsewhereHarness, LACKS } from './elsewhere-harness.ts';

testRuntimeApi(test, () => elsewhereHarness({ webSocket: null }), LACKS);
