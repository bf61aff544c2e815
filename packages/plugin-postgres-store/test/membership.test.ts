import { testMembership } from '@worker-runtime/core/testing';
import { PostgresServer, WITHOUT_POSTGRES } from '@worker-runtime/test-environment/postgres-server';
import test from 'ava';
import { migrate, postgresMembership } from '../src/index.ts';
import { Places } from './places.ts';

if (WITHOUT_POSTGRES !== null) {
  test.skip(`the contract of memberships (skipped: ${WITHOUT_POSTGRES})`, () => {});
} else {
  const server = await PostgresServer.start(['max_connections=200']);
  test.after.always(() => server.dispose());
  const places = new Places(4);
  let made = 0;

  testMembership(test, async () => {
    await places.take();
    made += 1;
    const database = await server.makeDatabase(`cluster_${made}`, migrate);
    const url = server.url({ user: 'worker', database });
    return { join: async () => postgresMembership({ url }), dispose: async () => places.release() };
  });

  test('P47: a membership reports changes that others make, also after PostgreSQL was away', async (t) => {
    const away = await PostgresServer.start();
    t.teardown(() => away.dispose());
    const url = away.url({ user: 'worker', database: await away.makeDatabase('bell', migrate) });
    const [listening, other] = [postgresMembership({ url }), postgresMembership({ url })];
    t.teardown(() => Promise.all([listening.close(), other.close()]));
    let rung = (): void => {};
    const rings = (): Promise<void> =>
      new Promise((resolve) => {
        rung = resolve;
      });
    // the first ring of a connection says only that it listens
    let listens = rings();
    listening.onChange?.(() => rung());
    await listens;
    let changes = rings();
    await other.create('one', null);
    await changes;
    listens = rings();
    await away.kill();
    await away.run();
    await listens;
    changes = rings();
    t.true(await other.move('one', 'somewhere'));
    await changes;
  });
}
