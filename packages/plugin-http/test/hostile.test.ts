import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { RuntimeError } from '@worker-runtime/core';
import test from 'ava';
import { connectTo, exchange, problemIn, restOf } from './raw-client.ts';
import { isProblem, prepare, type Served, serve, serveAda } from './served.ts';

const TOKEN = 'canary-admin';
const TOKENS = [
  { name: 'admin', sha256: createHash('sha256').update(TOKEN).digest('hex'), permission: 'admin' },
] as const;

test('P23: a body that is too large is refused, with or without Content-Length', async (t) => {
  const { call, url } = await serveAda(t);
  const text = 'x'.repeat(1_048_577);
  const answer = await call('workers/ada/inputs', { method: 'POST', body: { text } });
  isProblem(t, answer, 413, 'PAYLOAD_TOO_LARGE');
  t.deepEqual(answer.body.details, { limit: 'bodyBytes', value: 1_048_576 });

  const socket = await connectTo(url('/'));
  t.teardown(() => socket.destroy());
  socket.write(
    'POST /v1/runtimes/self/workers/ada/inputs HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n',
  );
  const chunk = `10000\r\n${'x'.repeat(0x10000)}\r\n`;
  for (let sent = 0; sent < 17; sent++) socket.write(chunk);
  // refused in the middle of the body
  const [first] = (await once(socket, 'data')) as [Buffer];
  t.deepEqual(problemIn(first.toString()), { status: 413, code: 'PAYLOAD_TOO_LARGE' });

  const hurried = await serveAda(t, { http: { requestTimeoutMs: 500 } });
  const unfinished = await exchange(
    hurried.url('/'),
    'POST /v1/runtimes/self/workers/ada/inputs HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 2000000\r\n\r\n{"te',
  );
  // one answer, although the rest of the body did not arrive in time
  t.deepEqual(problemIn(unfinished), { status: 413, code: 'PAYLOAD_TOO_LARGE' });

  const input = await call('workers/ada/inputs', { method: 'POST', body: { text: 'x'.repeat(300_000) } });
  isProblem(t, input, 413, 'PAYLOAD_TOO_LARGE');
  t.is(input.body.details.limit, 'inputBytes');
});

test('a body that is not JSON, not UTF-8, of another type or compressed is refused', async (t) => {
  const { call, url } = await serveAda(t);
  for (const body of ['{"text":', '{text:1}', '\u0000', '{"text":"a"} {}', '{"__proto__":{"text":"a"}}']) {
    const answer = await call('workers/ada/inputs', { method: 'POST', body });
    isProblem(t, answer, 400, 'INVALID_REQUEST');
    t.is(answer.body.details.issues[0].pointer, '');
  }
  const deep = `${'['.repeat(100_000)}${']'.repeat(100_000)}`;
  isProblem(t, await call('workers/ada/inputs', { method: 'POST', body: deep }), 400, 'INVALID_REQUEST');
  const deepConfig = { method: 'POST', body: `{"engine":"puppet","config":{"a":${deep}}}` };
  isProblem(t, await call('workers', deepConfig), 400, 'INVALID_REQUEST');

  const send = async (body: string | Uint8Array<ArrayBuffer>, headers: Readonly<Record<string, string>>) => {
    const response = await fetch(url('workers/ada/inputs'), { method: 'POST', body, headers });
    const text = await response.text();
    return { status: response.status, headers: response.headers, text, body: JSON.parse(text) };
  };
  const json = { 'content-type': 'application/json' };
  isProblem(t, await send(Buffer.from('{"text":"\xff"}', 'latin1'), json), 400, 'INVALID_REQUEST');
  for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'nonsense', 'application/jsonp']) {
    isProblem(t, await send('{"text":"a"}', { 'content-type': type }), 415, 'UNSUPPORTED_MEDIA_TYPE');
  }
  isProblem(
    t,
    await send('{"text":"a"}', { ...json, 'content-encoding': 'gzip' }),
    415,
    'UNSUPPORTED_MEDIA_TYPE',
  );
  t.is((await send('{"text":"say a"}', { 'content-type': 'application/json; charset=utf-8' })).status, 202);
});

test('P23: headers that are too large are refused, and the server continues', async (t) => {
  const { url, call } = await serve(t);
  const head = `GET /livez HTTP/1.1\r\nhost: localhost\r\nx-padding: ${'x'.repeat(17_000)}\r\n\r\n`;
  t.deepEqual(problemIn(await exchange(url('/'), head)), { status: 431, code: 'HEADERS_TOO_LARGE' });
  t.is((await call('/livez')).status, 200);
});

