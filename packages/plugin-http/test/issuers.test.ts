/** Signed tokens of issuers, and every way in which one is not valid. */
import { createHash } from 'node:crypto';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Runtime } from '@worker-runtime/core';
import { EVERYTHING } from '@worker-runtime/core/scope';
import test, { type ExecutionContext } from 'ava';
import { exportJWK, generateKeyPair, type JWK, SignJWT } from 'jose';
import { http } from '../src/index.ts';
import { isProblem, type ServeOptions, serve } from './served.ts';
import { SseClient } from './sse-client.ts';

interface Key {
  readonly kid: string;
  readonly publicJwk: JWK;
  readonly privateJwk: JWK;
  readonly sign: CryptoSigner;
}
type CryptoSigner = Parameters<SignJWT['sign']>[0];

const keyOf = async (kid: string, alg = 'EdDSA'): Promise<Key> => {
  const { publicKey, privateKey } = await generateKeyPair(alg, { extractable: true });
  return {
    kid,
    publicJwk: { ...(await exportJWK(publicKey)), kid },
    privateJwk: { ...(await exportJWK(privateKey)), kid },
    sign: privateKey,
  };
};

const folderOf = async (t: ExecutionContext): Promise<string> => {
  const folder = await mkdtemp(join(tmpdir(), 'issuers-'));
  t.teardown(() => rm(folder, { recursive: true }));
  return folder;
};

const ALL = { permissions: ['admin'], workers: '*', stamp: {} } as const;

const scene = async (t: ExecutionContext, issuers: readonly unknown[], options: ServeOptions = {}) => {
  const issuerFile = join(await folderOf(t), 'issuers.json');
  await writeFile(issuerFile, JSON.stringify(issuers));
  const served = await serve(t, { ...options, http: { ...options.http, issuerFile } });
  const { runtimeId } = served.runtime;
  const now = Math.floor(Date.now() / 1_000);
  const claims = {
    iss: 'backend',
    aud: runtimeId,
    sub: 'ada@example.org',
    iat: now,
    exp: now + 60,
    streamExp: now + 3_600,
    scope: ALL,
  };
  const token = (key: Key, changes: object = {}, header: object = {}): Promise<string> =>
    new SignJWT({ ...claims, ...changes })
      .setProtectedHeader({ alg: 'EdDSA', typ: 'wr+jwt', kid: key.kid, ...header })
      .sign(key.sign);
  /** A token with a header that its receiver must know. */
  const critical = (key: Key, name: string, changes: object = {}): Promise<string> =>
    new SignJWT({ ...claims, ...changes })
      .setProtectedHeader({ alg: 'EdDSA', typ: 'wr+jwt', kid: key.kid, crit: [name], [name]: true })
      .sign(key.sign, { crit: { [name]: true } });
  const ask = (bearer: string, path = 'workers', method = 'GET') =>
    served.call(path, { method, headers: { authorization: `Bearer ${bearer}` } });
  return { served, issuerFile, claims, now, token, critical, ask };
};

test('a signed token is valid for its runtime, with its scope, until its end', async (t) => {
  const key = await keyOf('k1');
  const { served, token, ask } = await scene(t, [
    { issuer: 'backend', keys: [key.publicJwk], permission: 'admin' },
  ]);
  await served.runtime.createWorker({ engine: 'puppet', workerId: 'own', labels: { team: 'blue' } });
  await served.runtime.createWorker({ engine: 'puppet', workerId: 'foreign' });
  t.is((await ask(await token(key))).body.items.length, 2);
  const scope = { permissions: ['operate'], workers: [{ team: 'blue' }], stamp: {} };
  const scopedToken = await token(key, { scope });
  for (const round of [1, 2]) t.is((await ask(scopedToken)).body.items.length, 1, `round ${round}`);
  t.is((await ask(scopedToken, 'workers/foreign')).status, 404);
  isProblem(t, await ask(scopedToken, 'workers/own', 'DELETE'), 403, 'FORBIDDEN');
  t.true(served.log.some(({ fields }) => fields.caller === 'ada@example.org'));
  t.is((await served.call('workers')).status, 401);
});

