import { rename, rm, writeFile } from 'node:fs/promises';
import { type Logger, RuntimeError, silentLogger } from '@worker-runtime/core';
import { PostgresServer, WITHOUT_POSTGRES } from '@worker-runtime/test-environment/postgres-server';
import test, { type ExecutionContext } from 'ava';
import { migrate, postgresMembership } from '../src/index.ts';
import { StoreWriter } from './store-writer.ts';

if (WITHOUT_POSTGRES !== null) {
  test.skip(`P105: a changed URL (skipped: ${WITHOUT_POSTGRES})`, () => {});
} else {
  const server = await PostgresServer.start(['max_connections=200']);
  test.after.always(() => server.dispose());

  /** A database with a role of its own, and the file with its URL. */
  class Place {
    readonly database: string;
    readonly urlFile: string;
    /** The errors that the store and the membership have reported. */
    readonly errors: object[] = [];

    private constructor(database: string, urlFile: string) {
      this.database = database;
      this.urlFile = urlFile;
    }

    static async make(database: string): Promise<Place> {
      await server.query(`create role ${database} login password 'first'`);
      await server.query(`create database ${database}`);
      await migrate({ url: server.url({ database }), grantTo: database });
      const place = new Place(database, await server.addFile(`${database}.url`, ''));
      await place.write(place.url('first'));
      return place;
    }

    url(password: string, database = this.database): string {
      return server.url({ user: this.database, password, database });
    }

    /** Replaces the file at once. */
    async write(text: string, mode = 0o600): Promise<void> {
      await writeFile(`${this.urlFile}.next`, text, { mode });
      await rename(`${this.urlFile}.next`, this.urlFile);
    }

    get log(): Logger {
      return { ...silentLogger, error: (fields, message) => this.errors.push({ ...fields, message }) };
    }

    /** Changes the password, and ends all sessions that were opened with the last one. */
    async change(password: string): Promise<void> {
      await server.query(`alter role ${this.database} password '${password}'`);
      await this.endSessions();
    }

    async endSessions(): Promise<void> {
      await server.query('select pg_terminate_backend(pid, 5000) from pg_stat_activity where usename = $1', [
        this.database,
      ]);
    }

    /** Opens a store whose lease does not end while it is tested. */
    async open(t: ExecutionContext): Promise<StoreWriter> {
      const { urlFile, log } = this;
      const writer = new StoreWriter({ urlFile, leaseMs: 60_000 });
      t.teardown(() => writer.store.close());
      const opened = await writer.store.open({ ...writer.host, log });
      for await (const { log: name, head } of opened.logs) writer.heads.set(name, head);
      return writer;
    }
  }

  /** Repeats an act while sessions that have ended are replaced, of which there are at most eleven. */
  const soon = async <T>(act: () => Promise<T>): Promise<T> => {
    for (let attempt = 1; ; attempt += 1)
      try {
        return await act();
      } catch (error) {
        if (attempt > 11 || !(error instanceof RuntimeError) || error.code !== 'STORE_UNAVAILABLE')
          throw error;
      }
  };

  /** Uses the connection of appends, those of the lease, and those of reads. */
  const works = async (t: ExecutionContext, writer: StoreWriter, text: string): Promise<void> => {
    await soon(async () => {
      await writer.settle('log_a');
      await writer.add('log_a', text);
    });
    await soon(() => writer.store.putBlob('log_a', text, Buffer.from(text)));
    t.is((await soon(() => writer.texts('log_a'))).at(-1), text);
    t.deepEqual(writer.losses, []);
  };

  test('P105: a store and a membership continue with a changed password, without a restart', async (t) => {
    const place = await Place.make('rotated');
    const writer = await place.open(t);
    const membership = postgresMembership({ urlFile: place.urlFile }, place.log);
    t.teardown(() => membership.close());
    let rung = (): void => {};
    const rings = (): Promise<void> =>
      new Promise((resolve) => {
        rung = resolve;
      });
    let listens = rings();
    membership.onChange?.(() => rung());
    await listens;
    await works(t, writer, 'before');
    await membership.look();

    listens = rings();
    await place.change('second');
    await place.write(place.url('second'));
    await works(t, writer, 'after');
    await soon(() => membership.look());
    // the first ring of a connection says that it listens
    await listens;
    const changed = rings();
    await soon(() => membership.create('one', null));
    await changed;
    t.deepEqual(place.errors, []);
  });

  test('P105: two roles may take turns', async (t) => {
    const place = await Place.make('blue');
    await server.query("create role green login password 'green-password'");
    await migrate({ url: server.url({ database: 'blue' }), grantTo: 'green' });
    const writer = await place.open(t);
    await works(t, writer, 'before');
    await place.write(server.url({ user: 'green', database: 'blue' }));
    await server.query('alter role blue nologin');
    await place.endSessions();
    await works(t, writer, 'after');
  });

  test('P105: a file that is bad for a moment changes nothing, and neither does one that leads elsewhere', async (t) => {
    const place = await Place.make('kept');
    const { database, urlFile } = place;
    const writer = await place.open(t);
    const elsewhere = await server.makeDatabase('elsewhere', migrate);
    await migrate({ url: server.url({ database: elsewhere }), grantTo: database });
    const other = await PostgresServer.start();
    t.teardown(() => other.dispose());
    const good = place.url('first');
    const cases: readonly (readonly [name: string, spoil: () => Promise<void>, reason: RegExp])[] = [
      ['gone', () => rm(urlFile), /cannot be opened \(ENOENT\)/],
      ['empty', () => place.write(''), /must be one URL/],
      ['half', () => place.write(good.slice(0, good.indexOf('@') - 3)), /is not a valid URL|another host/],
      ['cut', () => place.write(good.slice(0, -2)), /names another host, port or database/],
      ['database', () => place.write(place.url('first', elsewhere)), /names another host, port or database/],
      ['server', () => place.write(other.url({ database })), /names another host, port or database/],
    ];
    for (const [name, spoil, reason] of cases) {
      await spoil();
      await place.endSessions();
      await works(t, writer, name);
      const [error] = place.errors.splice(0) as { reason?: string; file?: string }[];
      t.regex(error?.reason ?? '', reason, name);
      t.is(error?.file, urlFile);
      t.notRegex(JSON.stringify(error), /first@|127\.0\.0\.1/);
      await place.write(good);
      await place.endSessions();
      await works(t, writer, `${name}, and good again`);
    }
    const [[count] = []] = await server.query('select count(*) from worker_runtime.runtimes', [], elsewhere);
    t.is(Number(count), 0);
  });

  test('P105: a store that opens beside a membership leads to the same database, and after both to another one', async (t) => {
    const place = await Place.make('first_place');
    await server.makeDatabase('second_place', migrate);
    await migrate({ url: server.url({ database: 'second_place' }), grantTo: 'first_place' });
    const membership = postgresMembership({ urlFile: place.urlFile });
    await membership.look();
    await place.write(place.url('first', 'second_place'));
    await t.throwsAsync(place.open(t), { code: 'STORE_UNAVAILABLE', message: /restart/ });
    await membership.close();
    const writer = await place.open(t);
    await writer.add('log_a', 'in the second place');
    const [[count] = []] = await server.query(
      'select count(*) from worker_runtime.runtimes',
      [],
      'second_place',
    );
    t.is(Number(count), 1);
  });
}
