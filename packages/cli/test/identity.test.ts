import { chmod, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import { makePlace, run, serve } from './program.ts';

const command = ['identity', '--key', 'signing.jwk', '--issuer', 'https://agents.example'];

test('identity creates a key for its owner only, and prints an entry that a runtime accepts', async (t) => {
  const place = await makePlace(t);
  const first = await run(t, place, [...command, '--permission', 'operate']);
  t.is(first.code, 0, first.stderr);
  t.is((await stat(join(place, 'signing.jwk'))).mode & 0o777, 0o600);
  t.false(first.stdout.includes(JSON.parse(await readFile(join(place, 'signing.jwk'), 'utf8')).d));
  t.is((await run(t, place, [...command, '--permission', 'operate'])).stdout, first.stdout);

  await writeFile(join(place, 'issuers.json'), first.stdout, { mode: 0o644 });
  const { url } = await serve(t, place, ['--plugin', 'echo', '--http.issuerFile', 'issuers.json']);
  t.is((await fetch(`${url}/v1/runtimes/self/workers`)).status, 401);
});

test('identity refuses a key file that others can read, and serve names the file of issuers that it refuses', async (t) => {
  const place = await makePlace(t);
  const { stdout } = await run(t, place, command);
  await chmod(join(place, 'signing.jwk'), 0o644);
  const refused = await run(t, place, command);
  t.is(refused.code, 1);
  t.regex(refused.stderr, /chmod 600/);
  await writeFile(join(place, 'issuers.json'), stdout.replace('"Ed25519"', '"X25519"'));
  const started = await run(t, place, ['serve', '--port', '0', '--http.issuerFile', 'issuers.json']);
  t.is(started.code, 2);
  t.regex(started.stderr, /Ed25519.*issuers\.json/);
});