test('a signed token that is not valid here and now is refused, and the answer says why', async (t) => {
  const [key, other, rsa] = await Promise.all([keyOf('k1'), keyOf('k1'), keyOf('k1', 'RS256')]);
  const { now, token, critical, ask } = await scene(t, [
    { issuer: 'backend', keys: [key.publicJwk], permission: 'admin' },
  ]);
  const unsigned = (await token(key)).split('.').slice(0, 2).join('.');
  const none = Buffer.from('{"alg":"none","typ":"wr+jwt","kid":"k1"}').toString('base64url');
  const cases: readonly (readonly [string, string, RegExp])[] = [
    ['another key', await token(other), /not valid/],
    ['another algorithm', await token(rsa, {}, { alg: 'RS256' }), /not valid/],
    ['no signature', `${none}.${unsigned.split('.')[1]}.`, /not valid/],
    [
      'a changed scope',
      (await token(key, { scope: { ...ALL, permissions: ['observe'] } })).replace(
        /\.[^.]+\./,
        `.${(await token(key)).split('.')[1]}.`,
      ),
      /not valid/,
    ],
    ['an unknown issuer', await token(key, { iss: 'other' }), /issuer/],
    ['no issuer', await token(key, { iss: undefined }), /issuer/],
    ['an issuer named like a property', await token(key, { iss: '__proto__' }), /issuer/],
    ['an unknown key', await token(key, {}, { kid: 'k2' }), /key/],
    ['another type', await token(key, {}, { typ: 'JWT' }), /not valid/],
    ['another runtime', await token(key, { aud: 'runtime_00000000000000000000000000' }), /another runtime/],
    ['several runtimes', await token(key, { aud: ['self', 'x'] }), /another runtime/],
    ['an end in the past', await token(key, { iat: now - 100, exp: now - 40 }), /expired.*clocks/],
    ['a clock ahead', await token(key, { iat: now + 600, exp: now + 660 }), /future.*clocks/],
    ['a clock behind', await token(key, { iat: now - 600, exp: now + 60 }), /expired.*clocks/],
    ['no end', await token(key, { exp: undefined }), /not valid/],
    ['no caller', await token(key, { sub: undefined }), /not valid/],
    ['a caller with a line break', await token(key, { sub: 'ada\nadmin' }), /scope/],
    ['no scope', await token(key, { scope: undefined }), /scope/],
    ['an empty selector', await token(key, { scope: { ...ALL, workers: [{}] } }), /scope/],
    ['an unknown permission', await token(key, { scope: { ...ALL, permissions: ['root'] } }), /scope/],
    ['a stamp that is no label', await token(key, { scope: { ...ALL, stamp: { team: 1 } } }), /scope/],
    ['an unknown restriction', await token(key, { scope: { ...ALL, budget: 1 } }), /scope.*this version/],
    ['a part of an allowance', await token(key, { scope: { ...ALL, allowance: { tools: [] } } }), /scope/],
    [
      'an allowance with more',
      await token(key, { scope: { ...ALL, allowance: { ...EVERYTHING, hosts: [] } } }),
      /scope/,
    ],
    [
      'an allowance of no resource',
      await token(key, { scope: { ...ALL, allowance: { ...EVERYTHING, claims: ['/srv'] } } }),
      /scope/,
    ],
    ['a critical header of a later version', await critical(key, 'wr-later'), /upgrade/],
    ['no end of streams', await token(key, { streamExp: undefined }), /scope/],
    ['no JWT', 'a.b.c', /not valid/],
  ];
  for (const [what, bearer, detail] of cases) {
    const answer = await ask(bearer);
    t.is(answer.status, 401, what);
    isProblem(t, answer, 401, 'UNAUTHENTICATED');
    t.regex(answer.body.detail, detail, what);
  }
});

test('an issuer cannot permit more than the file gives to it', async (t) => {
  const key = await keyOf('k1');
  const { token, ask } = await scene(t, [
    { issuer: 'backend', keys: [key.publicJwk], permission: ['operate', 'answer'] },
  ]);
  const admin = await token(key);
  t.is((await ask(admin)).status, 200);
  isProblem(t, await ask(admin, 'workers/none', 'DELETE'), 403, 'FORBIDDEN');
  t.is((await ask(await token(key, { scope: { ...ALL, permissions: ['observe'] } }))).status, 200);
});

test('two keys of an issuer are valid during a rotation, and static tokens beside it', async (t) => {
  const [first, second] = await Promise.all([keyOf('k1'), keyOf('k2')]);
  const sha256 = createHash('sha256').update('static').digest('hex');
  const { token, ask } = await scene(
    t,
    [{ issuer: 'backend', keys: [first.publicJwk, second.publicJwk], permission: 'admin' }],
    { http: { tokens: [{ name: 'static', sha256, permission: 'observe' }] } },
  );
  for (const key of [first, second]) t.is((await ask(await token(key))).status, 200);
  t.is((await ask(await token(first, {}, { kid: 'k2' }))).status, 401);
  t.is((await ask('static')).status, 200);
  t.is((await ask('unknown')).status, 401);
});

