import { mkdir, readFile, stat, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { migrate } from '@worker-runtime/plugin-postgres-store';
import { PostgresServer, WITHOUT_POSTGRES } from '@worker-runtime/test-environment/postgres-server';
import test from 'ava';
import { fill, inFolder, shown } from './archives.ts';
import { assertKilledCopiesAreWhole } from './killed-copies.ts';
import { makePlace, request, run, serve } from './program.ts';

// before the first test, because ava takes no test after an await
const server = WITHOUT_POSTGRES === null ? await PostgresServer.start() : null;
test.after.always(() => server?.dispose());

test('export, verify and import name what they did, and each refusal what is wrong', async (t) => {
  const place = await makePlace(t);
  const { program, url, runtimeId } = await serve(t, place, inFolder('one'));
  await request(url, 'POST', '/workers', { engine: 'echo', workerId: 'ada', initialInput: { text: 'hi' } });
  const store = ['--fs-store.dir', 'one'];
  const open = await run(t, place, ['export', 'a', ...store]);
  t.is(open.code, 1);
  t.regex(open.stderr, /STORE_LOCKED/);
  program.kill('SIGTERM');
  await program.ended;

  const exported = await run(t, place, ['export', 'a', ...store]);
  t.is(exported.code, 0, exported.stderr);
  t.regex(exported.stdout, /^a: 1 Worker, \d+ events, 0 files, .* digest [0-9a-f]{64}$/m);
  const again = await run(t, place, ['export', 'a', ...store]);
  t.regex(again.stderr, /INVALID_REQUEST: The file of the archive exists already/);
  const nowhere = await run(t, place, ['export', 'missing/a', ...store]);
  t.regex(nowhere.stderr, /FILE_NOT_FOUND: There is no folder for the archive/);
  const verified = await run(t, place, ['verify', 'a', '--json']);
  t.like(JSON.parse(verified.stdout), { content: 'runtime', runtimeId, workers: 1 });

  const copied = await run(t, place, ['import', 'a', '--copy', '--name', 'copy', '--json']);
  t.is(copied.code, 0, copied.stderr);
  t.not((JSON.parse(copied.stdout) as { runtimeId: string }).runtimeId, runtimeId);
  const twice = await run(t, place, ['import', 'a', '--copy', '--name', 'copy']);
  t.is(twice.code, 2);
  t.regex(twice.stderr, /The store is not empty/);

  await truncate(join(place, 'a'), (await stat(join(place, 'a'))).size - 1);
  for (const command of [
    ['verify', 'a'],
    ['restore', 'a', '--name', 'other'],
  ]) {
    const { code, stderr } = await run(t, place, command);
    t.is(code, 1);
    t.regex(stderr, /ARCHIVE_CORRUPT: The archive is not whole/);
  }
  const none = await run(t, place, ['--plugin', 'echo', 'export', 'b']);
  t.is(none.code, 2);
  t.regex(none.stderr, /no plugin of the settings is a store/);
});

test('P74: a kill -9 of an export or an import leaves the source whole, and no part to be seen', (t) =>
  assertKilledCopiesAreWhole(t, [1, 1_200_000], [1, 5_500_000]));

if (server === null) {
  test.skip(`P74: from files to PostgreSQL and back (skipped: ${WITHOUT_POSTGRES})`, () => {});
} else {
  test('P74: a runtime moves from files to PostgreSQL and back, with its id and its events', async (t) => {
    const place = await makePlace(t);
    await server.makeDatabase('moved', migrate);
    const variables = {
      WORKER_RUNTIME_POSTGRES_STORE_URL: server.url({ user: 'worker', database: 'moved' }),
    };
    const database = ['--plugin', 'postgres-store', '--plugin', 'echo'];
    await mkdir(join(place, 'files'));
    await fill(join(place, 'files'), 5);
    const before = await shown(t, place, inFolder('files'));
    t.is((await run(t, place, ['export', 'a', '--fs-store.dir', 'files'])).code, 0);
    const imported = await run(t, place, [...database, 'import', 'a'], variables);
    t.is(imported.code, 0, imported.stderr);
    t.deepEqual(await shown(t, place, database, variables), before);
    const owner = await serve(t, place, database, variables);
    const locked = await run(t, place, [...database, 'export', 'b'], variables);
    t.is(locked.code, 1);
    t.regex(locked.stderr, /STORE_LOCKED/);
    owner.program.kill('SIGTERM');
    await owner.program.ended;
    const exported = await run(t, place, [...database, 'export', 'b'], variables);
    t.is(exported.code, 0, exported.stderr);
    t.is((await run(t, place, ['import', 'b', '--fs-store.dir', 'back'])).code, 0);
    t.deepEqual(await shown(t, place, inFolder('back')), before);

    const second = ['--plugin', 'postgres-store', '--postgres-store.runtime', 'second'];
    const twice = await run(t, place, [...second, 'import', 'b'], variables);
    t.is(twice.code, 1);
    t.regex(twice.stderr, /STORE_CONFLICT: Another Runtime of the database has the id/);
    t.is((await run(t, place, [...second, 'import', 'b', '--copy'], variables)).code, 0);
    const copy = await shown(t, place, [...second, '--plugin', 'echo'], variables);
    t.is(copy.events.replaceAll(copy.runtimeId, ''), before.events.replaceAll(before.runtimeId, ''));
    t.not(copy.runtimeId, before.runtimeId);
    const cluster = { WORKER_RUNTIME_POSTGRES_URL: variables.WORKER_RUNTIME_POSTGRES_STORE_URL };
    const joined = await run(t, place, ['runtimes', 'create', 'second'], cluster);
    t.is(joined.stdout.trim(), `second  ${copy.runtimeId}`, joined.stderr);
    const unprepared = { WORKER_RUNTIME_POSTGRES_STORE_URL: server.url() };
    t.regex((await run(t, place, [...database, 'import', 'b'], unprepared)).stderr, /STORE_VERSION: /);
    t.is((await readFile(join(place, 'b'))).toString('latin1').split('\n')[0], 'worker-runtime archive 1');
    await writeFile(join(place, 'c'), 'no archive');
    t.regex((await run(t, place, ['verify', 'c'])).stderr, /ARCHIVE_CORRUPT/);
  });
}
