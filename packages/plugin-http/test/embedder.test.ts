/** The parts that a program around the server adds: a prefix, routes, and a record of each answer. */
import { once } from 'node:events';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { Runtime, RuntimeError, silentLogger } from '@worker-runtime/core';
import { Puppet } from '@worker-runtime/test-http/puppet';
import test, { type ExecutionContext } from 'ava';
import { TokenAccess } from '../src/access/access.ts';
import { type AnswerRecord, type Embedder, HttpServer, prefixOf } from '../src/index.ts';
import { OneRuntime } from '../src/one-runtime.ts';

const serve = async (t: ExecutionContext, embedder: Embedder) => {
  const runtime = new Runtime({ plugins: [new Puppet().plugin()] });
  await runtime.start();
  await runtime.createWorker({ engine: 'puppet', workerId: 'ada' });
  const server = new HttpServer(new OneRuntime(runtime), { port: 0 }, silentLogger, embedder);
  server.onUpgrade(({ request, socket }) => {
    if (!request.url?.endsWith('/stream')) return false;
    socket.end(`HTTP/1.1 101 Switching\r\n\r\n${request.url} of ${prefixOf(request)}`);
    return true;
  });
  await server.listen(new TokenAccess([]));
  t.teardown(async () => {
    await server.close();
    await runtime.stop({ deadlineMs: 500 });
  });
  return server.url;
};

const PREFIX = /^\/w\/[a-z]{1,20}(?=\/)/;

const upgrade = async (url: string, path: string, protocol: string): Promise<string> => {
  const socket = connect(Number(new URL(url).port), '127.0.0.1');
  await once(socket, 'connect');
  socket.write(
    `GET ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: upgrade, close\r\nUpgrade: ${protocol}\r\n\r\n`,
  );
  return text(socket);
};

test('every path is served with and without the prefix', async (t) => {
  const url = await serve(t, { prefix: PREFIX });
  for (const path of ['/livez', '/v1/runtimes/self/workers/ada', '/docs', '/v1/runtimes']) {
    const plain = await fetch(url + path);
    const below = await fetch(`${url}/w/acme${path}`);
    t.is(plain.status, 200, path);
    t.is(below.status, 200, path);
    t.is(await below.text(), await plain.text(), path);
  }
  for (const path of ['/w/livez', '/x/w/acme/livez', '/w/ACME/livez', '/w/acme/w/acme/livez'])
    t.is((await fetch(url + path)).status, 404, path);
});

test('each form of a target has one URL for checks, and is answered alike', async (t) => {
  const urls: unknown[] = [];
  const url = await serve(t, {
    prefix: PREFIX,
    record: ({ request }) => void urls.push([prefixOf(request), request.url]),
  });
  const get = async (target: string): Promise<string> => {
    const socket = connect(Number(new URL(url).port), '127.0.0.1');
    await once(socket, 'connect');
    socket.write(`GET ${target} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n`);
    return text(socket);
  };
  const path = '/v1/runtimes/self/workers/ada';
  for (const [target, expected] of [
    ['/w/acme/v1/runtimes/self/%77ork%65rs/ada?limit=%31', ['/w/acme', `${path}?limit=%31`]],
    ['/%77/acm%65/v1/runtime%73/self/workers/%61da', ['/w/acme', path]],
    [`${path}#x`, ['', path]],
    [`/w/acme${path}#x?y`, ['/w/acme', path]],
    [`http://127.0.0.1/w/acme${path}`, ['/w/acme', path]],
    [`HTTP://localhost:80${path}`, ['', path]],
    ['http://localhost?x', ['', '/?x']],
    ['/v1/runtimes/self/workers/%2e%2e/%2fada%2561', ['', '/v1/runtimes/self/workers/%2e%2e/%2fada%2561']],
  ] as const) {
    const [status] = (await get(target)).split('\r\n', 1);
    t.deepEqual(urls.pop(), expected, target);
    t.is(status, expected[1] === path ? 'HTTP/1.1 200 OK' : status, target);
  }
});

test('the document below a prefix names the prefix as its server', async (t) => {
  const url = await serve(t, { prefix: PREFIX });
  const server = async (at: string) =>
    JSON.parse(await (await fetch(`${url}${at}/openapi.json`)).text()).servers[0].url;
  t.is(await server(''), '/');
  t.is(await server('/w/acme'), '/w/acme');
});