test('a stream lasts until the end that its token gives to streams, at most an hour', async (t) => {
  const key = await keyOf('k1');
  const { served, now, token } = await scene(t, [
    { issuer: 'backend', keys: [key.publicJwk], permission: 'admin' },
  ]);
  await served.runtime.createWorker({ engine: 'puppet', workerId: 'ada' });
  const open = async (changes: object) =>
    SseClient.open(served.url('workers/ada/events'), {
      authorization: `Bearer ${await token(key, changes)}`,
    });
  const brief = await open({ streamExp: now + 5 });
  const frames = await brief.until(({ event }) => event === 'closing');
  t.is(frames.at(-1)?.data.reason, 'AUTHORITY_EXPIRED');
  // it resumes after its cursor with the next token
  const cursor = frames.findLast(({ id }) => id !== null)?.id as string;
  const resumed = await SseClient.open(served.url('workers/ada/events'), {
    authorization: `Bearer ${await token(key)}`,
    'last-event-id': cursor,
  });
  await served.runtime.updateWorker('ada', { displayName: 'Ada' });
  const next = await resumed.until(({ data }) => data.type === 'worker.updated');
  t.true(next.every(({ data }) => data.type !== 'worker.created'));
  resumed.close();
});

test('an issuer file that is invalid, or that others can change, fails the start', async (t) => {
  const key = await keyOf('k1');
  const rsa = await keyOf('k1', 'RS256');
  const file = join(await folderOf(t), 'issuers.json');
  const refused = async (message: RegExp): Promise<void> => {
    const error = await t.throwsAsync(Runtime.start({ plugins: [http({ port: 0, issuerFile: file })] }), {
      code: 'INVALID_REQUEST',
    });
    t.regex(error?.message ?? '', message);
  };
  await refused(/cannot be opened \(ENOENT\)/);
  const issuer = { issuer: 'backend', keys: [key.publicJwk], permission: 'admin' };
  for (const [content, message] of [
    ['{', /not valid JSON/],
    ['[]', /must be a list/],
    ['[1]', /at \/0: must be an object/],
    [JSON.stringify([{ ...issuer, key: 1 }]), /at \/0: has a field/],
    [JSON.stringify([{ ...issuer, issuer: '' }]), /at \/0: issuer/],
    [JSON.stringify([{ ...issuer, permission: 'root' }]), /at \/0: permission/],
    [JSON.stringify([{ ...issuer, keys: [] }]), /at \/0: keys/],
    [JSON.stringify([{ ...issuer, keys: [key.privateJwk] }]), /private key/],
    [JSON.stringify([{ ...issuer, keys: [rsa.publicJwk] }]), /Ed25519/],
    [JSON.stringify([{ ...issuer, keys: [{ ...key.publicJwk, x: 'AAAA' }] }]), /not a valid public key/],
    [JSON.stringify([{ ...issuer, keys: [key.publicJwk, key.publicJwk] }]), /same kid/],
    [JSON.stringify([issuer, issuer]), /same name/],
  ] as const) {
    await writeFile(file, content);
    await refused(message);
  }
  await writeFile(file, JSON.stringify([issuer]));
  await chmod(file, 0o666);
  await refused(/can be changed by users other.*chmod 644/);
});

test('P72: issuers are read again: a new key is added, and what an issuer without its old key has opened ends', async (t) => {
  const [old, next] = [await keyOf('k1'), await keyOf('k2')];
  const issuer = (...keys: readonly Key[]) => [
    { issuer: 'backend', keys: keys.map(({ publicJwk }) => publicJwk), permission: 'admin' },
  ];
  const { served, issuerFile, token, ask } = await scene(t, issuer(old));
  await served.runtime.createWorker({ engine: 'puppet', workerId: 'ada' });
  const replace = async (content: unknown): Promise<void> => {
    await writeFile(issuerFile, JSON.stringify(content));
    await served.web.reload();
  };
  const [oldToken, nextToken] = [await token(old), await token(next)];
  const stream = await fetch(served.url('workers/ada/events'), {
    headers: { authorization: `Bearer ${oldToken}`, accept: 'text/event-stream' },
  });
  t.is((await ask(nextToken)).status, 401);
  await replace(issuer(old, next));
  t.deepEqual([(await ask(oldToken)).status, (await ask(nextToken)).status], [200, 200]);
  await replace([{ issuer: 'backend', keys: [], permission: 'admin' }]);
  t.true(
    served.log.some(
      ({ message, fields }) => /issuers are unchanged/.test(message) && fields.file === issuerFile,
    ),
  );
  t.deepEqual([(await ask(oldToken)).status, (await ask(nextToken)).status], [200, 200]);
  await replace(issuer(next));
  const frames = await stream.text();
  t.is(frames.match(/event: closing/g)?.length, 1);
  t.regex(frames, /AUTHORITY_EXPIRED/);
  t.deepEqual([(await ask(oldToken)).status, (await ask(nextToken)).status], [401, 200]);
});
