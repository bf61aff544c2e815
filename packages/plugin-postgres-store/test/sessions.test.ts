import { RuntimeError } from '@worker-runtime/core';
import { PostgresServer, WITHOUT_POSTGRES } from '@worker-runtime/test-environment/postgres-server';
import { TcpProxy } from '@worker-runtime/test-environment/tcp-proxy';
import test, { type ExecutionContext } from 'ava';
import { Client } from 'pg';
import type { PostgresStoreOptions } from '../src/index.ts';
import { migrate } from '../src/index.ts';
import { StoreWriter } from './store-writer.ts';

const codeOf = async (call: Promise<unknown>): Promise<string | null> => {
  try {
    await call;
    return null;
  } catch (error) {
    if (!(error instanceof RuntimeError)) throw error;
    return error.code;
  }
};

if (WITHOUT_POSTGRES !== null) {
  test.skip(`P97, P98: sessions of PostgreSQL (skipped: ${WITHOUT_POSTGRES})`, () => {});
} else {
  const server = await PostgresServer.start();
  await server.query('grant pg_monitor to worker');
  test.after.always(() => server.dispose());

  /** Opens a store in a database of its own, with one line in `log_a`. */
  const open = async (t: ExecutionContext, database: string, options: PostgresStoreOptions = {}) => {
    const url = server.url({ user: 'worker', database });
    const writer = await new StoreWriter({ url, leaseMs: 60_000, ...options }).open();
    t.teardown(() => writer.store.close());
    await writer.add('log_a', 'first');
    return writer;
  };
  /** Ends all sessions of a database, as a restart of the server does. Later ones begin with the settings of now. */
  const endSessions = (database: string) =>
    server.query('select pg_terminate_backend(pid, 5000) from pg_stat_activity where datname = $1', [
      database,
    ]);
  const statementsOf = (writer: StoreWriter): readonly Promise<unknown>[] => [
    writer.store.putBlob('log_a', 'file', Buffer.from('bytes')),
    writer.store.putPluginState('plugin', Buffer.from('state')),
    writer.store.putBundle({ digest: 'ab', body: new Uint8Array(1) }),
  ];

  const mistakes = {
    reading: ['set default_transaction_read_only = on', 'reset default_transaction_read_only'],
    hasty: ['set statement_timeout = 1', 'reset statement_timeout'],
    stranger: ["set role = 'pg_monitor'", 'reset role'],
  } as const;
  for (const [database, [mistake, correction]] of Object.entries(mistakes))
    test(`P98: a store whose sessions began with a mistake works again after its correction: ${mistake}`, async (t) => {
      await server.makeDatabase(database, migrate);
      const writer = await open(t, database);
      await server.query(`alter role worker in database ${database} ${mistake}`);
      await endSessions(database);
      // more attempts than connections, so that each of them has begun with the mistake
      for (let attempt = 0; attempt < 5; attempt += 1) {
        await codeOf(writer.add('log_a', 'second'));
        for (const statement of statementsOf(writer)) await codeOf(statement);
      }
      await server.query(`alter role worker in database ${database} ${correction}`);
      t.truthy(await writer.settle('log_a'));
      t.is(await codeOf(writer.add('log_a', 'last')), null);
      for (const statement of statementsOf(writer)) t.is(await codeOf(statement), null);
      t.is((await writer.texts('log_a')).at(-1), 'last');
      t.deepEqual(writer.losses, []);
    });

  for (const warning of ['an invalid setting of the role', 'another version of the collations'])
    test(`P98: a warning of the login fails no statement: ${warning}`, async (t) => {
      const isOfRole = warning.includes('role');
      const database = isOfRole ? 'configured' : 'collated';
      const locale = "template template0 locale_provider icu icu_locale 'en'";
      await server.makeDatabase(database, migrate, isOfRole ? '' : locale);
      if (isOfRole)
        await server.query(
          "alter role worker in database configured set default_text_search_config = 'none'",
        );
      else await server.query("update pg_database set datcollversion = '1' where datname = 'collated'");
      const writer = await open(t, database);
      await endSessions(database);
      // the first call may meet the end of its connection
      await codeOf(writer.add('log_a', 'second'));
      await writer.settle('log_a');
      await codeOf(writer.store.putBlob('log_a', 'first', new Uint8Array(1)));
      await endSessions(database);
      t.is(await codeOf(writer.store.putBlob('log_a', 'second', new Uint8Array(1))), null);
    });

  test('P98: a statement that PostgreSQL has undone because of another transaction is repeated', async (t) => {
    await server.makeDatabase('crossing', migrate);
    await server.query("alter database crossing set default_transaction_isolation = 'repeatable read'");
    const writer = await open(t, 'crossing');
    const admin = new Client({ connectionString: server.url({ database: 'crossing' }) });
    await admin.connect();
    t.teardown(() => admin.end());
    const untilBlocked = async (): Promise<void> => {
      const blocked = `select 1 from pg_stat_activity
        where datname = 'crossing' and usename = 'worker' and wait_event_type = 'Lock'`;
      while ((await server.query(blocked)).length === 0);
    };
    const beat = 'update worker_runtime.runtimes set beat = beat + 1';
    await admin.query('begin isolation level read committed');
    await admin.query(beat);
    const [afterBeat] = statementsOf(writer);
    await untilBlocked();
    await admin.query('commit');
    t.is(await codeOf(afterBeat as Promise<unknown>), null, '40001');
    await admin.query('begin isolation level read committed');
    await admin.query('lock table worker_runtime.bundles in exclusive mode');
    const [, , behindLock] = statementsOf(writer);
    await untilBlocked();
    // the statement of the store has the row that this one waits for
    await admin.query(beat);
    await admin.query('commit');
    t.is(await codeOf(behindLock as Promise<unknown>), null, '40P01');
  });

  test('P97: reads that wait for a server without answers fail in time, and those after it succeed', async (t) => {
    await server.makeDatabase('silent', migrate);
    const proxy = await TcpProxy.to(server.port);
    t.teardown(() => proxy.close());
    const url = server.url({ port: proxy.port, user: 'worker', database: 'silent' });
    const answerMs = 1_000;
    const writer = await open(t, 'silent', { url, answerMs, readers: 2 });
    const reads = (): readonly Promise<unknown>[] =>
      Array.from({ length: 40 }, (_, at) =>
        at % 2 === 0 ? writer.texts('log_a') : writer.store.keys('log_a'),
      );
    await Promise.all(reads());
    proxy.deafen();
    const since = performance.now();
    const codes = await Promise.all(reads().map(codeOf));
    const tookMs = performance.now() - since;
    t.deepEqual([...new Set(codes)], ['STORE_UNAVAILABLE']);
    // the wait for a connection, and for it to open; one after the other, they would take 20 times as long
    t.true(tookMs < 5 * answerMs, `${tookMs} ms`);
    proxy.heal();
    t.deepEqual(await writer.texts('log_a'), ['first']);
  });
}