test('P23: every header of a head within its limit counts, however many there are', async (t) => {
  const { url } = await serveAda(t, { http: { headerBytes: 65_536 } });
  const padded = (line: string, rest: string, body = ''): Promise<string> =>
    exchange(
      url('/'),
      `${line} HTTP/1.1\r\nhost: localhost\r\n${'a: b\r\n'.repeat(5_000)}connection: close\r\n${rest}\r\n\r\n${body}`,
    );
  t.deepEqual(problemIn(await padded('GET /v1/runtimes/self', 'origin: https://evil.example')), {
    status: 403,
    code: 'FORBIDDEN',
  });
  const unknown = 'content-type: application/json\r\ncontent-length: 9';
  t.deepEqual(
    problemIn(await padded('POST /v1/runtimes/self/workers/ada/cancel', unknown, '{"run":"x"}'.slice(0, 9))),
    { status: 400, code: 'INVALID_REQUEST' },
  );
});

test('P22: the time to read a header grows with its length only', async (t) => {
  const LENGTH = 300_000;
  const { url, call } = await serveAda(t, { http: { headerBytes: 4 * LENGTH } });
  const blanks = ' '.repeat(LENGTH);
  const body = '{"text":"say a"}';
  const send = (header: string): Promise<string> =>
    exchange(
      url('/'),
      `POST /v1/runtimes/self/workers/ada/inputs HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\nconnection: close\r\n${header}\r\n\r\n${body}`,
    );
  // a header that is searched from each of its positions takes minutes, and the test then times out
  for (const header of [
    `prefer: wait${blanks}x`,
    `prefer: wait${blanks}=x`,
    `prefer: wait=1${blanks}x`,
    `prefer: ,${blanks}wait${blanks}x`,
    `prefer: ${'; '.repeat(LENGTH / 2)}x`,
    `prefer: ${', wait '.repeat(LENGTH / 7)}x`,
    `authorization: bearer${blanks}x${blanks}y`,
    `accept: */*;${blanks}q${blanks}`,
    `accept: ${';q='.repeat(LENGTH / 3)}`,
    `sec-websocket-protocol: bearer.${'a'.repeat(LENGTH)}${blanks}x`,
    `traceparent: 00-${'0'.repeat(LENGTH)}`,
    `origin: http://localhost${'/'.repeat(LENGTH)}x`,
    `x-forwarded-host: ${':'.repeat(LENGTH)}x`,
  ]) {
    t.regex(await send(header), /^HTTP\/1\.1 \d{3}/, header.slice(0, 30));
  }
  t.is((await call('/livez')).status, 200);
});

test('bytes that are not HTTP are answered with an error, and the connection is closed', async (t) => {
  const { url, call } = await serve(t);
  const chunked =
    'POST /v1/runtimes/self/workers HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n';
  for (const bytes of [
    'hello\r\n\r\n',
    'GET / SMTP/1.0\r\n\r\n',
    '\u0016\u0003\u0001\u0002\u0000',
    chunked,
  ]) {
    t.deepEqual(problemIn(await exchange(url('/'), bytes)), { status: 400, code: 'INVALID_REQUEST' });
  }
  t.is((await call('/livez')).status, 200);
});

test('a client that takes the server for a proxy is refused, after the answers before', async (t) => {
  const { url, web } = await serveAda(t);
  for (const target of ['example.com:443', new URL(web.url).host]) {
    const answer = await exchange(url('/'), `CONNECT ${target} HTTP/1.1\r\nhost: ${target}\r\n\r\n`);
    t.deepEqual(problemIn(answer), { status: 405, code: 'METHOD_NOT_ALLOWED' });
    t.regex(answer, /^allow: ?\r$/im);
    t.regex(answer, /^connection: close\r$/im);
  }
  const behind =
    'GET /livez HTTP/1.1\r\nhost: localhost\r\n\r\nCONNECT a.example:443 HTTP/1.1\r\nhost: a.example\r\n\r\n';
  t.regex(await exchange(url('/'), behind), /^HTTP\/1\.1 200 /);
});

