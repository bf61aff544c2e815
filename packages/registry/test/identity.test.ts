import { existsSync, readFileSync } from 'node:fs';
import { chmod, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Authority, Scope } from '@worker-runtime/core/scope';
import test from 'ava';
import { createLocalJWKSet, decodeJwt, jwtVerify } from 'jose';
import { Identity } from '../src/index.ts';
import { makeKeys } from './world.ts';

test('a key file is created once, for its owner only, and has one identity', async (t) => {
  const { folder, identity, remove } = await makeKeys();
  t.teardown(remove);
  const path = join(folder, 'signing.jwk');
  t.is((await stat(path)).mode & 0o777, 0o600);
  const again = await Identity.at(path, 'backend');
  t.deepEqual(again.entry, identity.entry);
  t.notRegex(JSON.stringify(identity.entry), /"d"/, 'the entry has no private part');
  t.not(
    (await Identity.at(join(folder, 'other.jwk'), 'backend')).entry.keys[0]?.kid,
    again.entry.keys[0]?.kid,
  );
});

test('programs that start at the same moment have one identity: a file under its name is always complete', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'worker-runtime-identity-'));
  t.teardown(() => rm(folder, { recursive: true }));
  const path = join(folder, 'signing.jwk');
  let isDone = false;
  const starting = Promise.all(Array.from({ length: 10 }, () => Identity.at(path, 'backend'))).finally(() => {
    isDone = true;
  });
  const seen = new Set<string>();
  while (!isDone) {
    if (existsSync(path)) seen.add(readFileSync(path, 'utf8'));
    await nextTurn();
  }
  const all = await starting;
  t.is(new Set(all.map(({ entry }) => entry.keys[0]?.kid)).size, 1);
  t.deepEqual([...seen], [await readFile(path, 'utf8')]);
  t.deepEqual(await readdir(folder), ['signing.jwk']);
});

test('a key file that is not one, or that others can read, is refused with what to do', async (t) => {
  const { folder, remove } = await makeKeys();
  t.teardown(remove);
  const path = join(folder, 'signing.jwk');
  const good = await readFile(path, 'utf8');
  const refused = async (message: RegExp): Promise<void> => {
    const error = await t.throwsAsync(Identity.at(path, 'backend'), { code: 'INVALID_REQUEST' });
    t.regex(error?.message ?? '', message);
    t.notRegex(error?.message ?? '', /canary/);
  };
  for (const [content, message] of [
    ['{ canary', /not valid JSON/],
    ['{}', /private JWK of the curve Ed25519/],
    [JSON.stringify({ ...JSON.parse(good), d: undefined }), /private JWK/],
    [JSON.stringify({ ...JSON.parse(good), d: 'AAAA' }), /not a valid private key/],
    ['x'.repeat(1_048_577), /is larger than/],
  ] as const) {
    await writeFile(path, content);
    await refused(message);
  }
  await writeFile(path, good);
  for (const mode of [0o640, 0o604]) {
    await chmod(path, mode);
    await refused(/chmod 600/);
  }
});

test('a token is used again for the same caller and runtime only', async (t) => {
  const { identity, remove } = await makeKeys();
  t.teardown(remove);
  const scope = { permissions: ['observe'], workers: '*', stamp: {} } as const;
  const token = await identity.sign('runtime_a', { name: 'ada', scope });
  t.is(await identity.sign('runtime_a', { name: 'ada', scope: { ...scope } }), token);
  t.not(await identity.sign('runtime_b', { name: 'ada', scope }), token);
  t.not(await identity.sign('runtime_a', { name: 'grace', scope }), token);
  t.not(await identity.sign('runtime_a', { name: 'ada', scope: { ...scope, workers: [{ a: 'b' }] } }), token);
});

test('P65: a token with an allowance is refused by a runtime of a version that does not know allowances', async (t) => {
  const { identity, remove } = await makeKeys();
  t.teardown(remove);
  const keys = createLocalJWKSet({ keys: [...identity.entry.keys] });
  // the verification of a runtime before there were allowances
  const verify = (token: string) =>
    jwtVerify(token, keys, {
      algorithms: ['EdDSA'],
      typ: 'wr+jwt',
      issuer: identity.issuer,
      audience: 'runtime_a',
      clockTolerance: 30,
      maxTokenAge: 120,
      requiredClaims: ['sub', 'exp', 'iat'],
    });
  const scope: Scope = { permissions: ['operate'], workers: '*', stamp: {} };
  const allowance = { engines: ['echo'], tools: '*', claims: '*' } as const;
  const signed = (one: Scope) =>
    identity.within({ team: 'a' }).sign('runtime_a', { name: 'ada', scope: one });
  t.is((await verify(await signed(scope))).payload.sub, 'ada');
  const limited = await signed({ ...scope, allowance });
  t.deepEqual(decodeJwt<Authority>(limited).scope.allowance, allowance);
  await t.throwsAsync(verify(limited), { code: 'ERR_JOSE_NOT_SUPPORTED' });
});

test('an identity within labels signs for the Workers with these labels only, and stamps them', async (t) => {
  const { identity, remove } = await makeKeys();
  t.teardown(remove);
  const scopeOf = async (one: Identity, workers: Scope['workers']) => {
    const scope: Scope = { permissions: ['operate'], workers, stamp: { owner: 'ada' } };
    const { scope: signed } = decodeJwt<Authority>(await one.sign('runtime_x', { name: 'ada', scope }));
    return [signed.workers, signed.stamp];
  };
  const acme = identity.within({ workspace: 'acme' });
  const stamp = { owner: 'ada', workspace: 'acme' };
  t.deepEqual(acme.entry, identity.entry);
  t.deepEqual(await scopeOf(identity, '*'), ['*', { owner: 'ada' }]);
  t.deepEqual(await scopeOf(acme, '*'), [[{ workspace: 'acme' }], stamp]);
  t.deepEqual(await scopeOf(acme, []), [[], stamp]);
  t.deepEqual(
    await scopeOf(acme, [{ team: 'a' }, { workspace: 'other' }, { workspace: 'acme', team: 'b' }]),
    [
      [
        { team: 'a', workspace: 'acme' },
        { workspace: 'acme', team: 'b' },
      ],
      stamp,
    ],
  );
  t.deepEqual(await scopeOf(acme.within({ tier: '1' }), '*'), [
    [{ workspace: 'acme', tier: '1' }],
    { ...stamp, tier: '1' },
  ]);
});

test('P108: the label of a part of the Workers may have any name', async (t) => {
  const { identity, remove } = await makeKeys();
  t.teardown(remove);
  for (const name of ['constructor', '__proto__']) {
    const part = Object.fromEntries([[name, 'a']]);
    const scope: Scope = { permissions: ['operate'], workers: [{ team: 'blue' }], stamp: {} };
    const token = await identity.within(part).sign('runtime_x', { name: 'ada', scope });
    const signed = decodeJwt<Authority>(token).scope;
    t.deepEqual(signed.workers === '*' || signed.workers.map((selector) => Object.entries(selector)), [
      [
        ['team', 'blue'],
        [name, 'a'],
      ],
    ]);
  }
});
