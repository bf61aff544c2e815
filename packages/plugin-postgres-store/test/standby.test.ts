import type { RuntimeError } from '@worker-runtime/core';
import { PostgresServer, WITHOUT_POSTGRES } from '@worker-runtime/test-environment/postgres-server';
import { TcpProxy } from '@worker-runtime/test-environment/tcp-proxy';
import test, { type ExecutionContext } from 'ava';
import { migrate } from '../src/index.ts';
import { StoreWriter } from './store-writer.ts';

const WRITES = 200;

/** A primary server with a standby, a proxy that leads to the primary, and a store behind it. */
const scene = async (t: ExecutionContext) => {
  const primary = await PostgresServer.start();
  t.teardown(() => primary.dispose());
  await primary.makeDatabase('ha', migrate);
  const standby = await PostgresServer.standbyOf(primary);
  t.teardown(() => standby.dispose());
  const proxy = await TcpProxy.to(primary.port);
  t.teardown(() => proxy.close());
  const url = primary.url({ port: proxy.port, user: 'worker', database: 'ha' });
  const writer = await new StoreWriter({ url, leaseMs: 1_000, answerMs: 20_000 }).open();
  const add = (count: number) => writer.add('log_a', `number ${count}`);
  /** Ends the primary, promotes the standby, and leads connections to it. */
  const failOver = async (): Promise<void> => {
    await primary.kill();
    await standby.query('select pg_promote()');
    proxy.lead(standby.port);
    proxy.reset();
  };
  return { primary, standby, url, writer, add, failOver };
};

const settled = async (writer: StoreWriter): Promise<void> => {
  for (;;) {
    try {
      await writer.settle('log_a');
      return;
    } catch (error) {
      if ((error as RuntimeError).code !== 'STORE_UNAVAILABLE') throw error;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
};

if (WITHOUT_POSTGRES !== null) {
  test.skip(`P45: standbys (skipped: ${WITHOUT_POSTGRES})`, () => {});
} else {
  test.serial(
    'P45: with a synchronous standby, a failover of PostgreSQL loses nothing, and the same owner continues',
    async (t) => {
      const { primary, writer, add, failOver } = await scene(t);
      await primary.query("alter system set synchronous_standby_names = '*'");
      await primary.query('select pg_reload_conf()');
      // the server notes its standby as synchronous once the setting holds
      for (let state: unknown = 'async'; state !== 'sync'; )
        state = (await primary.query('select sync_state from pg_stat_replication'))[0]?.[0];
      let failing: Promise<void> | null = null;
      let acknowledged = 0;
      for (let count = 0; count < WRITES; count += 1) {
        if (count === WRITES / 2) failing = failOver();
        try {
          await add(count);
        } catch {
          await failing;
          await settled(writer);
        }
        acknowledged = writer.heads.get('log_a')?.seq ?? 0;
      }
      await failing;
      await settled(writer);
      t.is((await writer.texts('log_a')).length, acknowledged);
      t.true(acknowledged >= WRITES - 1);
      t.deepEqual(writer.losses, []);
      await writer.store.close();
    },
  );

  test.serial(
    'P45: with an asynchronous standby, a failover that loses commits ends the owner, and leaves no hole',
    async (t) => {
      const { standby, url, writer, add, failOver } = await scene(t);
      for (let count = 0; count < WRITES; count += 1) await add(count);
      await standby.query("alter system set primary_conninfo = ''");
      await standby.query('select pg_reload_conf()');
      const receivers = () => standby.query('select count(*) from pg_stat_wal_receiver');
      for (let left: unknown = '1'; left !== '0'; ) left = (await receivers())[0]?.[0];
      for (let count = 0; count < WRITES; count += 1) await add(WRITES + count);
      await failOver();
      await writer.lost;
      t.is(writer.losses.length, 1);
      t.regex(writer.losses[0]?.message ?? '', /lacks commits/);
      await t.throwsAsync(add(2 * WRITES), { code: 'STORE_LOST' });
      await writer.store.close();
      const next = await new StoreWriter({ url, leaseMs: 1_000 }).open();
      const texts = await next.texts('log_a');
      t.true(texts.length < 2 * WRITES);
      t.deepEqual(
        texts,
        texts.map((_, count) => `number ${count}`),
        'what is left has no hole',
      );
      await next.add('log_a', 'goes on');
      await next.store.close();
    },
  );
}
