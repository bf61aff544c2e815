import { spawnSync } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { RuntimeError } from '@worker-runtime/core';
import { PostgresServer, WITHOUT_POSTGRES } from '@worker-runtime/test-environment/postgres-server';
import test from 'ava';
import { migrate } from '../src/index.ts';
import { StoreWriter } from './store-writer.ts';

const HAS_OPENSSL = spawnSync('openssl', ['version']).status === 0;
const without = WITHOUT_POSTGRES ?? (HAS_OPENSSL ? null : 'openssl is not installed');

if (without !== null) {
  test.skip(`TLS (skipped: ${without})`, () => {});
} else {
  test('a server that accepts only TLS is used with its certificate checked, and not otherwise', async (t) => {
    const place = await mkdtemp(join(tmpdir(), 'worker-runtime-tls-'));
    t.teardown(() => rm(place, { recursive: true, force: true }));
    const [key, certificate, other] = ['key', 'certificate', 'other'].map((name) => join(place, name));
    const make = (to: string, name: string) =>
      spawnSync('openssl', [
        ...['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-keyout', key ?? '', '-out', to],
        ...['-subj', `/CN=${name}`, '-addext', `subjectAltName=DNS:${name}`],
      ]);
    make(other ?? '', 'localhost');
    make(certificate ?? '', 'localhost');
    const server = await PostgresServer.start();
    t.teardown(() => server.dispose());
    await server.makeDatabase('encrypted', migrate);
    await server.addFile('server.key', await readFile(key ?? '', 'utf8'));
    await server.addFile('server.crt', await readFile(certificate ?? '', 'utf8'));
    // the superuser of the test may still connect without TLS, the role of the store may not
    const rules = 'hostssl all all all scram-sha-256\nhost all owner all scram-sha-256\n';
    await writeFile(join(server.data, 'pg_hba.conf'), rules);
    await server.query('alter system set ssl = on');
    await server.query('select pg_reload_conf()');
    for (let ssl: unknown = 'off'; ssl !== 'on'; ) ssl = (await server.query('show ssl'))[0]?.[0];

    const urlOf = (host: string, query: string, user = 'worker') =>
      `postgres://${user}:${user}-password@${host}:${server.port}/encrypted${query}`;
    const trusted = `?sslmode=verify-full&sslrootcert=${certificate}`;
    const openings: readonly (readonly [url: string, expected: RegExp])[] = [
      [urlOf('localhost', trusted), /^open$/],
      [urlOf('localhost', `?sslmode=verify-full&sslrootcert=${other}`), /^STORE_UNAVAILABLE: .*TLS/],
      [urlOf('localhost', '?sslmode=verify-full'), /^STORE_UNAVAILABLE: .*TLS/],
      [urlOf('127.0.0.1', trusted), /^STORE_UNAVAILABLE: .*TLS/],
      [urlOf('localhost', '?sslmode=disable'), /^STORE_UNAVAILABLE: .*login/],
    ];
    for (const [url, expected] of openings) {
      const writer = new StoreWriter({ url });
      let found = 'open';
      try {
        await writer.open();
        await writer.store.close();
      } catch (error) {
        if (!(error instanceof RuntimeError)) throw error;
        found = `${error.code}: ${error.message}`;
      }
      t.regex(found, expected, url);
    }
    t.deepEqual(await migrate({ url: urlOf('localhost', trusted, 'owner') }), { from: 3, to: 3 });
  });
}
