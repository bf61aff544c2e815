import { testMembership } from '@worker-runtime/core/testing';
import test from 'ava';
import { postgresMembership } from '../src/index.ts';
import { Places } from './places.ts';
import { PostgresServer, WITHOUT_POSTGRES } from './postgres-server.ts';

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
    const database = await server.makeDatabase(`cluster_${made}`);
    const url = server.url({ user: 'worker', database });
    return { join: async () => postgresMembership({ url }), dispose: async () => places.release() };
  });
}
