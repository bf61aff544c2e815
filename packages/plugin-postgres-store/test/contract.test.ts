import { testStore } from '@worker-runtime/core/testing';
import { PostgresServer, WITHOUT_POSTGRES } from '@worker-runtime/test-environment/postgres-server';
import test from 'ava';
import { migrate } from '../src/index.ts';
import { storeHarness } from './store-harness.ts';

if (WITHOUT_POSTGRES !== null) {
  test.skip(`the contract of stores (skipped: ${WITHOUT_POSTGRES})`, () => {});
} else {
  const server = await PostgresServer.start(['max_connections=200']);
  await server.makeDatabase('contract', migrate);
  test.after.always(() => server.dispose());
  testStore(test, storeHarness(server, 'contract'));
}
