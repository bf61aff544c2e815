import { testStore } from '@worker-runtime/core/testing';
import { PostgresServer, WITHOUT_POSTGRES } from '@worker-runtime/test-environment/postgres-server';
import test from 'ava';
import { migrate } from '../src/index.ts';
import { PgBouncer, WITHOUT_PGBOUNCER } from './pgbouncer.ts';
import { storeHarness } from './store-harness.ts';

const without = WITHOUT_POSTGRES ?? WITHOUT_PGBOUNCER;
if (without !== null) {
  test.skip(`the contract of stores behind PgBouncer (skipped: ${without})`, () => {});
} else {
  const server = await PostgresServer.start();
  await server.makeDatabase('pooled', migrate);
  const bouncer = await PgBouncer.before(server);
  test.after.always(async () => {
    await bouncer.dispose();
    await server.dispose();
  });
  testStore(test, storeHarness(server, 'pooled', bouncer.port));
}
