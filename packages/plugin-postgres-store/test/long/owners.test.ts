import test from 'ava';
import { assertPausedOwnersAreFenced } from '../owners.ts';
import { PostgresServer, WITHOUT_POSTGRES } from '../postgres-server.ts';

const title = 'P42: an owner that stood still through a takeover writes nothing more, 100 times under load';

if (WITHOUT_POSTGRES !== null) {
  test.skip(`${title} (skipped: ${WITHOUT_POSTGRES})`, () => {});
} else {
  const server = await PostgresServer.start();
  await server.makeDatabase('owners');
  test.after.always(() => server.dispose());

  test(title, (t) => assertPausedOwnersAreFenced(t, server, 100));
}
