import { PostgresServer, WITHOUT_POSTGRES } from '@worker-runtime/test-environment/postgres-server';
import test from 'ava';
import { migrate } from '../../src/index.ts';
import { assertPausedOwnersAreFenced } from '../owners.ts';

const title = 'P42: an owner that stood still through a takeover writes nothing more, 100 times under load';

if (WITHOUT_POSTGRES !== null) {
  test.skip(`${title} (skipped: ${WITHOUT_POSTGRES})`, () => {});
} else {
  const server = await PostgresServer.start();
  await server.makeDatabase('owners', migrate);
  test.after.always(() => server.dispose());

  test(title, (t) => assertPausedOwnersAreFenced(t, server, 100));
}
