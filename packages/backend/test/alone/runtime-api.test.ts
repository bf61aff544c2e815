import { testRuntimeApi } from '@worker-runtime/core/testing';
import test from 'ava';
import { contractHarness } from '../contract-harness.ts';

testRuntimeApi(
  test,
  () => contractHarness({ workspace: 'acme', runtime: 'embedded', credential: 'session', stream: 'sse' }),
  {
    kill: 'a store is tested with kills directly, and a backend in audit.test.ts',
    archives: 'a backend serves no archives',
    storedEvents: 'the harness removes the names of callers from events',
  },
);