test('P9: bytes behind a command that are not HTTP do not hide its outcome', async (t) => {
  const { url, call } = await serveAda(t);
  const command = (workerId: string, headers = ''): string => {
    const body = JSON.stringify({ engine: 'puppet', workerId });
    return `POST /v1/runtimes/self/workers HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n${headers}content-length: ${body.length}\r\n\r\n${body}`;
  };
  for (const [workerId, behind] of [
    ['text', 'hello\r\n\r\n'],
    ['head', `GET /livez HTTP/1.1\r\nx-padding: ${'x'.repeat(20_000)}\r\n\r\n`],
    [
      'lengths',
      'POST / HTTP/1.1\r\nhost: localhost\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n',
    ],
  ] as const) {
    const text = await exchange(url('/'), command(workerId) + behind);
    t.regex(text, /^HTTP\/1\.1 201 /, workerId);
    t.regex(text, /^connection: close\r$/im, workerId);
  }
  // the outcome of a command that takes time comes when it is over, and those behind it are neither executed nor answered
  const input = JSON.stringify({ text: 'go' });
  const waiting = `POST /v1/runtimes/self/workers/ada/inputs HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\nprefer: wait=1\r\ncontent-length: ${input.length}\r\n\r\n${input}`;
  const text = await exchange(url('/'), `${waiting}${command('second')}%%%\r\n\r\n`);
  t.regex(text, /^HTTP\/1\.1 202 /);
  t.is(text.match(/HTTP\/1\.1/g)?.length, 1);
  t.regex(text, /^connection: close\r$/im);
  t.is((await call('workers/ada/transcript')).body.items.length, 1);
  t.is((await call('workers/second')).status, 404);
});

test('malformed bytes after a stream request close the stream, and no error is written into it', async (t) => {
  const { url } = await serveAda(t);
  const socket = await connectTo(url('/'));
  const rest = restOf(socket);
  socket.write(
    'GET /v1/runtimes/self/workers/ada/events HTTP/1.1\r\nhost: localhost\r\naccept: text/event-stream\r\n\r\n',
  );
  socket.once('data', () => socket.write('%%%\r\n\r\n'));
  const text = await rest;
  t.regex(text, /^HTTP\/1\.1 200/);
  t.notRegex(text, /INVALID_REQUEST/);
});

test('P23: a head or a body that does not arrive in time is refused', async (t) => {
  const { url } = await serveAda(t, { http: { requestTimeoutMs: 200 } });
  const head = exchange(url('/'), 'GET /livez HTTP/1.1\r\nhost: local');
  const body = exchange(
    url('/'),
    'POST /v1/runtimes/self/workers/ada/inputs HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 20\r\n\r\n{"te',
  );
  t.deepEqual(problemIn(await head), { status: 408, code: 'REQUEST_TIMEOUT' });
  t.deepEqual(problemIn(await body), { status: 408, code: 'REQUEST_TIMEOUT' });
});

test('P23: an idle connection is closed', async (t) => {
  const { url } = await serve(t, { http: { idleTimeoutMs: 50 } });
  t.regex(await exchange(url('/'), 'GET /livez HTTP/1.1\r\nhost: localhost\r\n\r\n'), /^HTTP\/1\.1 200/);
});

test('P23: connections beyond the limit get an error, and are accepted again after another one closes', async (t) => {
  const { url } = await serve(t, { http: { connections: 2 } });
  const [first] = await Promise.all([connectTo(url('/')), connectTo(url('/'))]);
  const request = 'GET /livez HTTP/1.1\r\nhost: localhost\r\n\r\n';
  t.deepEqual(problemIn(await exchange(url('/'), request)), { status: 429, code: 'LIMIT_REACHED' });
  const ended = restOf(first);
  first.write('GET /livez HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n');
  await ended;
  t.regex(
    await exchange(url('/'), request.replace('\r\n\r\n', '\r\nconnection: close\r\n\r\n')),
    /^HTTP\/1\.1 200/,
  );
});

test('P20: a refused peer that does not close is disconnected', async (t) => {
  const { url } = await serve(t, { http: { connections: 1 } });
  const socket = await connectTo(url('/'), true);
  socket.write('hello\r\n\r\n');
  await once(socket.resume(), 'end');
  const request = 'GET /livez HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n';
  let answer = '';
  while (!answer.startsWith('HTTP/1.1 200')) answer = await exchange(url('/'), request);
  socket.destroy();
  t.pass();
});

