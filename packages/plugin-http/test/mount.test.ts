import { createHash } from 'node:crypto';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import type { Permission } from '@worker-runtime/core/scope';
import type { ExecutionContext } from 'ava';
import test from 'ava';
import type { MountContext, MountHandler } from '../src/index.ts';
import { contract } from './contract.ts';
import { connectTo, restOf } from './raw-client.ts';
import { isProblem, prepare, type Served, type ServeOptions } from './served.ts';

const sha256 = (token: string): string => createHash('sha256').update(token).digest('hex');
const bearer = (token: string) => ({ authorization: `Bearer ${token}` });
const tokens = [
  { name: 'reader', sha256: sha256('reads'), permission: 'observe' },
  { name: 'operator', sha256: sha256('operates'), permission: 'operate' },
  { name: 'blue', sha256: sha256('blue'), permission: 'operate', workers: [{ team: 'blue' }] },
] as const;

/** Starts a server with a handler at `x/notes`. */
const mounted = async (
  t: ExecutionContext,
  handler: MountHandler,
  options: ServeOptions = {},
  permission: Permission = 'observe',
): Promise<Served> => {
  const served = prepare(t, options);
  served.web.mount('notes', permission, handler);
  await served.runtime.start();
  return served;
};

const measured = async ({ call }: Served, line: RegExp): Promise<number> => {
  const { text } = await call('/metrics');
  return Number(line.exec(text)?.[1]);
};

const UNREAD = /^worker_runtime_http_answer_bytes (\d+)$/m;

test('a handler is mounted below the runtime, for its path and all below, and the document leaves it out', async (t) => {
  const served = await mounted(t, async (request, { path, served: runtime }) =>
    Response.json(
      {
        path,
        method: request.method,
        search: new URL(request.url).search,
        text: await request.text(),
        workers: (await runtime.listWorkers()).items.length,
      },
      { status: 202, headers: { 'x-own': 'yes', 'content-length': '1', 'x-request-id': 'forged' } },
    ),
  );
  const answer = await served.call('x/notes/a/b?c=d', {
    method: 'POST',
    body: { e: 1 },
    headers: { 'x-request-id': 'mine' },
  });
  t.is(answer.status, 202);
  t.deepEqual(answer.body, { path: '/a/b', method: 'POST', search: '?c=d', text: '{"e":1}', workers: 0 });
  t.is(answer.headers.get('x-own'), 'yes');
  t.is(answer.headers.get('x-request-id'), 'mine');
  t.is(answer.headers.get('x-content-type-options'), 'nosniff');
  t.is((await served.call('x/notes')).body.path, '');
  const head = await served.call('x/notes', { method: 'HEAD' });
  t.deepEqual([head.status, head.text], [202, '']);
  isProblem(t, await served.call('x/other'), 404, 'ROUTE_NOT_FOUND');
  const counted =
    /^worker_runtime_http_requests_total\{method="POST",route="\/v1\/runtimes\/:r\/x\/notes\/\*",status="202"\} (\d+)$/m;
  t.is(await measured(served, counted), 1);
  t.false(Object.keys(contract.document.paths).some((path) => path.includes('/x/')));
  t.throws(() => served.web.mount('../notes', 'observe', () => new Response()), { code: 'INVALID_REQUEST' });
  t.throws(() => served.web.mount('notes', 'observe', () => new Response()), { code: 'INVALID_REQUEST' });
});

test('without a mount the path is unknown', async (t) => {
  const served = prepare(t);
  await served.runtime.start();
  isProblem(t, await served.call('x/notes'), 404, 'ROUTE_NOT_FOUND');
  isProblem(t, await served.call('x/notes/below', { method: 'POST', body: {} }), 404, 'ROUTE_NOT_FOUND');
});

