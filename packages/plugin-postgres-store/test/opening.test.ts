import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { RuntimeError } from '@worker-runtime/core';
import { PostgresServer, WITHOUT_POSTGRES } from '@worker-runtime/test-environment/postgres-server';
import { TcpProxy } from '@worker-runtime/test-environment/tcp-proxy';
import test from 'ava';
import { Client } from 'pg';
import { migrate, type PostgresStoreOptions, postgresMembership } from '../src/index.ts';
import { StoreWriter } from './store-writer.ts';

if (WITHOUT_POSTGRES !== null) {
  test.skip(`opening a store (skipped: ${WITHOUT_POSTGRES})`, () => {});
} else {
  const server = await PostgresServer.start();
  await server.makeDatabase('opening', migrate);
  test.after.always(() => server.dispose());

  const urlOf = (database: string, parts = {}) => server.url({ user: 'worker', database, ...parts });
  /** Opens and closes a store. Returns the code and the messages of its failure, or null. */
  const failureOf = async (options: PostgresStoreOptions): Promise<string | null> => {
    const writer = new StoreWriter(options);
    try {
      await writer.open();
    } catch (error) {
      if (!(error instanceof RuntimeError)) throw error;
      return `${error.code}: ${error.message}`;
    }
    await writer.store.close();
    return null;
  };
  const refuses = async (
    t: {
      readonly regex: (text: string, pattern: RegExp) => unknown;
      readonly notRegex: (text: string, pattern: RegExp) => unknown;
    },
    options: PostgresStoreOptions,
    pattern: RegExp,
  ): Promise<void> => {
    const failure = String(await failureOf(options));
    t.regex(failure, pattern);
    t.notRegex(failure, /worker-password|127\.0\.0\.1/);
  };

  test('a store that cannot be opened says what to do, and shows neither password nor host', async (t) => {
    await server.makeDatabase('bare');
    await server.makeDatabase('ascii', undefined, "encoding 'SQL_ASCII' locale 'C' template template0");
    await server.makeDatabase('reading', migrate);
    await server.query('alter database reading set default_transaction_read_only = on');
    await server.query("create role stranger login password 'stranger-password'");
    const withoutFile = `?sslmode=verify-full&sslrootcert=${encodeURIComponent(join(server.data, 'nowhere.crt'))}`;
    const cases: readonly (readonly [PostgresStoreOptions, RegExp])[] = [
      [{ url: urlOf('bare') }, /^STORE_VERSION: .*worker-runtime postgres migrate/],
      [{ url: urlOf('ascii') }, /^STORE_UNAVAILABLE: .*encoding UTF8/],
      [{ url: urlOf('reading') }, /^STORE_UNAVAILABLE: .*primary/],
      [{ url: urlOf('missing') }, /^STORE_UNAVAILABLE: The database does not exist/],
      [{ url: urlOf('opening', { password: 'wrong' }) }, /^STORE_UNAVAILABLE: .*password/],
      [{ url: urlOf('opening', { user: 'stranger' }) }, /^STORE_UNAVAILABLE: .*--grant/],
      [{ url: urlOf('opening', { port: 1 }) }, /^STORE_UNAVAILABLE: .*cannot be reached/],
      [{ url: urlOf('opening', { query: '?sslmode=verify-full' }) }, /^STORE_UNAVAILABLE: .*TLS/],
      [{ url: urlOf('opening', { query: withoutFile }) }, /^STORE_UNAVAILABLE: .*certificates/],
      [{ urlFile: join(server.data, 'nowhere.url') }, /^STORE_UNAVAILABLE: .*cannot be opened \(ENOENT\)/],
    ];
    for (const [options, pattern] of cases) await refuses(t, options, pattern);
  });

  test('a server on the same machine is reached through its Unix socket', async (t) => {
    const query = `host=${server.socketFolder}&port=${server.port}`;
    t.is(
      await failureOf({ url: `postgres://worker:worker-password@/opening?${query}`, runtime: 'socket' }),
      null,
    );
  });

  test('the URL is read from a file, again at each open', async (t) => {
    const urlFile = await server.addFile('worker.url', 'postgres://worker@db.example/db\n');
    await refuses(t, { urlFile }, /^STORE_UNAVAILABLE: .*sslmode/);
    await writeFile(urlFile, `${urlOf('opening')}\n`);
    t.is(await failureOf({ urlFile, runtime: 'from-a-file' }), null);
  });

  test('P25: programs of two versions use one store if the newer tables allow it', async (t) => {
    await server.makeDatabase('versions', migrate);
    const set = (version: number, compatible: number) =>
      server.query(
        'update worker_runtime.version set version = $1, compatible = $2',
        [version, compatible],
        'versions',
      );
    await set(4, 3);
    t.is(await failureOf({ url: urlOf('versions') }), null, 'a later version that this one may use');
    await set(4, 4);
    await refuses(t, { url: urlOf('versions') }, /^STORE_VERSION: .*version 4.*update/);
    await t.throwsAsync(migrate({ url: server.url({ database: 'versions' }) }), { code: 'STORE_VERSION' });
    await set(0, 0);
    await refuses(t, { url: urlOf('versions') }, /^STORE_VERSION: .*version 0.*postgres migrate/);
  });

  test('P25: a migration that another transaction holds up ends soon, changes nothing, and holds up no runtime', async (t) => {
    await server.makeDatabase('held', migrate);
    const url = server.url({ database: 'held' });
    const other = new Client({ connectionString: url });
    await other.connect();
    t.teardown(() => other.end());
    // the tables of the first version
    await other.query(
      `drop table worker_runtime.hosts, worker_runtime.bases;
      alter table worker_runtime.runtimes
        drop in_cluster, drop host, drop claim, drop pinned_to, drop moving_to;
      update worker_runtime.version set version = 1`,
    );
    await other.query('begin; select * from worker_runtime.runtimes');
    const refused = migrate({ url });
    const runtime = server.query('select name from worker_runtime.runtimes', [], 'held');
    await t.throwsAsync(refused, { code: 'STORE_UNAVAILABLE', message: /Another transaction/ });
    await runtime;
    await other.query('commit');
    t.deepEqual(await migrate({ url }), { from: 1, to: 3 });
  });

  test('P25: migrations at the same time and repeated ones change nothing twice', async (t) => {
    await server.makeDatabase('migrated');
    const url = server.url({ database: 'migrated' });
    const found = await Promise.all(Array.from({ length: 4 }, () => migrate({ url, grantTo: 'worker' })));
    t.deepEqual(
      found.map(({ from }) => from).toSorted((a, b) => a - b),
      [0, 3, 3, 3],
    );
    const writer = await new StoreWriter({ url: urlOf('migrated') }).open();
    await writer.add('log_a', 'while it is open');
    t.deepEqual(await migrate({ url, grantTo: 'worker' }), { from: 3, to: 3 });
    await writer.add('log_a', 'and after that');
    await writer.store.close();
    await t.throwsAsync(migrate({ url, grantTo: 'no such role' }), { code: 'STORE_UNAVAILABLE' });
    await t.throwsAsync(migrate({ url: urlOf('bare') }), { code: 'STORE_UNAVAILABLE' });
  });

  test('the role of a runtime can neither change lines that are stored nor the tables', async (t) => {
    const writer = await new StoreWriter({ url: urlOf('opening'), runtime: 'least' }).open();
    await writer.add('log_a', 'first');
    await writer.store.close();
    for (const statement of [
      "update worker_runtime.batches set lines = ''",
      'update worker_runtime.groups set position = 0',
      "update worker_runtime.logs set record = 'null'",
      "update worker_runtime.runtimes set runtime_id = 'another'",
      'delete from worker_runtime.runtimes',
      "update worker_runtime.blobs set body = ''",
      'delete from worker_runtime.bundles',
      "update worker_runtime.plugin_states set name = 'another'",
      'delete from worker_runtime.plugin_states',
      'update worker_runtime.version set version = 9',
      'truncate worker_runtime.batches',
      'drop table worker_runtime.batches',
      'alter table worker_runtime.batches add column more int',
      'create table worker_runtime.more ()',
      'create role another',
    ])
      await t.throwsAsync(server.query(statement, [], 'opening', 'worker'), { code: '42501' }, statement);
  });

  test.serial('P9: a setting of the role that waits for less than a sync is overridden', async (t) => {
    await server.query("create role hasty login password 'hasty-password'");
    await migrate({ url: server.url({ database: 'opening' }), grantTo: 'hasty' });
    await server.query('alter role hasty set synchronous_commit = off');
    const writer = await new StoreWriter({
      url: urlOf('opening', { user: 'hasty' }),
      runtime: 'hasty',
    }).open();
    await writer.add('log_a', 'first');
    const [[before] = []] = await server.query('select pg_current_wal_insert_lsn()');
    await writer.add('log_a', 'second');
    const [[isFlushed] = []] = await server.query('select pg_current_wal_flush_lsn() > $1::pg_lsn', [before]);
    t.true(isFlushed);
    await writer.store.close();
  });

  test('P9: a server that may lose what it acknowledges is refused, unless the options accept it', async (t) => {
    const careless = await PostgresServer.start(['fsync=off']);
    t.teardown(() => careless.dispose());
    await careless.makeDatabase('careless', migrate);
    const url = careless.url({ user: 'worker', database: 'careless' });
    await refuses(t, { url }, /^STORE_UNAVAILABLE: .*fsync = off.*relaxed/);
    t.is(await failureOf({ url, durability: 'relaxed' }), null);
  });

  test('P15: a waiting open takes over when the owner closes, and ends when it is to stop', async (t) => {
    const url = urlOf('opening');
    const owner = await new StoreWriter({ url, runtime: 'handed-over' }).open();
    await owner.add('log_a', 'first');
    const next = new StoreWriter({ url, runtime: 'handed-over', leaseMs: 60_000 });
    const opening = next.open();
    const stopping = new AbortController();
    const third = new StoreWriter({ url, runtime: 'handed-over' });
    const ended = third.store.open({ ...third.host, stopping: stopping.signal });
    stopping.abort();
    await t.throwsAsync(ended, { code: 'STORE_LOCKED' });
    await owner.store.close();
    await opening;
    t.deepEqual(await next.texts('log_a'), ['first']);
    await next.store.close();
  });

  test('P44: a store that is opened under a claim takes over at once, and only while the claim is the current one', async (t) => {
    const url = urlOf('opening');
    const membership = postgresMembership({ url });
    t.teardown(() => membership.close());
    const { claim } = await membership.create('claimed', null);
    const open = async (under: number) =>
      new StoreWriter({ url, runtime: 'claimed', claim: under, leaseMs: 60_000 }).open();
    const first = await open(claim);
    await first.add('log_a', 'first');
    await membership.beat({ id: 'a', name: 'a', address: 'http://a', isDraining: false });
    t.true(await membership.claim('a', await membership.create('claimed', null), null));
    await t.throwsAsync(open(claim), { code: 'STORE_LOCKED' });
    await first.add('log_a', 'the owner goes on until the next one opens');
    const second = await open(claim + 1);
    t.deepEqual(await second.texts('log_a'), ['first', 'the owner goes on until the next one opens']);
    t.is((await first.lost).code, 'STORE_LOST');
    await second.store.close();
  });

  test('P25: a membership of tables without hosts says what to do', async (t) => {
    await server.makeDatabase('hostless', migrate);
    await server.query('update worker_runtime.version set version = 1', [], 'hostless');
    const membership = postgresMembership({ url: urlOf('hostless') });
    t.teardown(() => membership.close());
    await t.throwsAsync(membership.look(), { code: 'STORE_VERSION', message: /postgres migrate/ });
  });

  test('P12: an open after a checkpoint reads what was written after it, and not the history', async (t) => {
    const url = urlOf('opening');
    const query = (text: string) => server.query(text, [], 'opening');
    const options = { url, runtime: 'long', checkpointMs: 100 };
    const writer = await new StoreWriter(options).open();
    for (let count = 0; count < 300; count += 1) await writer.add(`log_${count % 3}`, `number ${count}`);
    await writer.store.close();
    const [[groups] = []] = await query(
      "select count(*) from worker_runtime.groups where runtime = (select id from worker_runtime.runtimes where name = 'long')",
    );
    t.true(Number(groups) < 300, 'groups below the checkpoint are pruned');
    const next = await new StoreWriter(options).open();
    t.deepEqual(
      next.listed.map(({ log, head, snapshot, tail }) => [log, head.seq, snapshot?.head.seq, tail.length]),
      ['log_0', 'log_1', 'log_2'].map((log) => [log, 100, 100, 0]),
    );
    await next.store.close();
  });

  test('P23: an open fetches logs step by step, and not the snapshots of all at the same time', async (t) => {
    const proxy = await TcpProxy.to(server.port);
    t.teardown(() => proxy.close());
    const options = { url: urlOf('opening', { port: proxy.port }), runtime: 'wide', checkpointMs: 3_600_000 };
    const writer = await new StoreWriter(options).open();
    const logs = Array.from({ length: 40 }, (_, number) => `log_${number}`);
    for (const log of logs) await writer.add(log, 'first');
    writer.snapshotChars = 1_000_000;
    await writer.store.close();
    const next = new StoreWriter(options);
    const before = proxy.bytesRead;
    const opened = await next.store.open(next.host);
    const found: string[] = [];
    for await (const { log, snapshot } of opened.logs) {
      if (found.length === 0)
        t.true(proxy.bytesRead - before < 12_000_000, `${proxy.bytesRead - before} bytes`);
      t.true((snapshot?.text.length ?? 0) > 1_000_000);
      found.push(log);
    }
    t.deepEqual(found, logs.toSorted());
    await next.store.close();
  });

  test('P20: the rows of a removed log are deleted, also if the process ends before', async (t) => {
    const url = urlOf('opening');
    const first = await new StoreWriter({ url, runtime: 'removing', checkpointMs: 3_600_000 }).open();
    for (let count = 0; count < 50; count += 1) await first.add('log_gone', `number ${count}`);
    await first.store.remove('log_gone');
    await first.store.close();
    const next = await new StoreWriter({ url, runtime: 'removing', checkpointMs: 100 }).open();
    t.deepEqual(next.listed, []);
    const left = async (): Promise<number> => {
      const [[count] = []] = await server.query(
        "select count(*) from worker_runtime.batches where runtime = (select id from worker_runtime.runtimes where name = 'removing')",
        [],
        'opening',
      );
      return Number(count);
    };
    while ((await left()) > 0);
    await next.store.close();
    t.pass();
  });

  test('a store reports its metrics', async (t) => {
    const writer = new StoreWriter({ url: urlOf('opening'), runtime: 'measured' });
    const value = (name: string) =>
      writer.store.metrics().find((metric) => metric.name === `store_${name}`)?.values[0]?.value ?? -1;
    t.is(value('owner'), 0);
    await writer.open();
    t.is(value('owner'), 1);
    await writer.add('log_a', 'first');
    await writer.add('log_a', 'second');
    t.is(value('groups_total'), 2);
    t.is(value('group_writes_total'), 2);
    t.true(value('group_bytes_total') > 0);
    t.true(value('group_seconds_total') > 0);
    t.is(value('queue_bytes'), 0);
    t.true(value('lease_age_seconds') >= 0 && value('lease_age_seconds') < 60);
    await writer.store.close();
    t.is(value('owner'), 0);
    t.is(value('groups_total'), 2);
  });
}
