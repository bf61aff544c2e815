import { PostgresServer, WITHOUT_POSTGRES } from '@worker-runtime/test-environment/postgres-server';
import test from 'ava';
import { migrate } from '../src/index.ts';
import type { OwnerProcess } from './owner-process.ts';
import { assertPausedOwnersAreFenced, checkTables, startOwner } from './owners.ts';

if (WITHOUT_POSTGRES !== null) {
  test.skip(`P42, P43: owners (skipped: ${WITHOUT_POSTGRES})`, () => {});
} else {
  const server = await PostgresServer.start();
  await server.makeDatabase('owners', migrate);
  test.after.always(() => server.dispose());

  test.serial(
    'P42: an owner that stood still through a takeover writes nothing more, 5 times under load',
    (t) => assertPausedOwnersAreFenced(t, server, 5),
  );

  test.serial(
    'P43: another process takes over from an owner that was killed, within a lease and a little',
    async (t) => {
      const processes: OwnerProcess[] = [];
      t.teardown(() => {
        for (const one of processes) one.signal('SIGKILL');
      });
      let owner = startOwner(server, 'killed');
      processes.push(owner);
      await owner.opened;
      for (let round = 0; round < 4; round += 1) {
        const next = startOwner(server, 'killed');
        processes.push(next);
        await owner.acknowledges(100);
        owner.signal('SIGKILL');
        t.is(await owner.ended, 'SIGKILL');
        await next.opened;
        await next.acknowledges(10);
        owner = next;
      }
      owner.signal('SIGKILL');
      await owner.ended;
      await checkTables(t, server, 'killed', processes);
    },
  );

  test.serial(
    'P45: PostgreSQL is killed under load: what was acknowledged is there, and the same owner continues',
    async (t) => {
      const owner = startOwner(server, 'server-killed');
      t.teardown(() => owner.signal('SIGKILL'));
      await owner.opened;
      for (let round = 0; round < 3; round += 1) {
        await owner.acknowledges(200);
        await server.kill();
        await server.run();
      }
      await owner.acknowledges(200);
      owner.signal('SIGKILL');
      t.is(await owner.ended, 'SIGKILL');
      t.is(owner.loss, null);
      await checkTables(t, server, 'server-killed', [owner]);
    },
  );
}