test('P70: a mounted handler is called only for a known token with its permission, an own Host and an own Origin', async (t) => {
  let calls = 0;
  const seen: MountContext[] = [];
  const served = await mounted(
    t,
    async (request, context) => {
      calls += 1;
      seen.push(context);
      return Response.json([request.headers.get('authorization'), request.headers.get('cookie')]);
    },
    { http: { tokens } },
    'operate',
  );
  isProblem(t, await served.call('x/notes'), 401, 'UNAUTHENTICATED');
  isProblem(t, await served.call('x/notes', { headers: bearer('guessed') }), 401, 'UNAUTHENTICATED');
  isProblem(t, await served.call('x/notes/below', { headers: bearer('reads') }), 403, 'FORBIDDEN');
  isProblem(
    t,
    await served.call('x/notes', { headers: { ...bearer('operates'), origin: 'https://evil.example' } }),
    403,
    'FORBIDDEN',
  );
  const socket = await connectTo(served.url('/'));
  const rest = restOf(socket);
  socket.write(
    'GET /v1/runtimes/self/x/notes HTTP/1.1\r\nhost: evil.example\r\nauthorization: Bearer operates\r\nconnection: close\r\n\r\n',
  );
  t.regex(await rest, /^HTTP\/1\.1 403/);
  t.is(calls, 0);

  const { body } = await served.call('x/notes', { headers: { ...bearer('operates'), cookie: 'a=b' } });
  t.deepEqual(body, [null, null]);
  t.is(seen[0]?.caller.name, 'operator');
});

test('P70: a mounted handler sees and does with the runtime only what its caller may', async (t) => {
  const served = await mounted(
    t,
    async (request, { served: runtime }) => {
      if (request.method === 'GET')
        return Response.json((await runtime.listWorkers()).items.map(({ workerId }) => workerId));
      await runtime.createWorker({ engine: 'puppet', workerId: 'made' });
      return new Response(null, { status: 201 });
    },
    { http: { tokens } },
  );
  await served.runtime.createWorker({ engine: 'puppet', workerId: 'ada', labels: { team: 'blue' } });
  await served.runtime.createWorker({ engine: 'puppet', workerId: 'bob' });
  t.deepEqual((await served.call('x/notes', { headers: bearer('blue') })).body, ['ada']);
  t.deepEqual((await served.call('x/notes', { headers: bearer('reads') })).body, ['ada', 'bob']);
  isProblem(t, await served.call('x/notes', { method: 'POST', headers: bearer('reads') }), 403, 'FORBIDDEN');
  t.is((await served.call('x/notes', { method: 'POST', headers: bearer('operates') })).status, 201);
});

test('P19: an error of a mounted handler is a problem without its message, and the log has the cause', async (t) => {
  const served = await mounted(t, () => {
    throw new Error('cannot read /srv/canary/token-4711');
  });
  const answer = await served.call('x/notes');
  isProblem(t, answer, 500, 'INTERNAL');
  t.false(answer.text.includes('canary'));
  t.true(served.log.some(({ fields }) => fields.correlationId === answer.body.correlationId));
});

test('P70: bodies of any type reach a handler whole, and none beyond the limit', async (t) => {
  let calls = 0;
  const served = await mounted(
    t,
    async (request) => {
      calls += 1;
      return new Response(await request.arrayBuffer(), {
        headers: { 'content-type': 'application/octet-stream' },
      });
    },
    { http: { bodyBytes: 1_000 } },
  );
  const send = (body: Uint8Array<ArrayBuffer>) =>
    fetch(served.url('x/notes'), { method: 'POST', body, headers: { 'content-type': 'application/x-any' } });
  const exact = await send(new Uint8Array(1_000).fill(7));
  t.deepEqual(new Uint8Array(await exact.arrayBuffer()), new Uint8Array(1_000).fill(7));
  t.is((await send(new Uint8Array(1_001))).status, 413);
  const socket = await connectTo(served.url('/'));
  const rest = restOf(socket);
  socket.write(
    `POST /v1/runtimes/self/x/notes HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n7d0\r\n${'x'.repeat(2_000)}\r\n0\r\n\r\n`,
  );
  t.regex(await rest, /^HTTP\/1\.1 413/);
  t.is(calls, 1);
});

test('P70: an aborted client aborts the signal of its request, and cancels the body of the answer', async (t) => {
  let aborted: (() => void) | undefined;
  const signalled = new Promise<void>((resolve) => {
    aborted = resolve;
  });
  let cancelled: (() => void) | undefined;
  const isCancelled = new Promise<void>((resolve) => {
    cancelled = resolve;
  });
  const served = await mounted(t, (request) => {
    request.signal.addEventListener('abort', () => aborted?.());
    const body = new ReadableStream({
      start: (stream) => stream.enqueue(Buffer.from('first')),
      cancel: () => cancelled?.(),
    });
    return new Response(body);
  });
  const leaving = new AbortController();
  const answer = await fetch(served.url('x/notes'), { signal: leaving.signal });
  const reader = answer.body?.getReader();
  t.is(Buffer.from((await reader?.read())?.value ?? []).toString(), 'first');
  leaving.abort();
  await Promise.all([signalled, isCancelled]);
  t.pass();
});

