import { RuntimeError } from '@worker-runtime/core';
import test from 'ava';
import { migrate, type PostgresStoreOptions, postgresDatabase } from '../src/index.ts';

const LOCAL = 'postgres://worker:secret-password@127.0.0.1:5432/db';

test('options that are missing, unknown or invalid are refused, and none shows a password', (t) => {
  const wrong: readonly Record<string, unknown>[] = [
    {},
    { url: LOCAL, urlFile: 'pg.url' },
    { url: 'mysql://worker:secret-password@127.0.0.1/db' },
    { url: `${LOCAL} and more` },
    { url: 'postgres://worker:secret-password@[oops/db' },
    { url: 'postgres://worker:secret-password@db.example/db' },
    { url: 'postgres://worker:secret-password@10.0.0.1/db?application_name=a' },
    { url: 'postgres://worker:secret-password@/db?host=db.example' },
    { url: 7 },
    { url: LOCAL, runtime: 'has space' },
    { url: LOCAL, leaseMs: 0 },
    { url: LOCAL, durability: 'never' },
    { url: LOCAL, whenLocked: 'steal' },
    { url: LOCAL, readers: 0 },
    { url: LOCAL, unheardOf: true },
  ];
  for (const options of wrong) {
    const error = t.throws(() => postgresDatabase(options as PostgresStoreOptions), {
      instanceOf: RuntimeError,
      code: 'INVALID_REQUEST',
    });
    t.notRegex(`${error?.message} ${JSON.stringify(error?.details)}`, /secret-password/);
  }
  for (const url of [
    LOCAL,
    'postgresql://worker@localhost/db',
    'postgres://worker@[::1]/db',
    'postgres://worker@%2Fvar%2Frun%2Fpostgresql/db',
    'postgres://worker@/db?host=/var/run/postgresql',
    'postgres://worker@db.example/db?sslmode=verify-full',
    'postgres://worker@db.example/db?sslmode=disable',
  ])
    t.notThrows(() => postgresDatabase({ url }), url);
});

test('a URL of another machine without sslmode is refused before a migration connects', async (t) => {
  await t.throwsAsync(migrate({ url: 'postgres://owner@db.example/db' }), { code: 'INVALID_REQUEST' });
});