test('an upgrade whose connection breaks during the refusal does not affect the server', async (t) => {
  const served = prepare(t);
  served.web.onUpgrade(({ socket }) => {
    socket.destroy(new Error('reset'));
    return false;
  });
  await served.runtime.start();
  const upgrade = 'GET / HTTP/1.1\r\nhost: localhost\r\nconnection: Upgrade\r\nupgrade: chat\r\n\r\n';
  await exchange(served.url('/'), upgrade);
  t.is((await served.call('/livez')).status, 200);
});

test('pipelined requests are answered in order', async (t) => {
  const { url } = await serveAda(t);
  const ask = (path: string, last = '') => `GET ${path} HTTP/1.1\r\nhost: localhost\r\n${last}\r\n`;
  const text = await exchange(
    url('/'),
    ask('/livez') +
      ask('/nowhere') +
      ask('/v1/runtimes/self/workers/ada') +
      ask('/readyz', 'connection: close\r\n'),
  );
  t.deepEqual(text.match(/HTTP\/1\.1 \d{3}/g), [
    'HTTP/1.1 200',
    'HTTP/1.1 404',
    'HTTP/1.1 200',
    'HTTP/1.1 200',
  ]);
});

test('a malformed URL is an invalid request; a long or odd Worker id is not found', async (t) => {
  const { url, call } = await serve(t);
  const text = await exchange(
    url('/'),
    'GET /v1/runtimes/self/workers/%zz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n',
  );
  t.deepEqual(problemIn(text), { status: 400, code: 'INVALID_REQUEST' });
  for (const id of ['a'.repeat(500), '..%2F..%2Fetc%2Fpasswd', '%00', 'constructor', '__proto__']) {
    isProblem(t, await call(`workers/${id}`), 404, 'WORKER_NOT_FOUND');
  }
});

test('P19: a request with several Hosts, or with a port that no host has, is refused', async (t) => {
  const { url } = await serve(t);
  for (const [hosts, status, code] of [
    ['host: localhost\r\nHost: localhost', 400, 'INVALID_REQUEST'],
    ['host: localhost\r\nHOST: evil.example', 400, 'INVALID_REQUEST'],
    ['host: localhost:65536', 403, 'FORBIDDEN'],
  ] as const)
    for (const path of ['/livez', '/v1/runtimes/self'])
      t.deepEqual(
        problemIn(await exchange(url('/'), `GET ${path} HTTP/1.1\r\n${hosts}\r\nconnection: close\r\n\r\n`)),
        { status, code },
        `${hosts} ${path}`,
      );
});

test('P23: a client that sends a refused body to its end reads the refusal, and uses its connection again', async (t) => {
  const { url } = await serveAda(t);
  for (const [path, type, status] of [
    ['workers/ada/inputs', 'application/json', 413],
    ['workers/ada/files', 'image/png', 413],
    ['workers/ada/nothing', 'application/json', 404],
  ] as const) {
    // fetch reads no answer before it has sent the body
    const answer = await fetch(url(path), {
      method: 'POST',
      body: 'x'.repeat(30_000_000),
      headers: { 'content-type': type },
    });
    t.is(answer.status, status, path);
    await answer.body?.cancel();
  }
  const socket = await connectTo(url('/'));
  const rest = restOf(socket);
  const head = `POST /v1/runtimes/self/workers/ada/inputs HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n`;
  const next = 'GET /livez HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n';
  socket.write(`${head}content-length: 2000000\r\n\r\n${'x'.repeat(2_000_000)}`);
  socket.write(
    `${head}transfer-encoding: chunked\r\n\r\n200000\r\n${'x'.repeat(0x200000)}\r\n0\r\n\r\n${next}`,
  );
  const statuses = [...(await rest).matchAll(/HTTP\/1\.1 (\d{3})/g)].map(([, status]) => status);
  t.deepEqual(statuses, ['413', '413', '200']);
});

