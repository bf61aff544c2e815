import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { Agent, createServer, type IncomingHttpHeaders, type IncomingMessage, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { DEFAULT_LIMITS, type FilePart, Runtime, RuntimeError } from '@worker-runtime/core';
import { scriptedEngine } from '@worker-runtime/core/testing';
import test, { type ExecutionContext } from 'ava';
import { WebSocket } from 'ws';
import { headLimitOf } from '../src/head-limit.ts';
import { Registry } from '../src/index.ts';
import { Hop } from './hop.ts';
import { makeKeys, type RemoteOptions, RemotePlace } from './world.ts';

const scene = async (
  t: ExecutionContext,
  permission: string | readonly string[] = 'admin',
  options: RemoteOptions = {},
) => {
  const keys = await makeKeys(permission);
  const place = await RemotePlace.start({ ...options, http: { issuerFile: keys.issuerFile } });
  const { runtimeId } = place.runtime;
  const auth = { identity: keys.identity };
  const hop = await Hop.start([{ name: 'far', url: place.gate.url, runtimeId, auth }]);
  t.teardown(async () => {
    await hop.close();
    await place.dispose();
    await keys.remove();
  });
  const token = await keys.identity.sign(runtimeId, {
    name: 'ada',
    scope: { permissions: ['admin'], workers: '*', stamp: {} },
  });
  const path = `/v1/runtimes/${runtimeId}`;
  return { place, hop, keys, runtimeId, path, token };
};

const sha256 = (bytes: Uint8Array | string): string => createHash('sha256').update(bytes).digest('hex');

test('P27: pages have the same bytes direct and through the registry, and the same headers of the API', async (t) => {
  const { place, hop, path, token } = await scene(t);
  await place.runtime.createWorker({ engine: 'scripted', workerId: 'ada', labels: { team: 'ünïcode 🙂' } });
  for (const text of ['one', 'two 🙂', 'x'.repeat(100_000)])
    await place.runtime.sendInput('ada', { text }, { waitMs: 20_000 });
  for (const [suffix, accept] of [
    ['/workers', 'application/json'],
    ['/workers/ada', 'application/json'],
    ['/workers/ada/events', 'application/json'],
    ['/workers/ada/events', 'application/x-ndjson'],
    ['/workers/ada/events?limit=2', 'application/x-ndjson'],
    ['/workers/ada/transcript', 'application/json'],
    ['/workers/none', 'application/json'],
    ['/workers?limit=nonsense', 'application/json'],
  ] as const) {
    const read = async (base: string) => {
      const answer = await fetch(base + path + suffix, {
        headers: { accept, authorization: `Bearer ${token}`, 'x-request-id': 'the-same' },
      });
      const headers = [...answer.headers].filter(
        ([name]) => !/^(date|connection|keep-alive|transfer-encoding)$/.test(name),
      );
      return [answer.status, headers, sha256(new Uint8Array(await answer.arrayBuffer()))];
    };
    t.deepEqual(await read(hop.url), await read(place.directUrl), suffix);
  }
});

test('P27: a file goes up and down through the registry unchanged', async (t) => {
  const { place, hop, path, token } = await scene(t);
  await place.runtime.createWorker({ engine: 'scripted', workerId: 'ada' });
  const authorization = `Bearer ${token}`;
  // more than the buffers of the connections on the way, and every byte value
  const large = Buffer.alloc(3_000_000, Buffer.from(Array.from({ length: 256 }, (_, at) => 255 - at)));
  const cases: readonly [type: string, query: string, bytes: Buffer][] = [
    ['image/png', '?name=a%20%C3%BC.png', large],
    ['text/html', '', Buffer.from('<script>alert(1)</script>')],
    ['application/json', '?name=x.json', Buffer.from('{ "broken": ')],
  ];
  for (const [type, query, bytes] of cases) {
    const stored = await fetch(`${hop.url}${path}/workers/ada/files${query}`, {
      method: 'POST',
      headers: { authorization, 'content-type': type },
      body: bytes,
    });
    const part = (await stored.json()) as FilePart;
    t.is(stored.status, 200, JSON.stringify(part));
    t.like(part, { digest: `sha256-${sha256(bytes)}`, mediaType: type, sizeBytes: bytes.length });
    t.is(part.name, new URLSearchParams(query).get('name') ?? undefined);
    const read = async (base: string) => {
      const answer = await fetch(`${base}${path}/workers/ada/files/${part.digest}`, {
        headers: { authorization, 'x-request-id': 'the-same' },
      });
      const headers = [...answer.headers].filter(([name]) => !/^(date|connection|keep-alive)$/.test(name));
      return { headers, digest: sha256(new Uint8Array(await answer.arrayBuffer())) };
    };
    const through = await read(hop.url);
    t.deepEqual(through, await read(place.directUrl), type);
    t.is(through.digest, sha256(bytes));
    const names = through.headers.map(([name]) => name);
    for (const name of ['file-media-type', 'content-disposition', 'content-security-policy'])
      t.true(names.includes(name), name);
  }
});

test('P27: a stream of events and a socket have the same bytes direct and through the registry', async (t) => {
  const { place, hop, path, token } = await scene(t);
  await place.runtime.createWorker({ engine: 'scripted', workerId: 'ada' });
  for (const text of ['one', 'two 🙂']) await place.runtime.sendInput('ada', { text }, { waitMs: 20_000 });
  const { items } = await place.runtime.events('ada', { limit: 1_000 });
  const last = items.at(-1)?.seq;
  const streamed = async (base: string): Promise<string> => {
    const answer = await fetch(`${base}${path}/workers/ada/events?after=start`, {
      headers: { accept: 'text/event-stream', authorization: `Bearer ${token}` },
    });
    let text = '';
    for await (const part of (answer.body as ReadableStream<Uint8Array>).pipeThrough(
      new TextDecoderStream(),
    )) {
      text += part;
      if (text.includes(`"seq":${last},`) && text.endsWith('\n\n')) break;
    }
    // the delay is chosen at random for each stream
    return text.replace(/^retry: \d+\n/, '').slice(0, text.indexOf('\n\n', text.indexOf(`"seq":${last},`)));
  };
  t.is(await streamed(hop.url), await streamed(place.directUrl));
  const framed = async (base: string): Promise<string> => {
    const socket = new WebSocket(`${base.replace('http', 'ws')}${path}/stream`, 'worker-runtime.v1', {
      headers: { authorization: `Bearer ${token}` },
    });
    const frames: string[] = [];
    return new Promise((resolve, reject) => {
      socket.on('error', reject);
      socket.on('message', (data) => {
        const text = (data as Buffer).toString();
        if (text.includes('"hello"'))
          socket.send(JSON.stringify({ op: 'subscribe', worker: 'ada', after: 'start' }));
        else frames.push(text);
        if (!text.includes(`"seq":${last},`)) return;
        socket.terminate();
        resolve(frames.join('\n'));
      });
    });
  };
  t.is(await framed(hop.url), await framed(place.directUrl));
});

test('P32: the runtime gets no credentials of the caller, and the caller no address and no credentials of the runtime', async (t) => {
  const seen: IncomingHttpHeaders[] = [];
  const server = createServer((request, response) => {
    seen.push(request.headers);
    response.setHeader('set-cookie', 'canary-cookie=1');
    response.setHeader('server', 'canary-server');
    response.setHeader('content-type', 'application/json');
    response.end('{}');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const runtimeId = `runtime_${'1'.repeat(26)}`;
  const { port } = server.address() as AddressInfo;
  const url = `http://127.0.0.1:${port}`;
  const hop = await Hop.start([{ name: 'far', url, runtimeId, auth: { token: 'canary-ours' } }]);
  t.teardown(() => hop.close());
  const answer = await fetch(`${hop.url}/v1/runtimes/${runtimeId}/workers`, {
    headers: {
      authorization: 'Bearer canary-theirs',
      cookie: 'canary=1',
      'x-forwarded-for': 'canary',
      'proxy-authorization': 'canary',
      'x-canary': '1',
    },
  });
  t.is(answer.status, 200);
  t.notRegex(JSON.stringify([...answer.headers]), /canary/);
  const passed = seen.at(-1);
  t.is(passed?.authorization, 'Bearer canary-ours');
  t.deepEqual(
    Object.keys(passed ?? {}).filter((name) => /cookie|forwarded|proxy|canary|origin/.test(name)),
    [],
  );
  server.closeAllConnections();
  await once(server.close(), 'close');
  for (const path of [`/${runtimeId}/workers`, '']) {
    const text = await (await fetch(`${hop.url}/v1/runtimes${path}`)).text();
    t.notRegex(text, new RegExp(`canary|${port}|127\\.0\\.0\\.1|ECONN`), path);
  }
});

test('P26: a mounted handler of a remote runtime has the headers of its protocol in both directions, and no others', async (t) => {
  const protocol = {
    'mcp-session-id': 'the-session',
    'mcp-protocol-version': '2025-11-25',
    'a2a-version': '1.0',
    'a2a-extensions': 'https://a.example, https://b.example',
    'last-event-id': '7',
  };
  const { hop, path } = await scene(t, 'admin', {
    mount: ({ headers }) =>
      Response.json(Object.fromEntries(headers), {
        headers: {
          'mcp-session-id': 'another',
          'a2a-extensions': 'https://a.example',
          // the OpenAI API, the AI SDK, and proxies that buffer
          'x-should-retry': 'false',
          'x-vercel-ai-ui-message-stream': 'v1',
          'x-accel-buffering': 'no',
          etag: '"one"',
          'cache-control': 'private, max-age=60',
          server: 'canary',
          'set-cookie': 'wr-session=canary',
          'x-frame-options': 'canary',
        },
      }),
  });
  const credentials = {
    'x-api-key': 'canary',
    'x-mcp-key': 'canary',
    forwarded: 'for=canary',
    mcp: 'canary',
  };
  const answer = await fetch(`${hop.url}${path}/x/notes/deep`, { headers: { ...protocol, ...credentials } });
  const text = await answer.text();
  t.like(JSON.parse(text), protocol);
  t.notRegex(text, /canary/);
  t.is(answer.headers.get('mcp-session-id'), 'another');
  t.is(answer.headers.get('a2a-extensions'), 'https://a.example');
  t.is(answer.headers.get('x-should-retry'), 'false');
  t.is(answer.headers.get('x-vercel-ai-ui-message-stream'), 'v1');
  t.is(answer.headers.get('x-accel-buffering'), 'no');
  t.is(answer.headers.get('etag'), '"one"');
  t.is(answer.headers.get('cache-control'), 'private, max-age=60');
  t.notRegex(JSON.stringify([...answer.headers]), /canary/);
});

test('no answer of a remote runtime is a program in the origin of the registry', async (t) => {
  const { keys, hop } = await scene(t);
  const page = '<script>document.title = document.cookie</script>';
  let headers: Record<string, string> = {};
  const hostile = createServer((_, response) => void response.writeHead(200, headers).end(page));
  await once(hostile.listen(0, '127.0.0.1'), 'listening');
  t.teardown(() => hostile.close());
  const runtimeId = `runtime_${'0'.repeat(26)}`;
  const url = `http://127.0.0.1:${(hostile.address() as AddressInfo).port}`;
  hop.registry.reload([{ name: 'hostile', url, runtimeId, auth: { identity: keys.identity } }]);
  for (const path of ['/workers', '/workers/ada/files/sha256-0', '/x/notes'])
    for (const type of ['text/html', 'TEXT/HTML;charset=utf-8', 'image/svg+xml', 'text/xml', 'json', null]) {
      headers = {
        'content-security-policy': "script-src 'unsafe-inline'",
        ...(type !== null && { 'content-type': type }),
      };
      const answer = await fetch(`${hop.url}/v1/runtimes/${runtimeId}${path}`);
      t.is(await answer.text(), page);
      t.regex(answer.headers.get('content-security-policy') ?? '', /^default-src 'none';.* sandbox$/, path);
      t.is(answer.headers.get('x-content-type-options'), 'nosniff');
    }
});

test('P27: a request may wait for its answer through the registry for as long as the runtime lets it wait', (t) => {
  const limit = (
    rest: string,
    { method = 'POST', prefer, body = null }: { method?: string; prefer?: string; body?: string | null } = {},
  ): number =>
    headLimitOf(
      {
        method,
        url: `/v1/runtimes/runtime_0${rest}`,
        headers: prefer === undefined ? {} : { prefer },
      } as IncomingMessage,
      body === null ? null : Buffer.from(body),
    );
  const usual = limit('/workers');
  // each of them may attach an engine, whose time limit the runtime reports itself
  for (const command of ['/workers', '/workers/ada/inputs', '/workers/ada/resume'])
    t.true(limit(command) > DEFAULT_LIMITS.attachTimeoutMs, command);
  t.true(limit('/workers', { method: 'GET' }) < usual);
  // every form of the preference that a runtime reads
  for (const prefer of ['wait=60', 'Wait=60', 'wait = 60', 'wait="60"', 'respond-async, wait=60', 'wait'])
    t.true(limit('/workers/ada/inputs', { prefer }) >= usual + 60_000, prefer);
  t.true(limit('/workers/ada/stop', { body: '{"deadlineMs":600000}' }) >= usual + 600_000);
  t.is(limit('/workers/ada/stop', { body: '{"deadlineMs":-1}' }), limit('/workers/ada/stop', { body: '[' }));
  // a handler may wait for the end of a run, and which requests do is known to itself
  t.true(limit('/x/openai/chat/completions') >= 3_600_000);
  t.is(limit('/workers/x/inputs'), usual);
});

test('P32: a mounted handler of a remote runtime has the address of its client, and not that of the runtime', async (t) => {
  const { place, hop, path } = await scene(t, 'admin', {
    mount: ({ url, headers }) =>
      Response.json([url, [...headers.keys()].filter((name) => name.includes('address'))]),
  });
  const target = `${path}/x/notes/deep/agent.json?a=b%20c`;
  const read = async (base: string, address?: string): Promise<unknown> =>
    (
      await fetch(base + target, {
        headers: address === undefined ? {} : { 'worker-runtime-address': address },
      })
    ).json();
  t.deepEqual(await read(hop.url), [hop.url + target, []]);
  const { host } = new URL(hop.url);
  const named = hop.url.replace(host, `localhost:${new URL(hop.url).port}`);
  t.deepEqual(await read(named), [named + target, []]);
  // a client that names an address of its own gets it back, and no other client does
  t.deepEqual(await read(hop.url, 'https://agents.example/w/acme'), [
    `https://agents.example/w/acme${target}`,
    [],
  ]);
  for (const odd of [
    'https://',
    'file:///etc',
    'https://a b',
    '//evil',
    'https://a.example/?b=',
    'https://user@a.example',
  ])
    t.deepEqual(await read(hop.url, odd), [hop.url + target, []], odd);
  t.not(place.directUrl, hop.url);
});

test('P23: a refused body that is sent to its end gets its refusal through the registry too', async (t) => {
  const { place, hop, path } = await scene(t);
  await place.runtime.createWorker({ engine: 'scripted', workerId: 'ada' });
  for (const [below, type] of [
    ['workers/ada/inputs', 'application/json'],
    ['workers/ada/files', 'image/png'],
  ] as const) {
    const answer = await fetch(`${hop.url}${path}/${below}`, {
      method: 'POST',
      headers: { 'content-type': type },
      body: 'x'.repeat(30_000_000),
    });
    t.is(answer.status, 413, below);
    t.is(((await answer.json()) as { code: string }).code, 'PAYLOAD_TOO_LARGE');
  }
  // the same without a runtime that reads the body
  await place.stop();
  const answer = await fetch(`${hop.url}${path}/workers/ada/files`, {
    method: 'POST',
    headers: { 'content-type': 'image/png' },
    body: 'x'.repeat(30_000_000),
  });
  t.is(((await answer.json()) as { code: string }).code, 'RUNTIME_UNREACHABLE');
});

test('a runtime that does not answer gets a typed error: of a read, of a command, of a stream and of an upgrade', async (t) => {
  const { place, hop, path } = await scene(t);
  place.gate.cut();
  const read = await fetch(hop.url + path);
  t.is(read.status, 503);
  const problem = (await read.json()) as { code: string; retryable: boolean; details: object };
  t.is(problem.code, 'RUNTIME_UNREACHABLE');
  t.true(problem.retryable);
  const stream = await fetch(`${hop.url}${path}/watch`, { headers: { accept: 'text/event-stream' } });
  t.is(stream.status, 200);
  t.regex(await stream.text(), /event: closing\ndata: .*RUNTIME_UNREACHABLE/);
  const status = await new Promise((resolve) => {
    const socket = new WebSocket(`${hop.url.replace('http', 'ws')}${path}/stream`, 'worker-runtime.v1');
    socket.on('error', () => {});
    socket.on('unexpected-response', (_request, answer) => resolve(answer.statusCode));
  });
  t.is(status, 503);
});

test('P9: a command with a key is sent again if its kept connection was closed just before, and no other command', async (t) => {
  const used = new WeakSet<object>();
  const done: string[] = [];
  const server = createServer((request, response) => {
    if (request.method !== 'POST') return response.end('{}');
    // as a runtime that closes a connection that was idle for long
    if (used.has(request.socket)) return request.socket.destroy();
    used.add(request.socket);
    let body = '';
    request.on('data', (piece) => {
      body += piece;
    });
    request.on('end', () => {
      done.push(body);
      response.setHeader('content-type', 'application/json');
      response.end('{}');
    });
    return undefined;
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const runtimeId = `runtime_${'0'.repeat(26)}`;
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const hop = await Hop.start([{ name: 'far', url, runtimeId }]);
  t.teardown(async () => {
    await hop.close();
    server.closeAllConnections();
    server.close();
  });
  const send = (body: string, key: string | null) =>
    fetch(`${hop.url}/v1/runtimes/${runtimeId}/workers/ada/inputs`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...(key !== null && { 'idempotency-key': key }) },
      body,
    });
  const texts = ['{"text":"one"}', '{"text":"two"}', '{"text":"three"}'] as const;
  for (const [at, text] of texts.entries()) t.is((await send(text, `key-${at}`)).status, 200, text);
  t.deepEqual(done, [...texts]);
  let refused: Response | null = null;
  for (let round = 0; round < 2; round += 1) {
    const answer = await send('{"text":"four"}', null);
    if (answer.status !== 200) refused = answer;
  }
  const problem = (await refused?.json()) as {
    readonly code: string;
    readonly details: { readonly reason: string };
  };
  t.is(problem.code, 'RUNTIME_UNREACHABLE');
  t.is(problem.details.reason, 'maybeDone');
  t.is(done.length, texts.length + 1, 'it was executed once');
});

test('refused credentials of the registry are not the fault of the caller', async (t) => {
  const { hop, path, runtimeId } = await scene(t, 'observe');
  const send = (method: string, suffix: string) =>
    fetch(`${hop.url}${path}${suffix}`, {
      method,
      headers: { 'content-type': 'application/json' },
      ...(method === 'POST' && { body: JSON.stringify({ engine: 'scripted' }) }),
    });
  t.is((await send('GET', '/workers')).status, 200);
  const refused = await send('POST', '/workers');
  t.is(refused.status, 503);
  const { code, details } = (await refused.json()) as { code: string; details: object };
  t.is(code, 'RUNTIME_UNREACHABLE');
  t.deepEqual(details, { runtimeId, reason: 'refused' });
});

test('a request after a refused one with a large body does not wait behind the rest of that body', async (t) => {
  const { hop, path } = await scene(t, 'observe');
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  t.teardown(() => agent.destroy());
  const send = (method: string, body: string): Promise<number | undefined> =>
    new Promise((resolve, reject) => {
      const headers = { 'content-type': 'application/json', 'content-length': body.length };
      const asked = request(`${hop.url}${path}/workers`, { method, agent, headers });
      asked.on('error', reject).end(body);
      asked.once('response', (answer) => {
        answer.resume().once('end', () => resolve(answer.statusCode));
      });
    });
  t.is(await send('POST', ' '.repeat(16_000_000)), 503);
  t.is(await send('GET', ''), 200);
});

test('a large answer arrives whole through the registry', async (t) => {
  const { place, hop, path } = await scene(t);
  await place.runtime.createWorker({ engine: 'scripted', workerId: 'ada' });
  for (let n = 0; n < 40; n += 1)
    await place.runtime.sendInput('ada', { text: 'x'.repeat(200_000) }, { waitMs: 20_000 });
  const answer = await fetch(`${hop.url}${path}/workers/ada/events?after=start`, {
    headers: { accept: 'text/event-stream' },
  });
  const reader = (answer.body as ReadableStream<Uint8Array>).getReader();
  let bytes = 0;
  while (bytes < 8_000_000) {
    const { value, done } = await reader.read();
    if (done) break;
    bytes += value.length;
  }
  t.true(bytes >= 8_000_000);
  await reader.cancel();
});

test('sources that are not valid are refused with what to change, and nothing starts', async (t) => {
  const keys = await makeKeys();
  t.teardown(() => keys.remove());
  const runtime = await Runtime.start({ engines: [scriptedEngine()] });
  t.teardown(() => runtime.stop());
  const { identity } = keys;
  const id = `runtime_${'1'.repeat(26)}`;
  const url = 'http://127.0.0.1:1';
  const cases: readonly (readonly [readonly unknown[], RegExp])[] = [
    [[{ name: '', url }], /1 to 64 letters/],
    [
      [
        { name: 'a', url },
        { name: 'a', runtime },
      ],
      /listed twice/,
    ],
    [[{ name: 'a', url: 'ftp://x' }], /http:\/\/ or https/],
    [[{ name: 'a', url: 'http://u:canary@x' }], /auth\.token/],
    [[{ name: 'a', url: 'http://x/?token=canary' }], /query/],
    [[{ name: 'a', url, runtimeId: 'self' }], /worker-runtime status/],
    [[{ name: 'a', url, auth: { identity } }], /needs its runtimeId/],
    [[{ name: 'a', url, auth: { token: 'canary canary' } }], /ASCII/],
    [
      [
        { name: 'a', url, runtimeId: id },
        { name: 'b', url, runtimeId: id },
      ],
      /same runtimeId as "a"/,
    ],
  ];
  const registry = new Registry([{ name: 'here', runtime }]);
  t.teardown(() => registry.close());
  for (const [sources, message] of cases) {
    for (const make of [() => new Registry(sources as never), () => registry.reload(sources as never)]) {
      const error = t.throws<RuntimeError>(make, { instanceOf: RuntimeError });
      t.is(error?.code, 'INVALID_REQUEST');
      t.regex(error?.message ?? '', message);
      t.notRegex(error?.message ?? '', /canary/);
    }
  }
  t.deepEqual(
    (await registry.entries()).map(({ name }) => name),
    ['here'],
  );
});

test('P26: the document of a registry has each operation of a runtime, and the lists across', async (t) => {
  const { place, hop } = await scene(t);
  const pathsOf = async (base: string): Promise<readonly string[]> => {
    const document = (await (await fetch(`${base}/openapi.json`)).json()) as {
      readonly paths: Readonly<Record<string, object>>;
    };
    return Object.entries(document.paths).flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => `${method} ${path}`),
    );
  };
  const [direct, through] = await Promise.all([pathsOf(place.directUrl), pathsOf(hop.url)]);
  t.deepEqual(
    direct.filter((operation) => !through.includes(operation)),
    [],
  );
  t.deepEqual(through.filter((operation) => !direct.includes(operation)).sort(), [
    'get /v1/requests',
    'get /v1/workers',
  ]);
});

test('P29: a runtime that hangs holds up only the requests to itself', async (t) => {
  const [hung, well] = await Promise.all([RemotePlace.start(), RemotePlace.start()]);
  const hop = await Hop.start([
    { name: 'hung', url: hung.gate.url, runtimeId: hung.runtime.runtimeId },
    { name: 'well', url: well.gate.url, runtimeId: well.runtime.runtimeId },
  ]);
  t.teardown(async () => {
    await hop.close();
    await Promise.all([hung.dispose(), well.dispose()]);
  });
  const pathOf = (place: RemotePlace): string => `${hop.url}/v1/runtimes/${place.runtime.runtimeId}/workers`;
  t.is((await fetch(pathOf(hung))).status, 200);
  hung.gate.hang();
  const abort = new AbortController();
  let settled = 0;
  const waiting = Array.from({ length: 100 }, () =>
    fetch(pathOf(hung), { signal: abort.signal }).then(
      () => {
        settled += 1;
      },
      () => {},
    ),
  );
  for (let round = 0; round < 50; round += 1) t.is((await fetch(pathOf(well))).status, 200);
  t.is(settled, 0, 'the requests to the other runtime still wait');
  abort.abort();
  await Promise.all(waiting);
});
