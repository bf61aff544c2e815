import { setTimeout as delay } from 'node:timers/promises';
import { RuntimeError } from '@worker-runtime/core';
import { PostgresServer, WITHOUT_POSTGRES } from '@worker-runtime/test-environment/postgres-server';
import { TcpProxy } from '@worker-runtime/test-environment/tcp-proxy';
import test, { type ExecutionContext } from 'ava';
import { Client } from 'pg';
import { WALL } from '../src/group/group.ts';
import type { PostgresStoreOptions } from '../src/index.ts';
import { migrate } from '../src/index.ts';
import { StoreWriter } from './store-writer.ts';

const codeOf = async (call: Promise<unknown>): Promise<string | null> => {
  try {
    await call;
    return null;
  } catch (error) {
    return error instanceof RuntimeError ? error.code : String(error);
  }
};

/** Repeats a call until it succeeds, as the runtime does with `head`. */
const untilAnswered = async <T>(call: () => Promise<T>): Promise<T> => {
  for (;;) {
    try {
      return await call();
    } catch (error) {
      if ((error as RuntimeError).code !== 'STORE_UNAVAILABLE') throw error;
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }
};

if (WITHOUT_POSTGRES !== null) {
  test.skip(`P42, P45: appends in doubt (skipped: ${WITHOUT_POSTGRES})`, () => {});
} else {
  const server = await PostgresServer.start();
  await server.makeDatabase('doubt', migrate);
  test.after.always(() => server.dispose());

  const query = (text: string, values: readonly unknown[] = []) => server.query(text, values, 'doubt');
  const ofRuntime = 'runtime = (select id from worker_runtime.runtimes where name = $1)';

  /** Opens a store behind a proxy, with one line in `log_a`. */
  const open = async (
    t: ExecutionContext,
    runtime: string,
    options: PostgresStoreOptions = {},
  ): Promise<{ writer: StoreWriter; proxy: TcpProxy }> => {
    const proxy = await TcpProxy.to(server.port);
    const url = server.url({ port: proxy.port, user: 'worker', database: 'doubt' });
    const writer = await new StoreWriter({
      url,
      runtime,
      leaseMs: 60_000,
      answerMs: 20_000,
      ...options,
    }).open();
    t.teardown(async () => {
      proxy.heal();
      await writer.store.close();
      await proxy.close();
    });
    await writer.add('log_a', 'first');
    return { writer, proxy };
  };
  /** Ends the waiting of a role's commits for standbys, as an operator does. Returns true if there was one. */
  const releaseWaiting = async (role: string): Promise<boolean> => {
    const [[found] = []] = await server.query(
      "select bool_or(pg_cancel_backend(pid)) from pg_stat_activity where usename = $1 and wait_event = 'SyncRep'",
      [role],
    );
    return found === true;
  };
  const put = (writer: StoreWriter, text: string, name = 'plugin') =>
    writer.store.putPluginState(name, Buffer.from(text));
  const stateOf = async (writer: StoreWriter) =>
    Buffer.from((await writer.store.pluginState('plugin')) ?? []).toString();
  /** Waits until a statement of the role `worker` waits for a lock. */
  const untilBlocked = async (): Promise<void> => {
    const blocked = "select 1 from pg_stat_activity where usename = 'worker' and wait_event_type = 'Lock'";
    while ((await query(blocked)).length === 0);
  };
  const release = (runtime: string) =>
    query('update worker_runtime.runtimes set owner = null, beat = beat + 1 where name = $1', [runtime]);

  test.serial(
    'P45: a connection that is cut and healed loses nothing, and leaves no line twice',
    async (t) => {
      const { writer, proxy } = await open(t, 'cut');
      let acknowledged = 1;
      for (let round = 0; round < 20; round += 1) {
        const adding = writer.add('log_a', `in round ${round}`).then(
          () => true,
          () => false,
        );
        // the cut meets the statement on its way there, on its way back, or not at all
        for (let turn = 0; turn < round; turn += 1) await new Promise((resolve) => setImmediate(resolve));
        proxy.cut();
        const isDone = await adding;
        t.is(await codeOf(writer.store.head('log_a')), isDone ? null : 'STORE_UNAVAILABLE');
        proxy.heal();
        const head = await untilAnswered(() => writer.settle('log_a'));
        if (isDone) t.true((head?.seq ?? 0) > acknowledged);
        acknowledged = head?.seq ?? 0;
      }
      await untilAnswered(() => writer.add('log_a', 'last'));
      const texts = await untilAnswered(() => writer.texts('log_a'));
      t.is(texts.length, acknowledged + 1);
      t.is(new Set(texts).size, texts.length);
      t.deepEqual(writer.losses, []);
    },
  );

  test.serial(
    'P43: an owner that gets no answers stops counting, so that another process takes over',
    async (t) => {
      const { writer, proxy } = await open(t, 'deaf', { leaseMs: 1_500, answerMs: 1_000 });
      const beat = async (): Promise<number> => {
        const [[found] = []] = await query("select beat from worker_runtime.runtimes where name = 'deaf'");
        return Number(found);
      };
      // all connections of the lease are in use, and idle afterwards
      await Promise.all(
        ['a', 'b', 'c'].map((name) => writer.store.putBlob('log_a', name, Buffer.from(name))),
      );
      proxy.deafen();
      const last = await beat();
      const leaseAge = (): number =>
        writer.store.metrics?.().find(({ name }) => name === 'store_lease_age_seconds')?.values[0]?.value ??
        0;
      while (leaseAge() < 4) await delay(20);
      t.true((await beat()) <= last + 1, 'at most the beat that was on its way');
    },
  );

  test.serial('P42: a statement that arrives after its doubt was settled changes nothing', async (t) => {
    const { writer, proxy } = await open(t, 'late', { answerMs: 1_000 });
    const held = proxy.hold();
    const adding = codeOf(writer.add('log_a', 'late'));
    await held;
    t.is(await adding, 'STORE_UNAVAILABLE');
    t.is((await untilAnswered(() => writer.settle('log_a')))?.seq, 1, 'it has not happened');
    await writer.add('log_a', 'second');
    proxy.deliver();
    await writer.add('log_a', 'third');
    t.deepEqual(await writer.texts('log_a'), ['first', 'second', 'third']);
  });

  test.serial(
    'P42: a statement of an owner that arrives after a takeover changes nothing, even if groups are pruned',
    async (t) => {
      const { writer, proxy } = await open(t, 'late-owner', { answerMs: 1_000 });
      const held = proxy.hold();
      const adding = codeOf(writer.add('log_a', 'late'));
      await held;
      await release('late-owner');
      const url = server.url({ user: 'worker', database: 'doubt' });
      const next = await new StoreWriter({ url, runtime: 'late-owner', checkpointMs: 100 }).open();
      t.teardown(() => next.store.close());
      // the groups of the first owner are pruned; its walls stay
      const unpruned = `select count(*) from worker_runtime.groups g where ${ofRuntime} and not is_wall and position <
        (select max(position) from worker_runtime.groups w where w.runtime = g.runtime and w.is_wall)`;
      for (;;) {
        await next.add('log_a', 'of the next owner');
        const [[left] = []] = await query(unpruned, ['late-owner']);
        if (left === '0') break;
      }
      t.is(await adding, 'STORE_UNAVAILABLE');
      proxy.deliver();
      t.is(await codeOf(untilAnswered(() => writer.store.head('log_a'))), 'STORE_LOST');
      t.is(writer.losses.length, 1);
      t.false((await next.texts('log_a')).includes('late'));
      await next.add('log_a', 'after that');
      const [[walls] = []] = await query(
        `select count(*) from worker_runtime.groups where ${ofRuntime} and is_wall`,
        ['late-owner'],
      );
      t.is(Number(walls), 2);
    },
  );

  test.serial(
    'P42: a statement that began before a takeover and a prune, and is carried out after them, changes nothing',
    async (t) => {
      const { writer } = await open(t, 'late-snapshot');
      await writer.add('log_a', 'second');
      const [[id, position, owner] = []] = await query(
        `select id, max(position), owner from worker_runtime.runtimes join worker_runtime.groups on runtime = id
         where name = $1 group by id, owner`,
        ['late-snapshot'],
      );
      const zombie = new Client({ connectionString: server.url({ user: 'worker', database: 'doubt' }) });
      await zombie.connect();
      t.teardown(() => zombie.end());
      // the snapshot is taken here, while the last group of the owner is there
      await zombie.query('begin isolation level repeatable read');
      await zombie.query('select 1 from worker_runtime.groups');
      await release('late-snapshot');
      const url = server.url({ user: 'worker', database: 'doubt' });
      const next = await new StoreWriter({ url, runtime: 'late-snapshot', checkpointMs: 100 }).open();
      t.teardown(() => next.store.close());
      for (;;) {
        await next.add('log_a', 'of the next owner');
        const [found] = await query(
          'select 1 from worker_runtime.groups where runtime = $1 and position = $2',
          [id, position],
        );
        if (!found) break;
      }
      const late = zombie.query(WALL.text, [id, position, owner, 'on']);
      t.is((await t.throwsAsync<Error & { code: string }>(late))?.code, '23505');
    },
  );

  test.serial(
    'P42: an owner that only checkpoints, removes and stores documents late changes nothing',
    async (t) => {
      const { writer } = await open(t, 'documents', { checkpointMs: 3_600_000 });
      await writer.add('log_a', 'second');
      await writer.store.putPluginState('plugin', Buffer.from('of the first owner'));
      await release('documents');
      const url = server.url({ user: 'worker', database: 'doubt' });
      const next = await new StoreWriter({ url, runtime: 'documents' }).open();
      t.teardown(() => next.store.close());
      await next.store.putPluginState('plugin', Buffer.from('of the next owner'));
      const calls = [
        writer.store.remove('log_a'),
        writer.store.putBlob('log_a', 'late', new Uint8Array(1)),
        writer.store.putPluginState('plugin', Buffer.from('late')),
        writer.store.putBundle({ digest: 'ab', body: new Uint8Array(1) }),
      ];
      for (const code of await Promise.all(calls.map(codeOf)))
        t.true(code === 'STORE_LOST' || code === 'STORE_UNAVAILABLE', String(code));
      await writer.store.close();
      t.is(writer.losses.length, 1);
      t.deepEqual(await next.texts('log_a'), ['first', 'second']);
      t.is(await next.store.blob('log_a', 'late'), null);
      t.deepEqual(await next.store.bundles(), []);
      t.is(await stateOf(next), 'of the next owner');
      const [row] = await query(`select seq from worker_runtime.logs where ${ofRuntime}`, ['documents']);
      t.deepEqual(row, ['0'], 'the checkpoint of a lost store notes nothing');
    },
  );

  test.serial('P42: a state that arrives after a later one of the same owner changes nothing', async (t) => {
    for (const earlier of [null, 'earlier']) {
      const { writer, proxy } = await open(t, `late-state-${earlier}`, { answerMs: 1_000 });
      if (earlier !== null) await put(writer, earlier);
      else await writer.store.putBundle({ digest: 'ab', body: new Uint8Array(1) });
      const held = proxy.hold();
      const putting = codeOf(put(writer, 'late'));
      await held;
      t.is(await putting, 'STORE_UNAVAILABLE');
      await put(writer, 'later');
      const delivered = 'select count(*) from pg_stat_activity where usename = $1';
      const [[before] = []] = await query(delivered, ['worker']);
      proxy.deliver();
      // the server has carried out what was held once the connection that brought it has ended
      for (;;) {
        const [[now] = []] = await query(delivered, ['worker']);
        if (Number(now) < Number(before)) break;
      }
      t.is(await stateOf(writer), 'later');
      await put(writer, 'last');
      t.is(await stateOf(writer), 'last');
    }
  });

  test.serial('P42: a state that was on its way while another owner took over changes nothing', async (t) => {
    const { writer } = await open(t, 'state-on-its-way');
    await put(writer, 'of the first owner');
    const admin = new Client({ connectionString: server.url({ database: 'doubt' }) });
    await admin.connect();
    t.teardown(() => admin.end());
    await admin.query('begin');
    await admin.query('update worker_runtime.runtimes set owner = null where name = $1', [
      'state-on-its-way',
    ]);
    const putting = codeOf(put(writer, 'late'));
    await untilBlocked();
    await admin.query('commit');
    const url = server.url({ user: 'worker', database: 'doubt' });
    const next = await new StoreWriter({ url, runtime: 'state-on-its-way' }).open();
    t.teardown(() => next.store.close());
    t.is(await putting, 'STORE_LOST');
    t.is(writer.losses.length, 1);
    t.is(await stateOf(next), 'of the first owner');
    await put(next, 'of the next owner');
    t.is(await codeOf(put(writer, 'later')), 'STORE_LOST');
    t.is(await stateOf(next), 'of the next owner');
  });

  test.serial('P42: states that wait in PostgreSQL do not keep the lease from counting', async (t) => {
    const { writer } = await open(t, 'slow-states', { leaseMs: 400 });
    const admin = new Client({ connectionString: server.url({ database: 'doubt' }) });
    await admin.connect();
    t.teardown(() => admin.end());
    await admin.query('begin');
    await admin.query('lock table worker_runtime.plugin_states in exclusive mode');
    const names = ['plugin', 'a', 'b', 'c', 'd'];
    const putting = names.map((name) => put(writer, `of ${name}`, name));
    await untilBlocked();
    const beats = async (): Promise<number> => {
      const [[beat] = []] = await query('select beat from worker_runtime.runtimes where name = $1', [
        'slow-states',
      ]);
      return Number(beat);
    };
    for (const before = await beats(); (await beats()) < before + 5; );
    await admin.query('commit');
    await Promise.all(putting);
    t.is(await stateOf(writer), 'of plugin');
    t.deepEqual(writer.losses, []);
  });

  test.serial(
    'P45: a database that lacks the last commits is noticed, by an append and by an idle owner',
    async (t) => {
      for (const isIdle of [false, true]) {
        const runtime = `behind-${isIdle}`;
        const { writer } = await open(t, runtime, { leaseMs: isIdle ? 400 : 60_000 });
        await writer.add('log_a', 'second');
        const last = `${ofRuntime} and position = (select max(position) from worker_runtime.groups where ${ofRuntime})`;
        await query(`delete from worker_runtime.batches where ${last}`, [runtime]);
        await query(`delete from worker_runtime.groups where ${last}`, [runtime]);
        if (!isIdle) t.is(await codeOf(writer.add('log_a', 'third')), 'STORE_LOST');
        const loss = await writer.lost;
        t.regex(loss.message, /lacks commits/);
        await writer.store.close();
        const url = server.url({ user: 'worker', database: 'doubt' });
        const next = await new StoreWriter({ url, runtime }).open();
        t.deepEqual(await next.texts('log_a'), ['first'], 'no hole and no second history');
        await next.add('log_a', 'another second');
        await next.store.close();
      }
    },
  );

  test.serial(
    'P45: a commit that an operator released from its standby is in doubt until a standby has it',
    async (t) => {
      const { writer } = await open(t, 'standby');
      await server.query("alter system set synchronous_standby_names = 'nobody'");
      await server.query('select pg_reload_conf()');
      // the setting holds once a commit of another role waits
      for (let number = 0, holds = false; !holds; number += 1) {
        let isDone = false;
        const probe = query(`create table probe_${number} ()`).finally(() => {
          isDone = true;
        });
        while (!isDone && !holds) holds = await releaseWaiting('owner');
        await probe;
      }
      const adding = codeOf(writer.add('log_a', 'here only'));
      while (!(await releaseWaiting('worker')));
      t.is(await adding, 'STORE_UNAVAILABLE');
      await server.query('alter system reset synchronous_standby_names');
      await server.query('select pg_reload_conf()');
      t.is((await untilAnswered(() => writer.settle('log_a')))?.seq, 2, 'it has happened');
      await writer.add('log_a', 'third');
      t.deepEqual(await writer.texts('log_a'), ['first', 'here only', 'third']);
    },
  );
}
