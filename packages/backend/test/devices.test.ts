/** Logins of programs on machines without a browser. */
import test, { type ExecutionContext } from 'ava';
import { DeviceLogins } from '../src/people/device-logins.ts';
import { Browser, makeFolder, OPERATOR, send, start } from './scene.ts';

const scene = async (t: ExecutionContext) => {
  const backend = await start(t, await makeFolder(t), {
    policy: ({ name }) => ({
      permissions: name === 'root' ? ['admin'] : ['observe'],
      workers: '*',
      runtimes: '*',
    }),
  });
  const at = `${backend.url}/v1/device-logins`;
  return {
    backend,
    begin: async (request: object = { name: 'laptop' }) => (await send(at, 'POST', request)).body,
    fetch: (deviceCode: unknown) => send(`${at}/token`, 'POST', { deviceCode }),
    as: (token: string) => ({ authorization: `Bearer ${token}` }),
  };
};

test('P58: a person sees the program behind a code and allows it: it gets a token of the person, once', async (t) => {
  const { backend, begin, fetch, as } = await scene(t);
  const root = await Browser.login(backend, OPERATOR);
  const begun = await begin({ name: 'laptop', permission: ['observe', 'operate'] });
  t.regex(begun.userCode, /^[BCDFGHJKLMNPQRSTVWXZ]{4}-[BCDFGHJKLMNPQRSTVWXZ]{4}$/);
  t.is(begun.url, `${backend.url}/device`);
  t.true(Date.parse(begun.expiresAt) - Date.now() <= 600_000);
  // the program waits, and the answer comes with the decision
  const waiting = fetch(begun.deviceCode);
  // people write codes as they like
  const typed = begun.userCode.toLowerCase().replace('-', ' ');
  const path = `/v1/device-logins/${encodeURIComponent(typed)}`;
  const shown = await root.send(path);
  t.deepEqual(shown.body, { name: 'laptop', permissions: ['observe', 'operate'], from: '127.0.0.1' });
  t.is((await root.send(path, 'POST', { allow: true })).status, 200);
  const { status, body } = await waiting;
  t.is(status, 201);
  t.deepEqual([body.name, body.permissions], ['laptop', ['observe', 'operate']]);
  t.true(Date.parse(body.expiresAt) - Date.now() <= 30 * 86_400_000);
  const { caller } = (await send(`${backend.url}/v1/backend`, 'GET', undefined, as(body.token))).body;
  t.deepEqual([caller.name, caller.permissions], ['root', ['observe', 'operate']]);
  // both codes are used
  t.is((await fetch(begun.deviceCode)).body.code, 'UNAUTHENTICATED');
  t.is((await root.send(path)).body.code, 'UNAUTHENTICATED');
  t.is((await root.send(path, 'POST', { allow: true })).body.code, 'UNAUTHENTICATED');
  t.is((await root.send('/v1/tokens')).body.items.length, 1);
  // a token can end itself
  t.is((await send(`${backend.url}/v1/session`, 'DELETE', undefined, as(body.token))).status, 204);
  t.is((await root.send('/v1/tokens')).body.items.length, 0);
});

test('P58: a program gets no more than its person may do, and nothing if the person refuses', async (t) => {
  const { backend, begin, fetch, as } = await scene(t);
  const eve = await Browser.login(backend, { name: 'eve', groups: [] });
  const begun = await begin();
  await eve.send(`/v1/device-logins/${begun.userCode}`, 'POST', { allow: true });
  const { body } = await fetch(begun.deviceCode);
  const { caller } = (await send(`${backend.url}/v1/backend`, 'GET', undefined, as(body.token))).body;
  t.deepEqual([caller.name, caller.permissions], ['eve', ['observe']]);
  const other = await begin();
  await eve.send(`/v1/device-logins/${other.userCode}`, 'POST', { allow: false });
  t.is((await fetch(other.deviceCode)).body.code, 'FORBIDDEN');
  t.is((await fetch(other.deviceCode)).body.code, 'UNAUTHENTICATED');
});

