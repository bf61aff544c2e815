/** Carries out the steps of docs/scaling.md with the statements of that page. */
import { spawnSync } from 'node:child_process';
import { chown, mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  PostgresServer,
  serverAccount,
  tool,
  WITHOUT_POSTGRES,
} from '@worker-runtime/test-environment/postgres-server';
import { TcpProxy } from '@worker-runtime/test-environment/tcp-proxy';
import test, { type ExecutionContext } from 'ava';
import { migrate } from '../src/index.ts';
import { StoreWriter } from './store-writer.ts';

const LINES = 50;

/** Returns the blocks in a language of one section of the page, in order. */
const blocksOf = async (section: string, language: string): Promise<readonly string[]> => {
  const page = await readFile(join(import.meta.dirname, '../../../docs/scaling.md'), 'utf8');
  const [, rest = ''] = page.split(`\n### ${section}\n`);
  const [text = ''] = rest.split(/\n##+ /);
  return [...text.matchAll(new RegExp(`\`\`\`${language}\n([^]*?)\`\`\``, 'g'))].map(
    ([, block = '']) => block,
  );
};

const expected = (name: string, count: number): readonly string[] =>
  Array.from({ length: count }, (_, at) => `${name} ${at}`);

const addLines = async (writer: StoreWriter, name: string, from: number, to: number): Promise<void> => {
  for (let at = from; at < to; at += 1) await writer.add('log_a', `${name} ${at}`);
};

const makeFolder = async (t: ExecutionContext, name: string): Promise<string> => {
  const folder = await mkdtemp(join(tmpdir(), `worker-runtime-${name}-`));
  t.teardown(() => rm(folder, { recursive: true, force: true }));
  const account = serverAccount();
  if (account) await chown(folder, account.uid, account.gid);
  return folder;
};

if (WITHOUT_POSTGRES !== null) {
  test.skip(`P45: the runbook (skipped: ${WITHOUT_POSTGRES})`, () => {});
} else {
  test('P45: a database that is restored to a point in time continues there, and a process with the later state is lost', async (t) => {
    const archive = await makeFolder(t, 'archive');
    const primary = await PostgresServer.start(['archive_mode=on', `archive_command=cp %p ${archive}/%f`]);
    t.teardown(() => primary.dispose());
    const database = await primary.makeDatabase('restored', migrate);
    const proxy = await TcpProxy.to(primary.port);
    t.teardown(() => proxy.close());
    const url = primary.url({ port: proxy.port, user: 'worker', database });
    const writer = await new StoreWriter({ url }).open();
    await addLines(writer, 'one', 0, LINES);
    const restored = await PostgresServer.backupOf(primary);
    t.teardown(() => restored.dispose());
    await addLines(writer, 'one', LINES, 2 * LINES);
    await primary.query("select pg_create_restore_point('before-the-change')");
    await addLines(writer, 'one', 2 * LINES, 3 * LINES);
    const [[segment] = []] = await primary.query('select pg_walfile_name(pg_switch_wal())');
    for (let archived: unknown = ''; String(archived) < String(segment); )
      archived = (await primary.query('select last_archived_wal from pg_stat_archiver'))[0]?.[0];

    const [settings = ''] = await blocksOf('Restore a database to a point in time', 'ini');
    t.regex(settings, /recovery_target_name = 'before-the-change'/);
    await restored.addFile('recovery.signal', '');
    await restored.addFile('postgresql.auto.conf', settings.replaceAll('/backup/archive', archive));
    await primary.kill();
    await restored.run();
    for (let isOver: unknown = false; isOver !== true; )
      isOver = (await restored.query('select not pg_is_in_recovery()'))[0]?.[0];

    // the store that still holds the later state is led to the restored server, as by a name that moves
    proxy.lead(restored.port);
    proxy.reset();
    await writer.lost;
    t.is(writer.losses.length, 1);
    await t.throwsAsync(writer.add('log_a', 'too late'), { code: 'STORE_LOST' });
    await writer.store.close();
    const next = await new StoreWriter({ url }).open();
    t.deepEqual(await next.texts('log_a'), expected('one', 2 * LINES));
    await next.add('log_a', 'goes on');
    await next.store.close();
  });

  test('P45: a Runtime moves to another database whole, and the others stay', async (t) => {
    const server = await PostgresServer.start();
    t.teardown(() => server.dispose());
    const dumps = await makeFolder(t, 'dumps');
    await mkdir(dumps, { recursive: true });
    const from = await server.makeDatabase('old', migrate);
    const to = await server.makeDatabase('new');
    const open = (database: string, runtime: string): Promise<StoreWriter> =>
      new StoreWriter({ url: server.url({ user: 'worker', database }), runtime }).open();
    const moved = await open(from, 'support-2');
    const stays = await open(from, 'support-1');
    for (const [writer, name] of [
      [moved, 'two'],
      [stays, 'one'],
    ] as const) {
      await addLines(writer, name, 0, LINES);
      await writer.store.putPluginState('quota', Buffer.from(name));
      await writer.store.putBlob('log_a', 'picture', Buffer.from(`picture of ${name}`));
    }
    const [leave = '', keep = '', remove = ''] = await blocksOf('Split a database', 'sql');
    await moved.store.close();
    await server.query(leave, [], from);
    const owner = "select owner is null from worker_runtime.runtimes where name = 'support-2'";
    t.is((await server.query(owner, [], from))[0]?.[0], true);

    const [commands = ''] = await blocksOf('Split a database', 'console');
    const urls = { OLD_URL: server.url({ database: from }), NEW_URL: server.url({ database: to }) };
    const lines = commands.split('\n').filter((line) => /^ *\$ pg_/.test(line));
    t.is(lines.length, 2);
    for (const line of lines) {
      const { status, stderr } = spawnSync('bash', ['-c', line.replace(/^ *\$ /, '')], {
        cwd: dumps,
        env: { ...process.env, ...urls, PATH: `${tool('')}:${process.env.PATH}` },
        encoding: 'utf8',
      });
      t.is(status, 0, stderr);
    }
    await migrate({ url: server.url({ database: to }), grantTo: 'worker' });
    await server.query(keep, [], to);
    await addLines(stays, 'one', LINES, 2 * LINES);
    await server.query(remove, [], from);
    await addLines(stays, 'one', 2 * LINES, 3 * LINES);

    const there = await open(to, 'support-2');
    t.is(there.store.version, moved.store.version);
    t.deepEqual(await there.texts('log_a'), expected('two', LINES));
    t.is(Buffer.from((await there.store.blob('log_a', 'picture')) ?? []).toString(), 'picture of two');
    t.is(Buffer.from((await there.store.pluginState('quota')) ?? []).toString(), 'two');
    await there.add('log_a', 'goes on');
    await there.store.close();
    t.deepEqual(await stays.texts('log_a'), expected('one', 3 * LINES));
    t.deepEqual(stays.losses, []);
    await stays.store.close();
    for (const [database, name] of [
      [from, 'support-1'],
      [to, 'support-2'],
    ] as const) {
      const rows = await server.query('select name, in_cluster from worker_runtime.runtimes', [], database);
      t.deepEqual(rows, [[name, database === to]]);
      const strangers = await server.query(
        'select count(*) from worker_runtime.batches where runtime not in (select id from worker_runtime.runtimes)',
        [],
        database,
      );
      t.is(Number(strangers[0]?.[0]), 0);
    }
  });
}
