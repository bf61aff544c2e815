/** Logins, sessions and API tokens. */
import { once } from 'node:events';
import { readdir, readFile, stat } from 'node:fs/promises';
import { Agent, type IncomingMessage, request } from 'node:http';
import { join } from 'node:path';
import test from 'ava';
import { Browser, keptLog, makeFolder, OPERATOR, send, start } from './scene.ts';

test('a one-time link logs in once, and keeps its code in the fragment', async (t) => {
  const backend = await start(t, await makeFolder(t));
  const link = backend.link(OPERATOR);
  t.regex(link, /^http:\/\/127\.0\.0\.1:\d+\/login#[\w-]{43}$/);
  const code = link.split('#')[1];
  const login = () => send(`${backend.url}/v1/session`, 'POST', { code });
  const first = await login();
  t.is(first.status, 201);
  t.regex(
    first.headers.get('set-cookie') ?? '',
    /^wr=session_[\w-]{43}; Max-Age=\d+; Path=\/; HttpOnly; SameSite=Lax$/,
  );
  t.deepEqual([first.body.name, first.body.groups], ['root', ['operators']]);
  const second = await login();
  t.is(second.body.code, 'UNAUTHENTICATED');
  t.is(second.headers.get('set-cookie'), null);
});

test('with TLS in front, the cookie is secure and bound to its host, and the link has the public address', async (t) => {
  const backend = await start(t, await makeFolder(t), {
    listen: { port: 0, publicUrl: 'https://agents.example' },
  });
  const link = backend.link(OPERATOR);
  t.true(link.startsWith('https://agents.example/login#'));
  const { headers } = await send(`${backend.url}/v1/session`, 'POST', { code: link.split('#')[1] });
  t.regex(
    headers.get('set-cookie') ?? '',
    /^__Host-wr=session_[\w-]{43}; .*Path=\/; HttpOnly; SameSite=Lax; Secure$/,
  );
});

test('the page of the login runs its own script only, and sends the fragment nowhere', async (t) => {
  const backend = await start(t, await makeFolder(t));
  const { text, headers } = await send(`${backend.url}/login`);
  t.regex(
    headers.get('content-security-policy') ?? '',
    /^default-src 'none'; script-src 'sha256-[\w+/=]{44}'; connect-src 'self'/,
  );
  t.is(headers.get('referrer-policy'), 'no-referrer');
  t.true(text.includes('location.hash'));
});

test('ten failed logins within a minute are the limit of an address', async (t) => {
  const backend = await start(t, await makeFolder(t));
  const attempt = (code: string) => send(`${backend.url}/v1/session`, 'POST', { code });
  for (let failed = 0; failed < 10; failed++) t.is((await attempt(`wrong-${failed}`)).status, 401);
  const refused = await attempt(backend.link(OPERATOR).split('#')[1] ?? '');
  t.is(refused.body.code, 'LIMIT_REACHED');
  t.truthy(refused.headers.get('retry-after'));
});

test('secrets are in no file and no log: the file has digests, and only its owner can read it', async (t) => {
  const folder = await makeFolder(t);
  const { log, lines } = keptLog();
  const backend = await start(t, folder, {}, { log });
  const browser = await Browser.login(backend);
  const token = await browser.token();
  const local = JSON.parse(await readFile(join(folder, 'backend', 'local.json'), 'utf8'));
  t.is(local.url, backend.url);
  await send(`${backend.url}/v1/backend`, 'GET', undefined, { authorization: `Bearer ${token}` });
  await send(`${backend.url}/v1/nowhere?token=${token}`, 'POST', undefined, {
    authorization: `Bearer ${token}`,
  });
  const secrets = [browser.cookie.split('=')[1] ?? '', token];
  for (const name of await readdir(join(folder, 'backend'))) {
    const path = join(folder, 'backend', name);
    t.is((await stat(path)).mode & 0o077, 0, name);
    const text = await readFile(path, 'utf8');
    for (const secret of secrets) t.false(text.includes(secret), name);
    if (name !== 'local.json') t.false(text.includes(local.token), name);
  }
  t.is((await stat(join(folder, 'backend'))).mode & 0o077, 0);
  for (const secret of [...secrets, local.token]) t.false(lines.join('\n').includes(secret));
});

test('programs of the same user make links for others; other credentials cannot', async (t) => {
  const folder = await makeFolder(t);
  const backend = await start(t, folder);
  const { token } = JSON.parse(await readFile(join(folder, 'backend', 'local.json'), 'utf8'));
  const make = (body: object, authorization = `Bearer ${token}`) =>
    send(`${backend.url}/v1/links`, 'POST', body, { authorization });
  const made = await make({ name: 'ada', groups: ['team-a'] });
  const { body } = await send(`${backend.url}/v1/session`, 'POST', { code: made.body.url.split('#')[1] });
  t.deepEqual([body.name, body.groups], ['ada', ['team-a']]);
  // another person does not get the groups of the operator
  t.is((await make({ name: 'eve' })).status, 201);
  for (const wrong of [
    { name: '' },
    { name: 'a\nb' },
    { groups: 'x' },
    { who: 'ada' },
    { name: 'ada', groups: ['', 'b'] },
  ])
    t.is((await make(wrong)).status, 400, JSON.stringify(wrong));
  const browser = await Browser.login(backend);
  t.is((await browser.send('/v1/links', 'POST', {})).body.code, 'FORBIDDEN');
  t.is((await make({}, `Bearer ${await browser.token()}`)).body.code, 'FORBIDDEN');
  await backend.stop();
  await t.throwsAsync(stat(join(folder, 'backend', 'local.json')));
});

test('sessions and tokens survive a restart; what was ended stays ended, and local programs begin again', async (t) => {
  const folder = await makeFolder(t);
  const first = await start(t, folder);
  const [ada, bea] = [await Browser.login(first), await Browser.login(first)];
  const token = await ada.token();
  const local = JSON.parse(await readFile(join(folder, 'backend', 'local.json'), 'utf8')).token;
  t.is((await bea.send('/v1/session', 'DELETE')).status, 204);
  await first.stop();
  const second = await start(t, folder);
  const status = async (headers: Readonly<Record<string, string>>) =>
    (await send(`${second.url}/v1/session`, 'GET', undefined, headers)).status;
  t.is(await status({ cookie: ada.cookie }), 200);
  t.is(await status({ cookie: bea.cookie }), 401);
  t.is(await status({ authorization: `Bearer ${token}` }), 200);
  t.is(await status({ authorization: `Bearer ${local}` }), 401);
});

test('an API token does a part of what its person may do, until its time or its end', async (t) => {
  const backend = await start(t, await makeFolder(t), {
    policy: ({ name }) =>
      name === 'ada'
        ? { permissions: ['operate'], workers: [{ team: 'a' }], runtimes: '*' }
        : { permissions: ['admin'], workers: '*', runtimes: '*' },
  });
  const root = await Browser.login(backend);
  for (const [workerId, labels] of Object.entries({
    a1: { team: 'a', tier: '1' },
    a2: { team: 'a' },
    b1: { team: 'b' },
  }))
    await root.send('/v1/runtimes/self/workers', 'POST', { engine: 'parrot', workerId, labels });
  const ada = await Browser.login(backend, { name: 'ada', groups: [] });
  const listed = async (request: object): Promise<unknown> => {
    const authorization = `Bearer ${await ada.token(request)}`;
    const { body } = await send(`${backend.url}/v1/runtimes/self/workers`, 'GET', undefined, {
      authorization,
    });
    return body.items?.map(({ workerId }: { workerId: string }) => workerId) ?? body.code;
  };
  t.deepEqual(await listed({ name: 'all', permission: 'observe' }), ['a1', 'a2']);
  t.deepEqual(await listed({ name: 'tier', permission: 'observe', workers: [{ tier: '1' }] }), ['a1']);
  t.deepEqual(await listed({ name: 'other', permission: 'observe', workers: [{ team: 'b' }] }), []);
  t.is(await listed({ name: 'more', permission: 'admin' }), 'ROUTE_NOT_FOUND');
  const reader = `Bearer ${await ada.token({ name: 'reader', permission: 'observe' })}`;
  const refused = await send(
    `${backend.url}/v1/runtimes/self/workers/a1/inputs`,
    'POST',
    { text: 'x' },
    { authorization: reader },
  );
  t.is(refused.body.code, 'FORBIDDEN');
  // a token neither makes tokens nor lists them
  t.is(
    (await send(`${backend.url}/v1/tokens`, 'GET', undefined, { authorization: reader })).body.code,
    'FORBIDDEN',
  );
  const { items } = (await ada.send('/v1/tokens')).body;
  t.deepEqual(
    items.map(({ name }: { name: string }) => name),
    ['all', 'tier', 'other', 'more', 'reader'],
  );
  t.false(JSON.stringify(items).includes('token_'));
  // another person cannot end it
  const { id } = items.at(-1);
  t.is((await root.send(`/v1/tokens/${id}`, 'DELETE')).status, 404);
  t.is((await ada.send(`/v1/tokens/${id}`, 'DELETE')).status, 204);
  t.is((await send(`${backend.url}/v1/backend`, 'GET', undefined, { authorization: reader })).status, 401);
  const soon = new Date(Date.now() + 1_500).toISOString();
  const short = `Bearer ${await ada.token({ name: 'short', permission: 'observe', expiresAt: soon })}`;
  const stream = await fetch(`${backend.url}/v1/runtimes/self/watch`, {
    headers: { authorization: short, accept: 'text/event-stream' },
  });
  t.regex(await stream.text(), /AUTHORITY_EXPIRED/);
  t.is((await send(`${backend.url}/v1/backend`, 'GET', undefined, { authorization: short })).status, 401);
  for (const wrong of [
    {},
    { name: 'x' },
    { name: 'x', permission: 'root' },
    { name: 'x', permission: 'observe', expiresAt: '2020-01-01T00:00:00Z' },
    { name: 'x', permission: 'observe', workers: [{}] },
    { name: 'x', permission: 'observe', workers: Array.from({ length: 65 }, (_, at) => ({ at: `${at}` })) },
    { name: 'x', permission: 'observe', workers: [{ team: 'x'.repeat(8_192) }] },
    { name: 'x', permission: 'observe', scope: '*' },
  ])
    t.is((await ada.send('/v1/tokens', 'POST', wrong)).status, 400, JSON.stringify(wrong));
});

test('P95: a token has selectors of a limited size, and each permission once', async (t) => {
  const folder = await makeFolder(t);
  const backend = await start(t, folder);
  const ada = await Browser.login(backend);
  const permission = Array.from({ length: 50_000 }, () => 'observe');
  const workers = Array.from({ length: 64 }, (_, at) => ({ team: `${at}`.padStart(100, 'x') }));
  const { status, body } = await ada.send('/v1/tokens', 'POST', { name: 'x', permission, workers });
  t.is(status, 201);
  t.deepEqual(body.permissions, ['observe']);
  t.is(body.workers.length, 64);
  const { size } = await stat(join(folder, 'backend', 'credentials.json'));
  t.true(size < 16_384, `${size}`);
});

test('P34: a logout ends the streams of its session within a second, over SSE and sockets, and no others', async (t) => {
  const backend = await start(t, await makeFolder(t));
  const [leaving, staying] = [await Browser.login(backend), await Browser.login(backend)];
  await leaving.send('/v1/runtimes/self/workers', 'POST', { engine: 'parrot', workerId: 'ada' });
  const open = async (browser: Browser, path: string) => {
    const answer = await fetch(backend.url + path, {
      headers: { ...browser.headers, accept: 'text/event-stream' },
    });
    t.is(answer.status, 200);
    return answer;
  };
  const watch = await open(leaving, '/v1/runtimes/self/watch');
  const events = await open(leaving, '/v1/runtimes/self/workers/ada/events?after=start');
  const kept = await open(staying, '/v1/runtimes/self/watch');
  const socket = await openSocket(backend.url, leaving.headers);
  t.is(socket.statusLine, 101);
  const began = performance.now();
  t.is((await leaving.send('/v1/session', 'DELETE')).status, 204);
  t.regex(await watch.text(), /event: closing\ndata: \{"reason":"AUTHORITY_EXPIRED"\}/);
  t.regex(await events.text(), /AUTHORITY_EXPIRED/);
  t.regex(await socket.ended, /AUTHORITY_EXPIRED/);
  t.true(performance.now() - began < 1_000);
  t.is((await leaving.send('/v1/backend')).status, 401);
  const reader = (kept.body as ReadableStream<Uint8Array>).getReader();
  await reader.read();
  await staying.send('/v1/runtimes/self/workers', 'POST', { engine: 'parrot', workerId: 'bea' });
  let text = '';
  while (!text.includes('bea')) text += new TextDecoder().decode((await reader.read()).value);
  await reader.cancel();
  t.false(text.includes('AUTHORITY_EXPIRED'));
});

/** Opens a WebSocket by hand, since Node 20 has no client that sends a cookie. */
const openSocket = async (
  url: string,
  headers: Readonly<Record<string, string>>,
): Promise<{ readonly statusLine: number; readonly ended: Promise<string> }> => {
  const asked = request(`${url}/v1/runtimes/self/stream`, {
    headers: {
      ...headers,
      connection: 'Upgrade',
      upgrade: 'websocket',
      'sec-websocket-version': '13',
      'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==',
      'sec-websocket-protocol': 'worker-runtime.v1',
    },
  });
  asked.end();
  const [response, socket] = await once(asked, 'upgrade');
  // a client that does not answer the closing handshake is disconnected later
  const ended = new Promise<string>((resolve) => {
    let text = '';
    socket.on('data', (chunk: Buffer) => {
      text += chunk.toString('latin1');
      if (text.includes('AUTHORITY_EXPIRED')) resolve(text);
    });
    socket.on('end', () => resolve(text));
  });
  return { statusLine: response.statusCode, ended };
};

test('P64: a person sees and ends the own sessions only, and no answer has a secret or a digest', async (t) => {
  const folder = await makeFolder(t);
  const backend = await start(t, folder);
  const ada = { name: 'ada', groups: ['operators'] };
  const [first, second, third] = [
    await Browser.login(backend, ada),
    await Browser.login(backend, ada),
    await Browser.login(backend, ada),
  ];
  const eve = await Browser.login(backend);
  const token = await first.token();
  const listOf = async (browser: Browser) => (await browser.send('/v1/sessions')).body.items;
  const listed = await listOf(second);
  t.deepEqual(
    listed.map(({ isCurrent }: { readonly isCurrent: boolean }) => isCurrent),
    [false, true, false],
  );
  t.deepEqual(Object.keys(listed[0]).toSorted(), ['createdAt', 'expiresAt', 'id', 'isCurrent', 'usedAt']);
  const { credentials } = JSON.parse(await readFile(join(folder, 'backend', 'credentials.json'), 'utf8'));
  const text = JSON.stringify(listed);
  for (const { digest } of credentials) t.false(text.includes(digest));
  for (const { cookie } of [first, second, third]) t.false(text.includes(cookie.split('=')[1] ?? '-'));

  // those of another person do not exist
  const [own] = await listOf(eve);
  t.is((await listOf(eve)).length, 1);
  t.is((await first.send(`/v1/sessions/${own.id}`, 'DELETE')).status, 404);
  t.is((await eve.send(`/v1/sessions/${listed[0].id}`, 'DELETE')).status, 404);
  t.is((await first.send('/v1/sessions/nothing', 'DELETE')).status, 404);
  // neither a program nor a stranger manages sessions, and another site does not either
  const authorization = `Bearer ${token}`;
  for (const method of ['GET', 'DELETE'])
    t.is((await send(`${backend.url}/v1/sessions`, method, undefined, { authorization })).status, 403);
  t.is((await send(`${backend.url}/v1/sessions`)).status, 401);
  t.is((await send(`${backend.url}/v1/sessions`, 'DELETE', undefined, { cookie: first.cookie })).status, 403);

  // the newest is the first of the list
  const stream = await fetch(`${backend.url}/v1/runtimes/self/watch`, {
    headers: { ...third.headers, accept: 'text/event-stream' },
  });
  t.is((await second.send(`/v1/sessions/${listed[0].id}`, 'DELETE')).status, 204);
  t.regex(await stream.text(), /AUTHORITY_EXPIRED/);
  t.is((await third.send('/v1/session')).status, 401);
  t.is((await first.send('/v1/session')).status, 200);
  t.is((await second.send('/v1/sessions', 'DELETE')).status, 204);
  t.is((await first.send('/v1/session')).status, 401);
  t.is((await second.send('/v1/session')).status, 200);
  t.is((await eve.send('/v1/session')).status, 200);
  t.is((await send(`${backend.url}/v1/session`, 'GET', undefined, { authorization })).status, 200);

  // the end of the own session is a logout, and all ends are stored
  const gone = await second.send(`/v1/sessions/${(await listOf(second))[0].id}`, 'DELETE');
  t.regex(gone.headers.get('set-cookie') ?? '', /^wr=; Max-Age=0/);
  await backend.stop();
  const again = await start(t, folder);
  const statuses = [first, second, third, eve].map(async ({ cookie }) => {
    return (await send(`${again.url}/v1/session`, 'GET', undefined, { cookie })).status;
  });
  t.deepEqual(await Promise.all(statuses), [401, 401, 401, 200]);
});

test('a connection with the requests of several people acts for the sender of each, and refuses a token that has ended', async (t) => {
  const backend = await start(t, await makeFolder(t));
  const [root, ada] = [
    await Browser.login(backend),
    await Browser.login(backend, { ...OPERATOR, name: 'ada' }),
  ];
  const tokens = {
    root: await root.token({ name: 'shared', permission: 'observe' }),
    ada: await ada.token({ name: 'shared', permission: 'observe' }),
  };
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  t.teardown(() => agent.destroy());
  const ports = new Set<number | undefined>();
  const senderOf = async (token: string): Promise<unknown> => {
    const headers = { authorization: `Bearer ${token}` };
    const sent = request(`${backend.url}/v1/session`, { agent, headers }).end();
    const [answer] = (await once(sent, 'response')) as [IncomingMessage];
    ports.add(answer.socket.localPort);
    const { name, code } = JSON.parse((await answer.toArray()).join(''));
    return name ?? code;
  };
  const changed = `${tokens.ada.slice(0, -1)}${tokens.ada.endsWith('A') ? 'B' : 'A'}`;
  const answers: unknown[] = [];
  for (const token of [tokens.ada, tokens.ada, tokens.root, tokens.ada, changed, tokens.ada])
    answers.push(await senderOf(token));
  t.deepEqual(answers, ['ada', 'ada', 'root', 'ada', 'UNAUTHENTICATED', 'ada']);
  const { items } = (await ada.send('/v1/tokens')).body;
  t.is((await ada.send(`/v1/tokens/${items[0].id}`, 'DELETE')).status, 204);
  t.is(await senderOf(tokens.ada), 'UNAUTHENTICATED');
  t.is(await senderOf(tokens.root), 'root');
  t.is(ports.size, 1);
});
