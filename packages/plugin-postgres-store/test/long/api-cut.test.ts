import { testRuntimeApi } from '@worker-runtime/core/testing';
import test from 'ava';
import { apiHarness } from '../api-harness.ts';
import { PostgresServer, WITHOUT_POSTGRES } from '../postgres-server.ts';

if (WITHOUT_POSTGRES !== null) {
  test.skip(`the contract of runtimes (skipped: ${WITHOUT_POSTGRES})`, () => {});
} else {
  const server = await PostgresServer.start();
  await server.makeDatabase('api');
  test.after.always(() => server.dispose());
  testRuntimeApi(test, () => apiHarness(server, 'api', 'cut'));
}
