import { testStore } from '@worker-runtime/core/testing';
import test from 'ava';
import { PgBouncer, WITHOUT_PGBOUNCER } from './pgbouncer.ts';
import { PostgresServer, WITHOUT_POSTGRES } from './postgres-server.ts';
import { storeHarness } from './store-harness.ts';

const without = WITHOUT_POSTGRES ?? WITHOUT_PGBOUNCER;
if (without !== null) {
  test.skip(`the contract of stores behind PgBouncer (skipped: ${without})`, () => {});
} else {
  const server = await PostgresServer.start();
  await server.makeDatabase('pooled');
  const bouncer = await PgBouncer.before(server);
  test.after.always(async () => {
    await bouncer.dispose();
    await server.dispose();
  });
  testStore(test, storeHarness(server, 'pooled', bouncer.port));
}
