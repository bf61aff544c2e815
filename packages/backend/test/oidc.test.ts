/** Logins with an identity provider. */
import { chmod, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import type { Backend, BackendConfig, Policy } from '../src/index.ts';
import { Provider } from './provider.ts';
import { type Answer, Browser, keptLog, makeFolder, send, start } from './scene.ts';

const policy: Policy = ({ groups }) =>
  groups.includes('team-a') ? { permissions: ['operate'], workers: '*', runtimes: '*' } : null;

const startBoth = async (t: ExecutionContext, oidc: object = {}, config: BackendConfig = {}) => {
  const provider = await Provider.start(t);
  const folder = await makeFolder(t);
  await writeFile(join(folder, 'secret'), `${provider.clientSecret}\n`, { mode: 0o600 });
  const { log, lines } = keptLog();
  const backend = await start(
    t,
    folder,
    {
      policy,
      oidc: { issuer: provider.issuer, clientId: provider.clientId, clientSecretFile: 'secret', ...oidc },
      ...config,
    },
    { log },
  );
  return { provider, backend, folder, lines };
};

const cookieOf = ({ headers }: Answer, name: string): string =>
  headers
    .getSetCookie()
    .map((one) => one.split(';')[0] ?? '')
    .find((one) => one.startsWith(name) && !one.endsWith('=')) ?? '';

const begin = async (backend: Backend) => {
  const answer = await send(`${backend.url}/v1/login`, 'POST', {}, { origin: backend.url });
  return { answer, url: String(answer.body.url), cookie: cookieOf(answer, 'wr-login-') };
};

const finish = (backend: Backend, answer: string, cookie: string): Promise<Answer> =>
  send(`${backend.url}/v1/session`, 'POST', { answer }, { origin: backend.url, cookie });

/** A whole login in one browser. */
const login = async (backend: Backend, provider: Provider): Promise<Answer> => {
  const { url, cookie } = await begin(backend);
  return finish(backend, await provider.visit(url), cookie);
};

test('a person logs in with the identity provider, whose groups decide what the person may do', async (t) => {
  const { provider, backend } = await startBoth(t);
  const { url, cookie, answer } = await begin(backend);
  t.regex(
    answer.headers.get('set-cookie') ?? '',
    /^wr-login-[\w-]{8}=[\w-]{43}; Max-Age=600; Path=\/; HttpOnly; SameSite=Lax$/,
  );
  const { searchParams } = new URL(url);
  t.is(searchParams.get('redirect_uri'), `${backend.url}/login`);
  t.is(searchParams.get('code_challenge_method'), 'S256');
  t.is(searchParams.get('scope'), 'openid email profile');
  // nothing in the address leads to the secret of the browser
  t.false(url.includes(cookie.split('=')[1] ?? ''));
  const session = await finish(backend, await provider.visit(url), cookie);
  t.is(session.status, 201, session.text);
  t.deepEqual([session.body.name, session.body.groups], ['ada@example.com', ['team-a']]);
  // the groups are read again within a day
  t.true(Date.parse(session.body.expiresAt) - Date.now() <= 12 * 3_600_000);
  t.true(
    session.headers.getSetCookie().some((one) => one.startsWith('wr-login-') && one.includes('Max-Age=0')),
  );
  const ada = new Browser(backend.url, cookieOf(session, 'wr='));
  t.is((await ada.send('/v1/runtimes/self/workers', 'POST', { engine: 'parrot' })).status, 201);
  provider.claims = { ...provider.claims, email: 'eve@example.com', groups: ['team-b', 'operators'] };
  const other = await login(backend, provider);
  // the group of those who start the backend is none of the provider
  t.deepEqual(other.body.groups, ['team-b']);
  const eve = new Browser(backend.url, cookieOf(other, 'wr='));
  t.is((await eve.send('/v1/backend')).body.code, 'ROUTE_NOT_FOUND');
});

test('P57: tokens that are expired, forged, or for another client, issuer or login are refused', async (t) => {
  const { provider, backend, lines } = await startBoth(t);
  const now = Math.floor(Date.now() / 1_000);
  const tokens: readonly (readonly [object, RegExp])[] = [
    [{ exp: now - 3_600, iat: now - 7_200 }, /exp/],
    [{ aud: 'another-client' }, /aud/],
    [{ iss: 'https://evil.example' }, /iss/],
    [{ nonce: 'of-another-login' }, /nonce/],
    [{ nonce: undefined }, /nonce/],
    [{ sub: undefined }, /sub/],
  ];
  for (const [wrong, reason] of tokens) {
    provider.wrong = wrong as Readonly<Record<string, unknown>>;
    const before = lines.length;
    const { status, body, headers } = await login(backend, provider);
    t.deepEqual([status, body.code], [401, 'UNAUTHENTICATED'], JSON.stringify(wrong));
    t.is(headers.get('set-cookie'), null);
    t.regex(lines.slice(before).join('\n'), reason);
  }
  provider.wrong = {};
  provider.isForged = true;
  t.is((await login(backend, provider)).body.code, 'UNAUTHENTICATED');
  provider.isForged = false;
  t.is((await login(backend, provider)).status, 201);
});

test('P57: a token that anyone could sign is refused, also if the provider offers that', async (t) => {
  const { provider, backend } = await startBoth(t);
  for (const signedBy of ['none', 'HS256'] as const) {
    provider.signedBy = signedBy;
    t.is((await login(backend, provider)).body.code, 'UNAUTHENTICATED', signedBy);
  }
  provider.signedBy = null;
  t.is((await login(backend, provider)).status, 201);
});

test('P57: an answer is used once, by the browser that began the login', async (t) => {
  const { provider, backend } = await startBoth(t);
  const [ada, eve] = [await begin(backend), await begin(backend)];
  const answer = await provider.visit(ada.url);
  const refused = async (query: string, cookie: string) => {
    const { body } = await finish(backend, query, cookie);
    t.is(body.code, 'UNAUTHENTICATED', query);
  };
  await refused(answer, '');
  // the cookie of another login, also under the name of this one
  await refused(answer, eve.cookie);
  await refused(answer, `${ada.cookie.split('=')[0]}=${eve.cookie.split('=')[1]}`);
  await refused('', ada.cookie);
  await refused('?state=x&code=y', ada.cookie);
  t.is((await finish(backend, answer, ada.cookie)).status, 201);
  // the same state again, also with a code that was never used
  await refused(answer, ada.cookie);
  const fresh = new URLSearchParams(await provider.visit(ada.url));
  await refused(`?${fresh.toString()}`, ada.cookie);
  // two tabs may log in at the same time
  t.is((await finish(backend, await provider.visit(eve.url), `${ada.cookie}; ${eve.cookie}`)).status, 201);
});

test('ten failed answers within a minute are the limit of an address', async (t) => {
  const { backend } = await startBoth(t);
  for (let failed = 0; failed < 10; failed++) t.is((await finish(backend, '?code=x', '')).status, 401);
  t.is((await finish(backend, '?code=x', '')).body.code, 'LIMIT_REACHED');
});

test('P94: failed answers that arrive at once count as those that arrive one after the other', async (t) => {
  const { provider, backend } = await startBoth(t);
  const begun = await Promise.all(Array.from({ length: 25 }, () => begin(backend)));
  const answers = await Promise.all(
    begun.map(({ url, cookie }) => {
      const state = new URL(url).searchParams.get('state');
      return finish(backend, `?code=guessed&state=${state}`, cookie);
    }),
  );
  const count = (code: string): number => answers.filter(({ body }) => body.code === code).length;
  t.deepEqual([count('UNAUTHENTICATED'), count('LIMIT_REACHED')], [10, 15]);
  t.is(provider.requests.get('/token'), 10);
});

test('P93: an answer of the provider that does not end, or grows when it is unpacked, ends the login and not the backend', async (t) => {
  const { provider, backend, lines } = await startBoth(t, { timeoutMs: 30_000 });
  provider.claims = { sub: 'u-2' };
  provider.userInfo = { email: 'bea@example.com', email_verified: true, groups: ['team-a'] };
  for (const path of ['/.well-known/openid-configuration', '/token', '/person', '/keys'])
    for (const isPacked of [false, true]) {
      const { url, cookie } = await begin(backend);
      const query = await provider.visit(url);
      provider.flood = { path, isPacked };
      const { body } = await finish(backend, query, cookie);
      t.deepEqual([body.code, body.retryable], ['LOGIN_UNAVAILABLE', true], `${path} ${isPacked}`);
      await provider.floodEnded;
      // a part of them is in the buffers of the system, and 256 MiB are few when they are packed
      t.true(isPacked || provider.flooded < 33_554_432, `${path}: ${provider.flooded}`);
      provider.flood = null;
      t.is((await login(backend, provider)).status, 201);
    }
  t.is(lines.filter((line) => line.includes('more than 1 MiB')).length, 8);
});

test('P57: the name of a person and its verification are of one person', async (t) => {
  const { provider, backend } = await startBoth(t);
  provider.claims = { sub: 'u-1', email: 'root@example.com' };
  provider.userInfo = { email: 'eve@example.com', email_verified: true, groups: ['team-a'] };
  t.is((await login(backend, provider)).body.code, 'FORBIDDEN');
  provider.userInfo = { ...provider.userInfo, email: 'root@example.com' };
  t.is((await login(backend, provider)).body.name, 'root@example.com');
});

test('P57: a provider that changes its key, refuses a person, or sends a short token', async (t) => {
  const { provider, backend } = await startBoth(t);
  t.is((await login(backend, provider)).status, 201);
  await provider.rotate();
  t.is((await login(backend, provider)).status, 201);
  provider.refusal = 'access_denied';
  const refused = await login(backend, provider);
  t.deepEqual([refused.status, refused.body.code], [401, 'UNAUTHENTICATED']);
  provider.refusal = null;
  provider.claims = { sub: 'u-2' };
  provider.userInfo = { email: 'bea@example.com', email_verified: true, groups: 'team-a' };
  const { body } = await login(backend, provider);
  t.deepEqual([body.name, body.groups], ['bea@example.com', ['team-a']]);
  // claims about another person do not count
  provider.userInfo = { ...provider.userInfo, sub: 'u-3' };
  t.is((await login(backend, provider)).body.code, 'UNAUTHENTICATED');
});

test('a name must be verified, and fit', async (t) => {
  const { provider, backend } = await startBoth(t);
  for (const claims of [
    { sub: 'u', email: 'ada@example.com' },
    { sub: 'u', email: 'ada@example.com', email_verified: false },
    { sub: 'u', email: 'ada\n@example.com', email_verified: true },
    { sub: 'u', email_verified: true },
    { sub: 'u', email: 'ada@example.com', email_verified: true, groups: [7] },
    { sub: 'u', email: 'ada@example.com', email_verified: true, groups: Array.from({ length: 201 }, String) },
  ]) {
    provider.claims = claims;
    const { body } = await login(backend, provider);
    t.is(body.code, 'FORBIDDEN', JSON.stringify(claims));
  }
});

test('other claims name a person and the groups', async (t) => {
  const { provider, backend } = await startBoth(t, {
    nameClaim: 'preferred_username',
    groupsClaim: 'roles',
    scopes: ['openid', 'roles'],
  });
  provider.claims = { sub: 'u', preferred_username: 'ada', roles: ['/acme/Team A'] };
  const { url, cookie } = await begin(backend);
  t.is(new URL(url).searchParams.get('scope'), 'openid roles');
  const { body } = await finish(backend, await provider.visit(url), cookie);
  t.deepEqual([body.name, body.groups], ['ada', ['/acme/Team A']]);
});

test('without its provider, a backend starts and serves links, tokens and sessions, and logins work when it is back', async (t) => {
  const provider = await Provider.start(t);
  provider.fail();
  const { log, lines } = keptLog();
  const folder = await makeFolder(t);
  await writeFile(join(folder, 'secret'), provider.clientSecret, { mode: 0o600 });
  const oidc = { issuer: provider.issuer, clientId: provider.clientId, clientSecretFile: 'secret' };
  const backend = await start(t, folder, { policy, oidc }, { log });
  const { answer } = await begin(backend);
  t.deepEqual([answer.status, answer.body.code, answer.body.retryable], [503, 'LOGIN_UNAVAILABLE', true]);
  t.true(lines.some((line) => line.startsWith('warn the identity provider cannot be used')));
  const bea = await Browser.login(backend, { name: 'bea', groups: ['team-a'] });
  t.is((await bea.send('/v1/backend')).status, 200);
  provider.recover();
  t.is((await login(backend, provider)).status, 201);
  const { url, cookie } = await begin(backend);
  const query = await provider.visit(url);
  provider.fail();
  t.is((await finish(backend, query, cookie)).body.code, 'LOGIN_UNAVAILABLE');
  t.is((await bea.send('/v1/backend')).status, 200);
});

test('a provider that accepts and never answers ends a login in time, whichever answer is missing, and delays nothing else', async (t) => {
  const { provider, backend, lines } = await startBoth(t, { timeoutMs: 1_500 });
  provider.claims = { sub: 'u-2' };
  provider.userInfo = { email: 'bea@example.com', email_verified: true, groups: ['team-a'] };
  const ada = await Browser.login(backend, { name: 'ada', groups: ['team-a'] });
  const description = '/.well-known/openid-configuration';
  for (const path of [description, '/token', '/person', '/keys'])
    for (const hasHead of [false, true]) {
      const { url, cookie } = await begin(backend);
      const query = await provider.visit(url);
      provider.silentAt = { path, hasHead };
      const finishing = finish(backend, query, cookie);
      t.is((await ada.send('/v1/backend')).status, 200);
      const { status, body } = await finishing;
      t.deepEqual(
        [status, body.code, body.retryable],
        [503, 'LOGIN_UNAVAILABLE', true],
        `${path} ${hasHead}`,
      );
      provider.silentAt = null;
      t.is((await login(backend, provider)).status, 201);
    }
  t.true(lines.some((line) => line.startsWith('warn') && line.includes('OAUTH_TIMEOUT')));
  // a backend that starts in the meantime does not wait for it
  provider.silentAt = { path: description, hasHead: false };
  const second = await start(t, await makeFolder(t), {
    policy,
    oidc: { issuer: provider.issuer, clientId: 'public', timeoutMs: 60_000 },
  });
  t.is((await send(`${second.url}/readyz`)).status, 200);
});

test('a provider that refuses the backend is a fault of the backend, which its log names', async (t) => {
  const { provider, backend, folder, lines } = await startBoth(t);
  await writeFile(join(folder, 'secret'), 'an old secret');
  await backend.stop();
  const oidc = { issuer: provider.issuer, clientId: provider.clientId, clientSecretFile: 'secret' };
  const { log, lines: later } = keptLog();
  const second = await start(t, folder, { policy, oidc }, { log });
  t.is((await login(second, provider)).body.code, 'LOGIN_UNAVAILABLE');
  t.true(later.some((line) => line.includes('a login with the identity provider failed')));
  for (const line of [...lines, ...later]) t.false(line.includes('an old secret') || line.includes('canary'));
});

test('without a provider, a login by one is refused; the page offers what there is', async (t) => {
  const plain = await start(t, await makeFolder(t));
  t.is((await begin(plain)).answer.body.code, 'OPERATION_UNSUPPORTED');
  t.is((await finish(plain, '?state=x', '')).body.code, 'OPERATION_UNSUPPORTED');
  t.false((await send(`${plain.url}/login`)).text.includes('<button>'));
  const { backend } = await startBoth(t, { name: 'Acme & <Sons>' });
  // a provider adds parameters of its own
  const page = await send(`${backend.url}/login?code=x&state=y&anything=else`);
  t.is(page.status, 200);
  t.true(page.text.includes('Log in with Acme &#38; &#60;Sons&#62;'));
});

test('a wrong configuration is refused by name', async (t) => {
  const folder = await makeFolder(t);
  await writeFile(join(folder, 'secret'), 'x', { mode: 0o600 });
  await writeFile(join(folder, 'empty'), ' \n', { mode: 0o600 });
  await writeFile(join(folder, 'open'), 'x');
  await chmod(join(folder, 'open'), 0o644);
  const good = { issuer: 'https://login.example', clientId: 'x' };
  for (const [oidc, message] of [
    [{ clientId: 'x' }, /oidc\.issuer is missing/],
    [{ ...good, issuer: 'login.example' }, /oidc\.issuer must be an address/],
    [{ ...good, issuer: 'http://login.example' }, /oidc\.issuer must begin with https/],
    [{ ...good, issuer: 'https://login.example?x' }, /oidc\.issuer must have no query/],
    [{ issuer: good.issuer }, /oidc\.clientId is missing/],
    [{ ...good, clientSecret: 'x' }, /oidc\.clientSecret does not exist/],
    [{ ...good, clientSecretFile: 'nowhere' }, /oidc\.clientSecretFile cannot be opened \(ENOENT\)/],
    [{ ...good, clientSecretFile: 'empty' }, /oidc\.clientSecretFile is empty/],
    [
      { ...good, clientSecretFile: 'open' },
      /oidc\.clientSecretFile is accessible to users other than its owner: run chmod 600/,
    ],
    [{ ...good, scopes: ['email'] }, /oidc\.scopes must have "openid"/],
    [{ ...good, timeoutMs: 0 }, /oidc\.timeoutMs/],
    ['https://login.example', /options of oidc must be an object/],
  ] as const)
    await t.throwsAsync(start(t, folder, { oidc: oidc as never }), { message, code: 'INVALID_REQUEST' });
});

test('P106: a login uses the current secret of the client, and the last one while its file is not usable', async (t) => {
  const { provider, backend, folder, lines } = await startBoth(t);
  const path = join(folder, 'secret');
  await writeFile(path, '');
  t.is((await login(backend, provider)).status, 201);
  t.true(lines.some((line) => line.includes('stays in use')));
  await writeFile(path, provider.clientSecret);
  provider.clientSecret = 'next-canary-of-the-client';
  t.is((await login(backend, provider)).status, 503);
  await writeFile(path, provider.clientSecret);
  t.is((await login(backend, provider)).status, 201);
  t.false(lines.some((line) => line.includes('canary')));
});