test('a client that waits to be asked for its body is asked after the checks, and the connection ends if it is refused', async (t) => {
  const { url } = await serveAda(t);
  const ask = async (
    line: string,
    headers: string,
    body: string,
  ): Promise<readonly (string | undefined)[]> => {
    const socket = await connectTo(url('/'));
    const rest = restOf(socket);
    socket.write(
      `${line} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n${headers}\r\n\r\n`,
    );
    socket.once('data', () =>
      socket.write(`${body}GET /livez HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n`),
    );
    return [...(await rest).matchAll(/HTTP\/1\.1 (\d{3})/g)].map(([, status]) => status);
  };
  const inputs = 'POST /v1/runtimes/self/workers/ada/inputs';
  const body = '{"text":"say a"}';
  const length = `content-length: ${body.length}`;
  t.deepEqual(await ask(inputs, `expect: 100-continue\r\n${length}`, body), ['100', '202', '200']);
  t.deepEqual(await ask(inputs, 'expect: 100-Continue\r\ncontent-length: 2000000', ''), ['413']);
  t.deepEqual(await ask(inputs.replace('ada', 'a/b'), `expect: 100-continue\r\n${length}`, ''), ['404']);
  // another expectation is ignored, and the request is answered by its route
  t.deepEqual(await ask('GET /livez', 'expect: a miracle', ''), ['200', '200']);
});

test('an unknown Host is refused on every path', async (t) => {
  const { url } = await serve(t, { http: { allowedHosts: ['runtime.internal'] } });
  const ask = async (host: string, path = '/livez') =>
    exchange(url('/'), `GET ${path} HTTP/1.1\r\n${host}connection: close\r\n\r\n`);
  for (const host of [
    'localhost',
    '127.0.0.1:8787',
    '127.8.9.1',
    '[::1]:80',
    'LOCALHOST:1',
    'runtime.internal:443',
  ]) {
    t.regex(await ask(`host: ${host}\r\n`), /^HTTP\/1\.1 200/, host);
  }
  for (const host of [
    'evil.example',
    '127.0.0.1.evil.example',
    'localhost.evil',
    '10.0.0.1',
    '',
    'a b',
    'localhost:80:80',
  ]) {
    t.deepEqual(problemIn(await ask(`host: ${host}\r\n`)), { status: 403, code: 'FORBIDDEN' }, host);
  }
  t.deepEqual(problemIn(await ask('')), { status: 400, code: 'INVALID_REQUEST' });
  t.deepEqual(problemIn(await ask('host: evil.example\r\n', '/nowhere')), { status: 403, code: 'FORBIDDEN' });
});

test('P19: the host of an absolute target counts, and replaces the Host header', async (t) => {
  const { url } = await serve(t);
  const ask = async (target: string, host: string): Promise<string> =>
    exchange(url('/'), `GET ${target} HTTP/1.1\r\nhost: ${host}\r\nconnection: close\r\n\r\n`);
  for (const target of [
    'http://evil.example/livez',
    'http://evil.example/v1/runtimes',
    'http://localhost@evil.example/livez',
    'http://localhost.evil.example:80/livez',
    'evil.example:80',
    '//evil.example/livez',
  ])
    t.notRegex(await ask(target, 'localhost'), /^HTTP\/1\.1 2/, target);
  t.deepEqual(problemIn(await ask('http://evil.example/livez', 'localhost')), {
    status: 403,
    code: 'FORBIDDEN',
  });
  t.regex(await ask('http://localhost/livez', 'localhost'), /^HTTP\/1\.1 200/);
});

test('P19: a page of another origin gets nothing by a request without Origin, except what is public', async (t) => {
  const { call, web } = await serve(t, { http: { allowedOrigins: ['https://console.example'] } });
  for (const site of ['cross-site', 'same-site']) {
    const headers = { 'sec-fetch-site': site, 'sec-fetch-mode': 'no-cors' };
    for (const path of ['workers', 'watch', '/metrics', '/nowhere'])
      isProblem(t, await call(path, { headers }), 403, 'FORBIDDEN');
    for (const path of ['/docs', '/livez', '/openapi.json'])
      t.is((await call(path, { headers })).status, 200);
    const origin = 'https://console.example';
    t.is((await call('workers', { headers: { ...headers, origin } })).status, 200);
    t.is((await call('workers', { headers: { ...headers, origin: web.url } })).status, 200);
  }
  for (const site of ['none', 'same-origin'])
    t.is((await call('workers', { headers: { 'sec-fetch-site': site } })).status, 200);
});

