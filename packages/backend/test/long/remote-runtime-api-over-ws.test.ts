import { testRuntimeApi } from '@worker-runtime/core/testing';
import test from 'ava';
import { contractHarness, forPartOf } from '../contract-harness.ts';

testRuntimeApi(
  forPartOf(test),
  () => contractHarness({ workspace: null, runtime: 'remote', credential: 'session', stream: 'socket' }),
  {
    kill: 'a store is tested with kills directly, and a backend in audit.test.ts',
    archives: 'a backend serves no archives',
    storedEvents: 'the harness removes the names of callers from events',
  },
);
