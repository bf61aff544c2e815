import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { migrate } from '@worker-runtime/plugin-postgres-store';
import { freePort, PostgresServer, WITHOUT_POSTGRES } from '@worker-runtime/test-environment/postgres-server';
import test from 'ava';
import { makePlace, Program, request, run, serve } from './program.ts';

const READY = /^worker-runtime listening on (http:\S+) \(runtime (\w+), store postgres-store\)$/m;

if (WITHOUT_POSTGRES !== null) {
  test.skip(`P43: two servers for one runtime (skipped: ${WITHOUT_POSTGRES})`, () => {});
} else {
  const server = await PostgresServer.start();
  await server.query('create database served');
  test.after.always(() => server.dispose());

  test('P43: a second server waits, and takes over with everything acknowledged after a kill -9', async (t) => {
    const place = await makePlace(t);
    await writeFile(join(place, 'owner.url'), `${server.url({ database: 'served' })}\n`, { mode: 0o600 });
    await writeFile(join(place, 'worker.url'), `${server.url({ user: 'worker', database: 'served' })}\n`, {
      mode: 0o600,
    });
    const migration = ['postgres', 'migrate', '--url-file', 'owner.url', '--grant', 'worker'];
    const first = ['--postgres-store.urlFile', 'worker.url', '--postgres-store.leaseMs', '1000'];
    const args = ['--plugin', 'postgres-store', '--plugin', 'echo', ...first];
    const refused = await run(t, place, [...args, 'serve', '--port', '0']);
    t.is(refused.code, 1);
    t.regex(refused.stderr, /STORE_VERSION: .*worker-runtime postgres migrate/);
    t.regex((await run(t, place, migration)).stdout, /version 3 now/);
    t.deepEqual(JSON.parse((await run(t, place, [...migration, '--json'])).stdout), { from: 3, to: 3 });

    const owner = await serve(t, place, args);
    const input = (url: string, text: string, wait: number) =>
      request<{ run: { outcome: string } | null }>(
        url,
        'POST',
        '/workers/ada/inputs',
        { text },
        {
          prefer: `wait=${wait}`,
          'idempotency-key': text,
        },
      );
    await request(owner.url, 'POST', '/workers', { engine: 'echo', workerId: 'ada' });
    for (const text of ['one', 'two'])
      t.is((await input(owner.url, text, 10)).body.run?.outcome, 'completed');

    const port = await freePort();
    const second = new Program(t, place, [...args, 'serve', '--port', String(port)]);
    await second.prints(/waits to take over/, 'stderr');
    const url = `http://127.0.0.1:${port}`;
    t.is((await fetch(`${url}/livez`)).status, 200);
    t.is((await fetch(`${url}/readyz`)).status, 503);
    t.regex(await (await fetch(`${url}/metrics`)).text(), /worker_runtime_store_owner\{runtime="self"\} 0/);

    owner.program.kill('SIGKILL');
    const [, , runtimeId] = await second.prints(READY);
    t.is(runtimeId, owner.runtimeId);
    t.is((await input(url, 'two', 10)).body.run?.outcome, 'completed', 'a retry is the same input');
    t.is((await input(url, 'three', 10)).body.run?.outcome, 'completed');
    const { body } = await request<{ items: readonly { role: string }[] }>(
      url,
      'GET',
      '/workers/ada/transcript',
    );
    t.is(body.items.filter(({ role }) => role === 'user').length, 3);
    t.regex(await (await fetch(`${url}/metrics`)).text(), /worker_runtime_store_owner\{runtime="self"\} 1/);

    // an orderly stop hands over without a lease
    const third = new Program(t, place, [...args, 'serve', '--port', '0']);
    await third.prints(/waits to take over/, 'stderr');
    second.kill('SIGTERM');
    t.is((await second.ended).code, 0);
    await third.prints(READY);
    third.kill('SIGTERM');
    t.is((await third.ended).code, 0);
  });

  test('P4: a server that waits for a runtime ends at a signal', async (t) => {
    const place = await makePlace(t);
    await server.makeDatabase('waited', migrate);
    const url = server.url({ user: 'worker', database: 'waited' });
    const args = ['--plugin', 'postgres-store', 'serve', '--port', '0'];
    const variables = { WORKER_RUNTIME_POSTGRES_STORE_URL: url };
    const owner = new Program(t, place, args, variables);
    await owner.prints(READY);
    const second = new Program(t, place, args, variables);
    await second.prints(/waits to take over/, 'stderr');
    second.kill('SIGTERM');
    const { code, stdout, stderr } = await second.ended;
    t.is(code, 0, stderr);
    t.notRegex(stdout + stderr, /worker-password/);
  });
}
