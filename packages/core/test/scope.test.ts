import test from 'ava';
import type { Runtime } from '../src/runtime/runtime.ts';
import { scoped } from '../src/scope/scoped.ts';
import { testScope } from '../src/testing/test-scope.ts';
import { apiHarness } from './fixtures/api-harness.ts';

testScope(test, async () => {
  let runtime: Runtime | undefined;
  const harness = await apiHarness((started) => {
    runtime = started;
    return started;
  });
  return { ...harness, as: async (scope) => scoped(runtime as Runtime, scope) };
});