test('an upgrade below the prefix reaches its handler, and one that no handler takes keeps the prefix', async (t) => {
  const url = await serve(t, { prefix: PREFIX });
  t.regex(
    await upgrade(url, '/w/acme/v1/runtimes/self/stream', 'websocket'),
    /\/v1\/runtimes\/self\/stream of \/w\/acme$/,
  );
  t.regex(await upgrade(url, '/w/acme/livez', 'h2c'), /^HTTP\/1\.1 200 /);
});

test('a route of the embedder is checked, answered and described like any other', async (t) => {
  const url = await serve(t, {
    prefix: PREFIX,
    schemas: { Greeting: { type: 'object' } },
    routes: [
      {
        method: 'POST',
        path: '/v1/greetings/:name',
        permission: 'operate',
        query: ['loud'],
        operation: { operationId: 'greet', responses: { 201: { description: 'Done.' } } },
        answer: async ({ path, body, query, raw, caller }) => ({
          status: 201,
          headers: { location: `greetings/${path.name}` },
          body: { ...path, ...query, body, prefix: prefixOf(raw), caller: caller.name },
        }),
      },
      {
        method: 'GET',
        path: '/v1/greetings/:name',
        permission: 'public',
        operation: { operationId: 'getGreeting', responses: {} },
        answer: () => {
          throw new RuntimeError('LIMIT_REACHED', 'Not now');
        },
      },
      {
        method: 'GET',
        path: '/page',
        permission: 'public',
        query: 'any',
        operation: { operationId: 'getPage', responses: {} },
        answer: () => ({ status: 200, headers: { 'content-type': 'text/plain' }, body: 'a page' }),
      },
    ],
  });
  const answer = await fetch(`${url}/w/acme/v1/greetings/eve?loud=yes`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: '{"a":1}',
  });
  t.is(answer.status, 201);
  t.is(answer.headers.get('location'), 'greetings/eve');
  t.deepEqual(await answer.json(), {
    name: 'eve',
    loud: 'yes',
    body: { a: 1 },
    prefix: '/w/acme',
    caller: null,
  });
  t.is((await fetch(`${url}/v1/greetings/eve?soft=yes`, { method: 'POST' })).status, 400);
  t.is((await fetch(`${url}/v1/greetings/eve`)).status, 429);
  t.is(await (await fetch(`${url}/page?code=x&whatever=else`)).text(), 'a page');
  const document = JSON.parse(await (await fetch(`${url}/openapi.json`)).text());
  const { post } = document.paths['/v1/greetings/{name}'];
  t.is(post['x-permission'], 'operate');
  t.deepEqual(Object.keys(post.responses).slice(0, 2), ['201', '400']);
  t.deepEqual(document.components.schemas.Greeting, { type: 'object' });
});

test('each answer is recorded before its first byte: successes, refusals, streams and upgrades', async (t) => {
  const records: AnswerRecord[] = [];
  const url = await serve(t, { prefix: PREFIX, record: (one) => void records.push(one) });
  const call = async (path: string, init?: RequestInit) => {
    const { status, headers } = await fetch(url + path, init);
    const one = records.at(-1);
    t.is(one?.status, status, path);
    t.is(one?.correlationId ?? null, headers.get('x-request-id'), path);
    return one;
  };
  const created = await call('/w/acme/v1/runtimes/self/workers', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ engine: 'puppet', workerId: 'bea' }),
  });
  t.is(created?.location, 'workers/bea');
  t.is(created?.code, null);
  t.is(created?.request.url, '/v1/runtimes/self/workers');
  t.is((await call('/v1/runtimes/self/workers/nobody'))?.code, 'WORKER_NOT_FOUND');
  t.is((await call('/nowhere'))?.code, 'ROUTE_NOT_FOUND');
  t.is((await call('/v1/runtimes/self/watch', { headers: { accept: 'text/event-stream' } }))?.code, null);
  t.is((await call('/%'))?.code, 'INVALID_REQUEST');
  const before = records.length;
  t.regex(await upgrade(url, '/v1/runtimes/other/stream', 'websocket'), /^HTTP\/1\.1 404 /);
  t.is(records.length, before + 1);
  t.is(records.at(-1)?.code, 'RUNTIME_NOT_FOUND');
});

test('an answer that cannot be recorded is not sent, and the server continues', async (t) => {
  let isFull = true;
  const url = await serve(t, {
    record: () => {
      if (isFull) throw new Error('the disk is full');
    },
  });
  await t.throwsAsync(fetch(`${url}/livez`));
  await t.throwsAsync(fetch(`${url}/v1/runtimes/self/workers`));
  t.is(await upgrade(url, '/v1/runtimes/other/stream', 'websocket'), '');
  isFull = false;
  t.is((await fetch(`${url}/livez`)).status, 200);
});
