import { testStore } from '@worker-runtime/core/testing';
import test from 'ava';
import { PostgresServer, WITHOUT_POSTGRES } from './postgres-server.ts';
import { storeHarness } from './store-harness.ts';

if (WITHOUT_POSTGRES !== null) {
  test.skip(`the contract of stores (skipped: ${WITHOUT_POSTGRES})`, () => {});
} else {
  const server = await PostgresServer.start(['max_connections=200']);
  await server.makeDatabase('contract');
  test.after.always(() => server.dispose());
  testStore(test, storeHarness(server, 'contract'));
}