test('P19: the scheme is part of an origin; only a name of a proxy may be served with TLS', async (t) => {
  const { call, web } = await serve(t, { http: { allowedHosts: ['runtime.example'] } });
  const { host } = new URL(web.url);
  const refused = (headers: Readonly<Record<string, string>>) => call('workers', { headers });
  isProblem(t, await refused({ origin: `https://${host}` }), 403, 'FORBIDDEN');
  isProblem(t, await refused({ origin: `ws://${host}` }), 403, 'FORBIDDEN');
  t.is((await refused({ origin: `HTTP://${host}` })).status, 200);
  const ask = (origin: string) =>
    exchange(
      web.url,
      `GET /v1/runtimes HTTP/1.1\r\nhost: runtime.example\r\norigin: ${origin}\r\nconnection: close\r\n\r\n`,
    );
  t.regex(await ask('https://runtime.example'), /^HTTP\/1\.1 200/);
  t.regex(await ask('http://runtime.example'), /^HTTP\/1\.1 200/);
  t.regex(await ask('https://runtime.example:444'), /^HTTP\/1\.1 403/);
});

test('a page of another origin is refused unless it is allowed; then it may read the answer', async (t) => {
  const { call, web } = await serve(t, { http: { allowedOrigins: ['https://console.example'] } });
  for (const origin of [
    'https://evil.example',
    'null',
    'http://127.0.0.1:1',
    web.url.replace('http', 'file'),
  ]) {
    const answer = await call('workers', { method: 'POST', body: { engine: 'puppet' }, headers: { origin } });
    isProblem(t, answer, 403, 'FORBIDDEN');
    t.is(answer.headers.get('access-control-allow-origin'), null);
  }
  t.is((await call('workers', { headers: { origin: web.url } })).status, 200);

  const origin = 'https://console.example';
  const allowed = await call('workers', { headers: { origin } });
  t.is(allowed.status, 200);
  t.is(allowed.headers.get('access-control-allow-origin'), origin);
  const preflight = await call('workers/ada', {
    method: 'OPTIONS',
    headers: {
      origin,
      'access-control-request-method': 'PATCH',
      'access-control-request-headers': 'content-type',
    },
  });
  t.is(preflight.status, 204);
  t.regex(preflight.headers.get('access-control-allow-methods') ?? '', /PATCH/);
  isProblem(
    t,
    await call('workers/ada', { method: 'OPTIONS', headers: { origin } }),
    405,
    'METHOD_NOT_ALLOWED',
  );
});

test('an upgrade without a handler is a plain request; one with a handler passes the same checks', async (t) => {
  const ask = async (served: Served, host: string, path: string): Promise<string> => {
    const socket = await connectTo(served.url('/'));
    const rest = restOf(socket);
    socket.write(`GET ${path} HTTP/1.1\r\nhost: ${host}\r\nconnection: Upgrade\r\nupgrade: chat\r\n\r\n`);
    socket.once('data', () => socket.end());
    return rest;
  };
  t.regex(await ask(await serve(t), 'localhost', '/chat'), /^HTTP\/1\.1 404/);

  const offering = prepare(t);
  offering.web.onUpgrade(({ request, socket }) => {
    if (request.url !== '/chat') return false;
    socket.end('HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: chat\r\n\r\nhello');
    return true;
  });
  await offering.runtime.start();
  t.regex(await ask(offering, 'localhost', '/chat'), /^HTTP\/1\.1 101[\s\S]*hello$/);
  t.deepEqual(problemIn(await ask(offering, 'localhost', '/other')), {
    status: 404,
    code: 'ROUTE_NOT_FOUND',
  });
  t.deepEqual(problemIn(await ask(offering, 'evil.example', '/chat')), { status: 403, code: 'FORBIDDEN' });
});

