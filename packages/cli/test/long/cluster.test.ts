import { PostgresServer, WITHOUT_POSTGRES } from '@worker-runtime/test-environment/postgres-server';
import test from 'ava';
import { assertPausedHostsAreFenced } from '../paused-hosts.ts';

const title =
  'P44: a host that was paused writes nothing after another one has taken over, 100 times under load';

if (WITHOUT_POSTGRES !== null) {
  test.skip(`${title} (skipped: ${WITHOUT_POSTGRES})`, () => {});
} else {
  const server = await PostgresServer.start(['max_connections=300']);
  test.after.always(() => server.dispose());

  test(title, (t) => assertPausedHostsAreFenced(t, server, 100));
}