const PIECE = Buffer.alloc(65_536, 120);

/** Streams pieces without end, and counts them. */
const endless =
  (count: () => void): MountHandler =>
  () =>
    new Response(
      new ReadableStream({
        pull: (stream) => {
          count();
          stream.enqueue(new Uint8Array(PIECE));
        },
      }),
    );

test('P70: a stream of a handler is read as fast as its client reads, and a client that stalls is disconnected', async (t) => {
  let pieces = 0;
  const served = await mounted(
    t,
    endless(() => {
      pieces += 1;
    }),
    { http: { stallMs: 1_500 } },
  );
  const socket = await connectTo(served.url('/'));
  socket.on('error', () => {});
  socket.pause();
  socket.write('GET /v1/runtimes/self/x/notes HTTP/1.1\r\nhost: localhost\r\n\r\n');
  await served.logged('disconnected a client that stopped reading');
  // what the kernel holds for both ends, and nothing in the process
  t.true(pieces * PIECE.length < 32 * 1_048_576, `${pieces} pieces`);
  t.is(await measured(served, UNREAD), 0);
});

test('P23: a large answer of a handler counts as a whole until it is read, and all of them stay within the limit', async (t) => {
  const large = new Uint8Array(32 * 1_048_576);
  const totalAnswerBytes = 80 * 1_048_576;
  const served = await mounted(
    t,
    () =>
      new Response(
        new ReadableStream({
          start: (stream) => {
            stream.enqueue(large);
            stream.close();
          },
        }),
      ),
    { http: { totalAnswerBytes, stallMs: 600_000 } },
  );
  const stall = async (): Promise<Socket> => {
    const socket = await connectTo(served.url('/'));
    socket.on('error', () => {});
    socket.write('GET /v1/runtimes/self/x/notes HTTP/1.1\r\nhost: localhost\r\n\r\n');
    // the server disconnects one for which it has no room
    await Promise.race([once(socket, 'readable'), once(socket, 'close')]);
    return socket;
  };
  const sockets = [await stall()];
  // less by what the buffers of the connection have taken
  t.true((await measured(served, UNREAD)) > large.length / 2);
  for (let at = 0; at < 5; at += 1) {
    sockets.push(await stall());
    const bytes = await measured(served, UNREAD);
    t.true(bytes <= totalAnswerBytes, `${bytes} bytes`);
  }
  // clients that stall for a second make room for one that reads
  let whole = 0;
  while (whole !== large.length)
    whole = await fetch(served.url('x/notes')).then(
      async (answer) => (await answer.arrayBuffer().catch(() => ({ byteLength: 0 }))).byteLength,
    );
  for (const socket of sockets) socket.destroy();
});

test('a body that is not bytes, or that fails, ends the connection, and the log has the error', async (t) => {
  const served = await mounted(t, (request) => {
    const isBytes = new URL(request.url).search === '';
    return new Response(
      new ReadableStream({
        start: (stream) => {
          if (isBytes) stream.error(new Error('broken'));
          else stream.enqueue('text' as unknown as Uint8Array);
        },
      }),
    );
  });
  for (const path of ['x/notes', 'x/notes?text']) {
    await t.throwsAsync(async () => (await fetch(served.url(path))).text());
  }
  t.is(served.log.filter(({ message }) => message === 'a mounted answer failed').length, 2);
});

test('P70: at a stop the signal of a handler aborts, and its client gets its last words', async (t) => {
  const served = await mounted(t, (_request, { ending }) => {
    const body = new ReadableStream({
      start: (stream) => {
        stream.enqueue(Buffer.from('begin '));
        ending.addEventListener('abort', () => {
          stream.enqueue(Buffer.from(`last words: ${ending.reason.code}`));
          stream.close();
        });
      },
    });
    return new Response(body, { headers: { 'content-type': 'text/event-stream' } });
  });
  const answer = await fetch(served.url('x/notes'));
  t.is(await measured(served, /^worker_runtime_http_streams (\d+)$/m), 1);
  const text = answer.text();
  await served.runtime.stop({ deadlineMs: 5_000 });
  t.is(await text, 'begin last words: RUNTIME_STOPPING');
});