test('P25: an upgrade that no handler takes is ignored, and the request is answered with its body', async (t) => {
  const served = prepare(t, { http: { tokens: TOKENS } });
  // as the WebSocket plugin does
  served.web.onUpgrade(({ request }) => {
    if (request.headers.upgrade === 'websocket') throw new RuntimeError('VERSION_UNSUPPORTED');
    return false;
  });
  await served.runtime.start();
  const socket = await connectTo(served.url('/'));
  socket.setEncoding('latin1');
  const ask = async (
    method: string,
    path: string,
    headers: readonly string[],
    body = '',
  ): Promise<string> => {
    const [start, ...fields] = [
      `${method} ${path} HTTP/1.1`,
      'Host: localhost',
      'Connection: Upgrade, HTTP2-Settings',
      'HTTP2-Settings: AAMAAABkAAQAAP__',
      ...headers,
    ];
    socket.write(`${start}\r\n${fields.join('\r\n')}\r\n\r\n${body.slice(0, 10)}`, 'latin1');
    let text = '';
    const isWhole = (): boolean => {
      const length = Number(/\r\ncontent-length: (\d+)/.exec(text)?.[1] ?? Number.NaN);
      return text.length - text.indexOf('\r\n\r\n') - 4 >= length;
    };
    if (headers.includes('Expect: 100-continue')) {
      const [piece] = await once(socket, 'data');
      t.is(piece, 'HTTP/1.1 100 Continue\r\n\r\n');
    }
    socket.write(body.slice(10), 'latin1');
    while (!isWhole()) text += String((await once(socket, 'data'))[0]);
    return text;
  };
  const token = `Authorization: Bearer ${TOKEN}`;
  const R = '/v1/runtimes/self';
  const json = ['Content-Type: application/json', token];
  // one connection serves all of them
  t.regex(await ask('GET', '/livez', ['Upgrade: h2c']), /^HTTP\/1\.1 200/);
  t.regex(await ask('GET', R, ['Upgrade: h2c', token]), /^HTTP\/1\.1 200/);
  t.regex(await ask('GET', R, ['upgrade: TLS/1.0, HTTP/2.0']), /^HTTP\/1\.1 401/);
  t.regex(await ask('GET', '/nowhere', ['Upgrade: h2c', token]), /^HTTP\/1\.1 404[\s\S]*ROUTE_NOT_FOUND/);
  const body = JSON.stringify({
    engine: 'puppet',
    workerId: 'java',
    labels: { text: 'gr\u00fc\u00dfe'.repeat(9) },
  });
  const bytes = Buffer.from(body).toString('latin1');
  const created = await ask(
    'POST',
    `${R}/workers`,
    ['Upgrade: h2c', `Content-Length: ${bytes.length}`, ...json],
    bytes,
  );
  t.regex(created, /^HTTP\/1\.1 201/);
  const inputs = `${R}/workers/java/inputs`;
  const text = 'x'.repeat(200_000);
  const long = JSON.stringify({ text });
  const chunks = `${long.length.toString(16)}\r\n${long}\r\n0\r\n\r\n`;
  const chunked = ['Upgrade: h2c', 'Transfer-Encoding: chunked', 'Expect: 100-continue', ...json];
  t.regex(await ask('POST', inputs, chunked, chunks), /^HTTP\/1\.1 202/);
  const authorization = { authorization: `Bearer ${TOKEN}` };
  const { body: worker } = await served.call('workers/java', { headers: authorization });
  t.is(worker.labels.text, 'gr\u00fc\u00dfe'.repeat(9));
  const { text: log } = await served.call('workers/java/events', { headers: authorization });
  t.true(log.includes(text));
  t.regex(await ask('GET', R, ['Upgrade: websocket', token]), /VERSION_UNSUPPORTED/);
});

test('P25: an upgrade behind an unfinished answer closes the connection', async (t) => {
  const served = prepare(t);
  served.web.onUpgrade(() => false);
  await served.runtime.start();
  const upgrade = 'GET /livez HTTP/1.1\r\nhost: localhost\r\nconnection: upgrade\r\nupgrade: h2c\r\n\r\n';
  const text = await exchange(
    served.url('/'),
    `GET /v1/runtimes/self/watch HTTP/1.1\r\nhost: localhost\r\n\r\n${upgrade}`,
  );
  t.notRegex(text, /alive/);
  t.is((await served.call('/livez')).status, 200);
});

test('a body that its client does not send to its end is refused as invalid, and not logged as an error of the server', async (t) => {
  const served = await serve(t);
  const socket = await connectTo(served.url('/'));
  const head =
    'POST /v1/runtimes/self/workers HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n';
  // the interim answer tells that the server waits for the body
  socket.write(`${head}content-length: 100\r\nexpect: 100-continue\r\n\r\n`);
  await once(socket, 'data');
  socket.write('{"engine"');
  socket.destroy();
  await served.logged('refused');
  t.like(
    served.log.find(({ message }) => message === 'refused'),
    {
      level: 'info',
      fields: { code: 'INVALID_REQUEST' },
    },
  );
});

test('P19: a URL with invalid escapes needs a token, as any other request', async (t) => {
  const { call } = await serve(t, { http: { tokens: TOKENS } });
  isProblem(t, await call('/v1/%zz'), 401, 'UNAUTHENTICATED');
  isProblem(
    t,
    await call('/v1/%zz', { headers: { authorization: `Bearer ${TOKEN}` } }),
    400,
    'INVALID_REQUEST',
  );
});
