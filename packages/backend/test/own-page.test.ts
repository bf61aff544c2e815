/** The requests that a hostile page can make a browser send. */
import { request as httpRequest } from 'node:http';
import { text as textOf } from 'node:stream/consumers';
import test from 'ava';
import { Browser, makeFolder, start } from './scene.ts';

interface Sent {
  readonly status: number;
  readonly text: string;
}

/** Sends exactly these headers; `fetch` would not let a test choose Host, Origin or Sec-Fetch-Site. */
const sendRaw = (
  url: string,
  method: string,
  headers: Readonly<Record<string, string>>,
  body: string,
): Promise<Sent> =>
  new Promise((resolve, reject) => {
    const request = httpRequest(url, { method, headers });
    request.on('response', (answer) => {
      const sent = textOf(answer).then((text) => ({ status: answer.statusCode ?? 0, text }));
      sent.then(resolve, reject);
    });
    request.on('upgrade', (answer, socket) => {
      socket.destroy();
      resolve({ status: answer.statusCode ?? 0, text: '' });
    });
    request.on('error', reject);
    request.end(body);
  });

const UPGRADE = {
  connection: 'Upgrade',
  upgrade: 'websocket',
  'sec-websocket-version': '13',
  'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==',
  'sec-websocket-protocol': 'worker-runtime.v1',
};

test('P33: with a cookie only our own page commands or reads: Host, Origin, Sec-Fetch-Site, content type, method, upgrade', async (t) => {
  const backend = await start(t, await makeFolder(t));
  const browser = await Browser.login(backend);
  await browser.send('/v1/runtimes/self/workers', 'POST', { engine: 'parrot', workerId: 'canary' });
  const { host, port } = new URL(backend.url);
  const own = backend.url;
  const hosts = { own: host, localhost: `localhost:${port}`, rebound: `evil.example:${port}` };
  const origins = {
    none: undefined,
    own,
    foreign: 'https://evil.example',
    port: 'http://127.0.0.1:1',
    null: 'null',
  };
  const sites = {
    none: undefined,
    typed: 'none',
    same: 'same-origin',
    site: 'same-site',
    cross: 'cross-site',
  };
  const requests = {
    read: ['GET', '/v1/runtimes/self/workers', ''],
    create: ['POST', '/v1/runtimes/self/workers', '{"engine":"parrot"}'],
    empty: ['POST', '/v1/runtimes/self/workers/canary/stop', ''],
    remove: ['DELETE', '/v1/runtimes/self/workers/nobody', ''],
    logout: ['DELETE', '/v1/nothing', ''],
    token: ['POST', '/v1/tokens', '{"name":"x","permission":"admin"}'],
    socket: ['GET', '/v1/runtimes/self/stream', ''],
  } as const;
  let count = 0;
  for (const [hostName, hostHeader] of Object.entries(hosts))
    for (const [originName, origin] of Object.entries(origins))
      for (const [siteName, site] of Object.entries(sites))
        for (const [name, [method, path, body]] of Object.entries(requests))
          for (const type of body === ''
            ? [undefined]
            : ['application/json', 'text/plain', 'application/x-www-form-urlencoded']) {
            const label = [hostName, originName, siteName, name, type].join(' ');
            const before = (await backend.runtime().listWorkers()).items;
            const answer = await sendRaw(
              own + path,
              method,
              {
                ...(name === 'socket' && UPGRADE),
                host: hostHeader,
                cookie: browser.cookie,
                ...(origin !== undefined && { origin }),
                ...(site !== undefined && { 'sec-fetch-site': site }),
                ...(type !== undefined && { 'content-type': type }),
              },
              body,
            );
            count += 1;
            const isOwnHost = hostName !== 'rebound';
            const isOwnOrigin = originName === 'none' || (originName === 'own' && hostName === 'own');
            const isForeignSite = siteName === 'site' || siteName === 'cross';
            const isKnownPage = originName === 'own' || siteName === 'same';
            const isAllowed = isOwnHost && isOwnOrigin && !isForeignSite && (name === 'read' || isKnownPage);
            if (!isAllowed) {
              // a wrong content type may be what is refused first
              t.true(answer.status === 403 || (answer.status === 415 && type !== 'application/json'), label);
              t.false(answer.text.includes('canary'), label);
              t.deepEqual((await backend.runtime().listWorkers()).items, before, label);
            } else if (type !== undefined && type !== 'application/json') {
              t.is(answer.status, 415, label);
              t.deepEqual((await backend.runtime().listWorkers()).items, before, label);
            } else {
              t.not(answer.status, 403, `${label}: ${answer.text}`);
              t.not(answer.status, 401, label);
            }
          }
  t.true(count > 500);
});

test('P33: with TLS in front, a page of the same name without TLS is not our own page', async (t) => {
  const backend = await start(t, await makeFolder(t), {
    listen: { port: 0, publicUrl: 'https://agents.example' },
  });
  // the cookie is that of a browser, which holds it for the public address
  const { cookie } = await Browser.login(backend);
  const send = async (origin: string, headers: Readonly<Record<string, string>> = {}) => {
    const sent = { host: 'agents.example', cookie, origin, ...headers };
    const method = 'upgrade' in headers ? 'GET' : 'POST';
    const path = method === 'GET' ? '/v1/runtimes/self/stream' : '/v1/runtimes/self/workers/none/stop';
    return (await sendRaw(backend.url + path, method, sent, '')).status;
  };
  t.deepEqual([await send('https://agents.example'), await send('http://agents.example')], [404, 403]);
  t.deepEqual(
    [await send('https://agents.example', UPGRADE), await send('http://agents.example', UPGRADE)],
    [101, 403],
  );
});

test('P33: a login from a foreign page is refused, and a token in a header needs no Origin', async (t) => {
  const backend = await start(t, await makeFolder(t));
  const body = JSON.stringify({ code: backend.link({ name: 'ada', groups: [] }).split('#')[1] });
  const login = (headers: Readonly<Record<string, string>>) =>
    sendRaw(`${backend.url}/v1/session`, 'POST', headers, body);
  t.is((await login({ 'content-type': 'application/json', origin: 'https://evil.example' })).status, 403);
  t.is((await login({ 'content-type': 'text/plain' })).status, 415);
  t.is((await login({ 'content-type': 'application/json', origin: backend.url })).status, 201);
  const token = await (await Browser.login(backend)).token();
  const command = (headers: Readonly<Record<string, string>>) =>
    sendRaw(
      `${backend.url}/v1/runtimes/self/workers`,
      'POST',
      { 'content-type': 'application/json', ...headers },
      '{"engine":"parrot"}',
    );
  t.is((await command({ authorization: `Bearer ${token}` })).status, 201);
  // the secret of one kind is no secret of the other
  t.is((await command({ cookie: `wr=${token}`, origin: backend.url })).status, 401);
  const session = (await Browser.login(backend)).cookie.split('=')[1];
  t.is((await command({ authorization: `Bearer ${session}` })).status, 401);
});