test('P58: only a session decides, from our own page; ten wrong codes within a minute are the limit of a person', async (t) => {
  const { backend, begin, as } = await scene(t);
  const root = await Browser.login(backend, OPERATOR);
  const eve = await Browser.login(backend, { name: 'eve', groups: [] });
  const { userCode, deviceCode } = await begin();
  const at = `${backend.url}/v1/device-logins/${userCode}`;
  const body = { allow: true };
  t.is((await send(at)).status, 401);
  t.is((await send(at, 'POST', body)).status, 401);
  t.is((await send(at, 'POST', body, as(await root.token()))).body.code, 'FORBIDDEN');
  t.is((await send(at, 'POST', body, { cookie: root.cookie })).body.code, 'FORBIDDEN');
  t.is((await send(at, 'POST', body, { ...root.headers, origin: 'https://evil.example' })).status, 403);
  // the secret code of the program is none for people
  t.is((await root.send(`/v1/device-logins/${deviceCode}`)).status, 401);
  for (let wrong = 0; wrong < 10; wrong++)
    t.is((await eve.send('/v1/device-logins/BCDF-GHJK')).body.code, 'UNAUTHENTICATED');
  t.is((await eve.send(`/v1/device-logins/${userCode}`, 'POST', body)).body.code, 'LIMIT_REACHED');
  t.is((await root.send(`/v1/device-logins/${userCode}`, 'POST', body)).status, 200);
});

test('wrong requests are refused by field, and an address begins 30 logins a minute', async (t) => {
  const { backend, begin, fetch } = await scene(t);
  for (const wrong of [
    {},
    { name: '' },
    { name: 'a\nb' },
    { name: 'x', permission: 'root' },
    { name: 'x', as: 'root' },
  ])
    t.is((await begin(wrong)).code, 'INVALID_REQUEST', JSON.stringify(wrong));
  t.is((await fetch(7)).body.code, 'INVALID_REQUEST');
  t.is((await fetch('x')).body.code, 'UNAUTHENTICATED');
  for (let begun = 0; begun < 30; begun++) t.truthy((await begin()).userCode);
  t.is((await begin()).code, 'LIMIT_REACHED');
  const page = await send(`${backend.url}/device`);
  t.regex(page.headers.get('content-security-policy') ?? '', /^default-src 'none'; script-src 'sha256-/);
});

test('P95: a stranger that begins a login makes the backend hold no more than its name', async (t) => {
  const { backend, begin } = await scene(t);
  const root = await Browser.login(backend, OPERATOR);
  const permission = Array.from({ length: 50_000 }, (_, at) => (at % 2 ? 'operate' : 'observe'));
  const { userCode } = await begin({ name: 'laptop', permission });
  const { body } = await root.send(`/v1/device-logins/${userCode}`);
  t.deepEqual(body.permissions, ['observe', 'operate']);
});

test('codes are random, 1,000 wait at a time, and a wait ends', async (t) => {
  const devices = new DeviceLogins();
  const request = { name: 'x', permissions: ['observe'], from: null } as const;
  const codes = Array.from({ length: 1_000 }, () => devices.begin(request));
  t.is(new Set(codes.map(({ userCode }) => userCode)).size, 1_000);
  t.is(new Set(codes.map(({ userCode }) => userCode.slice(0, 4))).size > 900, true);
  t.throws(() => devices.begin(request), { code: 'LIMIT_REACHED' });
  const [{ deviceCode } = { deviceCode: '' }] = codes;
  t.is(await devices.fetch(deviceCode, 10), null);
  // of two calls that wait with one code, the last one gets the decision
  const first = devices.fetch(deviceCode, 60_000);
  const second = devices.fetch(deviceCode, 60_000);
  t.is(await first, null);
  devices.decide(codes[0]?.userCode ?? '', OPERATOR);
  t.deepEqual((await second)?.person, OPERATOR);
});

test('a code that is too old is no code', async (t) => {
  const devices = new DeviceLogins(30);
  const { deviceCode, userCode } = devices.begin({ name: 'x', permissions: ['observe'], from: null });
  t.is(await devices.fetch(deviceCode, 60_000), null);
  t.throws(() => devices.decide(userCode, OPERATOR), { code: 'UNAUTHENTICATED' });
  await t.throwsAsync(devices.fetch(deviceCode, 0), { code: 'UNAUTHENTICATED' });
});
