import { testRuntimeApi } from '@worker-runtime/core/testing';
import { PostgresServer, WITHOUT_POSTGRES } from '@worker-runtime/test-environment/postgres-server';
import test from 'ava';
import { migrate } from '../../src/index.ts';
import { apiHarness } from '../api-harness.ts';

if (WITHOUT_POSTGRES !== null) {
  test.skip(`the contract of runtimes (skipped: ${WITHOUT_POSTGRES})`, () => {});
} else {
  const server = await PostgresServer.start();
  await server.makeDatabase('api', migrate);
  test.after.always(() => server.dispose());
  testRuntimeApi(test, () => apiHarness(server, 'api', 'cut'));
}