test('P70: a handler that does not end at a stop is cut after the drain', async (t) => {
  const served = await mounted(
    t,
    endless(() => {}),
    { http: { drainMs: 50 } },
  );
  const answer = await fetch(served.url('x/notes'));
  const failed = t.throwsAsync(async () => answer.text());
  await served.runtime.stop({ deadlineMs: 5_000 });
  await failed;
});

test('P70: when the authority of its caller ends, the signal of a handler aborts, and an answer that continues is cut', async (t) => {
  const expiring = {
    name: 'brief',
    sha256: sha256('brief'),
    permission: 'observe',
    expiresAt: new Date(Date.now() + 5_000).toISOString(),
  } as const;
  let reason: unknown;
  const served = await mounted(
    t,
    (_request, { ending }) => {
      ending.addEventListener('abort', () => {
        reason = ending.reason.code;
      });
      return new Response(new ReadableStream({ start: (stream) => stream.enqueue(Buffer.from('begin')) }));
    },
    { http: { tokens: [expiring], drainMs: 50 } },
  );
  const answer = await fetch(served.url('x/notes'), { headers: bearer('brief') });
  t.is(answer.status, 200);
  await t.throwsAsync(async () => answer.text());
  t.is(reason, 'AUTHORITY_EXPIRED');
});

test('P23: answers of handlers hold at most nine tenths of the connections', async (t) => {
  const served = await mounted(
    t,
    () => new Response(new ReadableStream({ start: (stream) => stream.enqueue(Buffer.from('x')) })),
    { http: { connections: 10 } },
  );
  const held = await Promise.all(Array.from({ length: 9 }, () => fetch(served.url('x/notes'))));
  t.true(held.every(({ status }) => status === 200));
  const refused = await fetch(served.url('x/notes'));
  t.is(refused.status, 429);
  await refused.text();
  for (const { body } of held) await body?.cancel();
});

test('a page of an allowed origin may call a handler, after a preflight', async (t) => {
  const served = await mounted(t, () => new Response('hello'), {
    http: { allowedOrigins: ['https://ui.example'] },
  });
  const preflight = await served.call('x/notes/chat', {
    method: 'OPTIONS',
    headers: {
      origin: 'https://ui.example',
      'access-control-request-method': 'POST',
      'access-control-request-headers': 'authorization, mcp-protocol-version, x-stainless-os',
    },
  });
  t.is(preflight.status, 204);
  t.regex(preflight.headers.get('access-control-allow-methods') ?? '', /POST/);
  // the asterisk stands for the headers of a protocol, and not for `authorization`
  t.is(preflight.headers.get('access-control-allow-headers'), 'authorization, *');
  const ofTheApi = await served.call('workers', {
    method: 'OPTIONS',
    headers: { origin: 'https://ui.example', 'access-control-request-method': 'POST' },
  });
  t.notRegex(ofTheApi.headers.get('access-control-allow-headers') ?? '*', /\*/);
  const answer = await served.call('x/notes', { headers: { origin: 'https://ui.example' } });
  t.is(answer.headers.get('access-control-allow-origin'), 'https://ui.example');
  t.is(answer.headers.get('access-control-expose-headers'), '*');
});

test('an answer of a handler keeps each of its cookies, and what else its content depends on', async (t) => {
  const served = await mounted(
    t,
    () =>
      new Response('hello', {
        headers: [
          ['set-cookie', 'a=1'],
          ['set-cookie', 'b=2'],
          ['set-cookie', 'c=3'],
          ['vary', 'accept'],
        ],
      }),
    { http: { allowedOrigins: ['https://ui.example'] } },
  );
  const { headers } = await served.call('x/notes', { headers: { origin: 'https://ui.example' } });
  t.deepEqual(headers.getSetCookie(), ['a=1', 'b=2', 'c=3']);
  t.is(headers.get('vary'), 'origin, accept');
});

test('P19: a Host that is no part of an address is refused before a handler', async (t) => {
  let calls = 0;
  const served = await mounted(t, () => {
    calls += 1;
    return new Response('hello');
  });
  for (const host of ['localhost:65536', 'localhost:99999', '[::1]:70000', '[:::]', '127.0.0.1:x']) {
    const socket = await connectTo(served.url('/'));
    const rest = restOf(socket);
    socket.write(`GET /v1/runtimes/self/x/notes HTTP/1.1\r\nhost: ${host}\r\nconnection: close\r\n\r\n`);
    t.regex(await rest, /^HTTP\/1\.1 403 /, host);
  }
  t.is(calls, 0);
});
