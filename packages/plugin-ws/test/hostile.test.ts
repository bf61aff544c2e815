import { createHash } from 'node:crypto';
import {
  answerTo,
  OPCODE,
  RawPeer,
  rawFrame,
  textFrame,
  upgradeRequest,
} from '@worker-runtime/test-environment/raw-peer';
import test from 'ava';
import { WebSocket } from 'ws';
import { STREAM, serve } from './served.ts';
import { SUBPROTOCOL, WsClient } from './ws-client.ts';

const problemIn = (text: string): { readonly status: number; readonly code: string } => {
  const status = Number(/^HTTP\/1\.1 (\d{3})/.exec(text)?.[1]);
  const { code } = JSON.parse(text.slice(text.indexOf('\r\n\r\n') + 4)) as { readonly code: string };
  return { status, code };
};

test('P25: a handshake with a wrong version, path, runtime, Host or Origin is refused with a problem', async (t) => {
  const { url, runtime } = await serve(t);
  const head = upgradeRequest();
  const path = (from: string) => upgradeRequest({ path: from });
  for (const [request, status, code] of [
    [head.replace('worker-runtime.v1', 'worker-runtime.v2'), 426, 'VERSION_UNSUPPORTED'],
    [head.replace(/sec-websocket-protocol: .*\r\n/, ''), 426, 'VERSION_UNSUPPORTED'],
    [head.replace(/sec-websocket-key: .*\r\n/, ''), 400, 'INVALID_REQUEST'],
    [head.replace('version: 13', 'version: 7'), 400, 'INVALID_REQUEST'],
    [head.replace('upgrade: websocket', 'upgrade: chat'), 400, 'INVALID_REQUEST'],
    [path('/v1/runtimes/runtime_other/stream'), 404, 'RUNTIME_NOT_FOUND'],
    [path('/v1/runtimes/self/streams'), 404, 'ROUTE_NOT_FOUND'],
    [path('/'), 404, 'ROUTE_NOT_FOUND'],
    [head.replace('host: localhost', 'host: evil.example'), 403, 'FORBIDDEN'],
    [head.replace('host: localhost', 'host: localhost\r\norigin: https://evil.example'), 403, 'FORBIDDEN'],
  ] as const) {
    t.deepEqual(problemIn(await answerTo(url(), request)), { status, code }, request);
  }
  const own = await WsClient.open(url().replace('self', runtime.runtimeId));
  await own.close();
});

test('P25: a plain request for the stream, with the permission to observe, is answered with 426', async (t) => {
  const { web } = await serve(t);
  for (const path of [STREAM, `${STREAM}?after=start`]) {
    const answer = await fetch(web.url + path);
    t.deepEqual([answer.status, answer.headers.get('upgrade')], [426, 'websocket']);
    t.like(await answer.json(), { code: 'VERSION_UNSUPPORTED', details: { upgrade: 'websocket' } });
  }
  t.is((await fetch(`${web.url}/v1/runtimes/self/streams`)).status, 404);
  const closed = await serve(t, {
    http: { tokens: [{ name: 'console', sha256: '0'.repeat(64), permission: 'observe' }] },
  });
  t.is((await fetch(closed.web.url + STREAM)).status, 401);
});

test('P25: a request that wants to upgrade to another protocol is answered as without that wish', async (t) => {
  const { web } = await serve(t);
  const wish = [
    'host: localhost',
    'connection: close, Upgrade, HTTP2-Settings',
    'http2-settings: AAMAAABkAAQAAP__',
  ];
  for (const upgrade of ['upgrade: h2c', 'upgrade: HTTP/2.0', 'upgrade: TLS/1.0, h2c']) {
    const ask = (path: string) => answerTo(web.url, upgradeRequest({ path, headers: [...wish, upgrade] }));
    t.regex(await ask('/v1/runtimes/self'), /^HTTP\/1\.1 200/);
    t.regex(await ask('/livez'), /^HTTP\/1\.1 200/);
    const stream = await ask(STREAM);
    t.deepEqual(problemIn(stream), { status: 426, code: 'VERSION_UNSUPPORTED' });
    t.regex(stream, /\r\nupgrade: websocket\r\n/i);
  }
  const body = '{"engine":"speaker"}';
  const headers = [
    ...wish,
    'upgrade: h2c',
    'content-type: application/json',
    `content-length: ${body.length}`,
  ];
  const request = upgradeRequest({ path: '/v1/runtimes/self/workers', headers }).replace('GET', 'POST');
  t.regex(await answerTo(web.url, request + body), /^HTTP\/1\.1 201/);
});

test('with tokens, a socket needs one in the header or as a second subprotocol, never in the URL', async (t) => {
  const token = 'a-token-of-more-than-32-characters-for-one-who-observes';
  const sha256 = createHash('sha256').update(token).digest('hex');
  const tokens = [{ name: 'ada', sha256, permission: 'observe' }] as const;
  const { url } = await serve(t, { http: { tokens } });
  const head = upgradeRequest();
  const bearer = `bearer.${Buffer.from(token).toString('base64url')}`;
  const refused = { status: 401, code: 'UNAUTHENTICATED' };
  t.deepEqual(problemIn(await answerTo(url(), head)), refused);
  t.deepEqual(problemIn(await answerTo(url(), head.replace('stream', `stream?token=${token}`))), refused);
  t.deepEqual(
    problemIn(await answerTo(url(), head.replace('.v1', `.v1, ${bearer.replace('Y', 'Z')}`))),
    refused,
  );
  for (const open of [
    () => new WebSocket(url(), [SUBPROTOCOL, bearer]),
    () => new WebSocket(url(), SUBPROTOCOL, { headers: { authorization: `Bearer ${token}` } }),
  ]) {
    const client = new WsClient(open());
    t.is((await client.next())?.data.type, 'hello');
    t.is(client.ws.protocol, SUBPROTOCOL);
    await client.close();
  }
});

test('P23: an invalid message is answered with a pointer to its error; the third one closes with 1008', async (t) => {
  const { url } = await serve(t);
  const pointers: unknown[] = [];
  const messages = [
    'hello',
    '[]',
    '{}',
    '{"op":"shout"}',
    '{"op":"constructor"}',
    '{"op":"subscribe"}',
    '{"op":"subscribe","worker":7}',
    '{"op":"subscribe","worker":"ada","after":1}',
    '{"op":"subscribe","worker":"ada","deltas":"yes"}',
    '{"op":"subscribe","worker":"ada","token":"t"}',
    '{"op":"watch","worker":"ada"}',
    '{"op":"watch","batch":1}',
    '{"op":"watch","after":1}',
    '{"op":"unwatch","worker":"ada"}',
    Buffer.from('{"op":"watch"}'),
  ];
  while (messages.length > 0) {
    const client = await WsClient.open(url());
    for (const message of messages.splice(0, 3)) {
      client.ws.send(message);
      const frame = await client.next();
      t.like(frame?.data, { type: 'error', code: 'INVALID_REQUEST', retryable: false });
      const issues = frame?.data.type === 'error' ? frame.data.details.issues : undefined;
      pointers.push((issues as readonly { readonly pointer: string }[] | undefined)?.[0]?.pointer);
    }
    t.deepEqual((await client.next())?.data, { type: 'closing', reason: 'INVALID_REQUEST' });
    t.deepEqual(await client.closed, { code: 1008, reason: 'INVALID_REQUEST' });
  }
  t.deepEqual(pointers, [
    '',
    '',
    '/op',
    '/op',
    '/op',
    '/worker',
    '/worker',
    '/after',
    '/deltas',
    '/token',
    '/worker',
    '/batch',
    '/after',
    '/worker',
    undefined,
  ]);
});

test('P23: a protocol violation closes the socket with the code of RFC 6455', async (t) => {
  const { url } = await serve(t);
  const { text, continuation, ping } = OPCODE;
  const watch = Buffer.from('{"op":"watch"}');
  for (const [what, code, frames] of [
    ['oversized', 1009, [rawFrame({ opcode: text, payload: Buffer.alloc(16_385, 0x20) })]],
    ['announced as 2^62 bytes', 1009, [Buffer.from([0x81, 0xff, 0x40, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0])]],
    ['no UTF-8', 1007, [rawFrame({ opcode: text, payload: Buffer.from([0x22, 0xff, 0x22]) })]],
    ['not masked', 1002, [rawFrame({ opcode: text, payload: watch, isMasked: false })]],
    ['a reserved opcode', 1002, [rawFrame({ opcode: 3, payload: watch })]],
    ['a continuation of nothing', 1002, [rawFrame({ opcode: continuation, payload: watch })]],
    ['a long ping', 1002, [rawFrame({ opcode: ping, payload: Buffer.alloc(126) })]],
    ['a fragmented ping', 1002, [rawFrame({ opcode: ping, payload: Buffer.alloc(1), isFinal: false })]],
    [
      'fragmented for ever',
      1008,
      Array.from({ length: 1_000 }, (_, at) =>
        rawFrame({ opcode: at === 0 ? text : continuation, payload: Buffer.from(' '), isFinal: false }),
      ),
    ],
    [
      'fragments that are too long together',
      1009,
      Array.from({ length: 5 }, (_, at) =>
        rawFrame({ opcode: at === 0 ? text : continuation, payload: Buffer.alloc(4_000), isFinal: false }),
      ),
    ],
  ] as const) {
    const peer = await RawPeer.open(url());
    await peer.send(...frames);
    t.is(await peer.closed, code, what);
  }
  await (await WsClient.open(url())).close();
});

test('P23: a fragmented message with pings between the fragments is one message', async (t) => {
  const { url } = await serve(t);
  const peer = await RawPeer.open(url());
  const message = Buffer.from('{"op":"unsubscribe","worker":"ada"}');
  for (let at = 0; at < message.length; at++) {
    const isFinal = at === message.length - 1;
    const opcode = at === 0 ? OPCODE.text : OPCODE.continuation;
    await peer.send(rawFrame({ opcode, payload: message.subarray(at, at + 1), isFinal }));
    if (at % 10 === 0) await peer.send(rawFrame({ opcode: OPCODE.ping, payload: Buffer.from([at]) }));
  }
  await peer.received('unsubscribed');
  await peer.send(rawFrame({ opcode: OPCODE.close, payload: Buffer.from([0x03, 0xe8]) }));
  t.is(await peer.closed, 1_000);
  t.deepEqual(
    peer.frames.filter(({ opcode }) => opcode === OPCODE.pong).map(({ payload }) => payload[0]),
    [0, 10, 20, 30],
  );
});

test('P23: a flood of pings is answered with some pongs, including the last, and delays no other socket', async (t) => {
  const { url } = await serve(t);
  const peer = await RawPeer.open(url());
  const flood = Array.from({ length: 20_000 }, (_, at) =>
    rawFrame({ opcode: OPCODE.ping, payload: Buffer.from(String(at)) }),
  );
  await peer.send(...flood);
  await (await WsClient.open(url())).close();
  await peer.send(rawFrame({ opcode: OPCODE.close, payload: Buffer.from([0x03, 0xe8]) }));
  await peer.closed;
  const pongs = peer.frames
    .filter(({ opcode }) => opcode === OPCODE.pong)
    .map(({ payload }) => String(payload));
  t.true(pongs.length < 20_000);
  t.is(pongs.at(-1), '19999');
});

test('P23: a flood of messages by a peer that does not read stays unread until the peer reads', async (t) => {
  const { url, runtime } = await serve(t);
  const peer = await RawPeer.open(url());
  peer.socket.pause();
  const ask = textFrame({ op: 'subscribe', worker: `nobody-${'x'.repeat(100)}` });
  const asks = Buffer.concat(Array.from({ length: 40_000 }, () => ask));
  peer.socket.write(asks);
  // answers are longer than messages, so a server that read all messages would hold all answers by now
  for (let at = 0; at < 20; at++) await (await WsClient.open(url())).close();
  t.true(peer.socket.writableLength > 0);
  t.is(runtime.status, 'running');
  peer.socket.resume();
  await peer.send(textFrame({ op: 'unsubscribe', worker: 'the-end' }));
  await peer.received('unsubscribed');
  await peer.send(rawFrame({ opcode: OPCODE.close, payload: Buffer.from([0x03, 0xe8]) }));
  await peer.closed;
  t.is(peer.messages().filter(({ code }) => code === 'WORKER_NOT_FOUND').length, 40_000);
});

test('P23: subscriptions beyond the limit of a socket, or of the runtime, are refused with a code', async (t) => {
  const { url, runtime } = await serve(t, { ws: { subscriptions: 3 }, limits: { subscriptions: 4 } });
  for (const workerId of ['bob', 'eve', 'kim']) await runtime.createWorker({ engine: 'speaker', workerId });
  const first = await WsClient.open(url(), { op: 'watch' });
  for (const worker of ['ada', 'bob', 'eve']) first.ask({ op: 'subscribe', worker });
  const refused = await first.until(({ type }) => type === 'error');
  t.like(refused.at(-1)?.data, { worker: 'eve', code: 'LIMIT_REACHED', details: { value: 3 } });
  first.ask({ op: 'unsubscribe', worker: 'bob' });
  await first.until(({ type }) => type === 'unsubscribed');
  first.ask({ op: 'subscribe', worker: 'eve' });
  await first.until((data) => data.type === 'snapshot' && data.worker === 'eve');

  const second = await WsClient.open(url(), { op: 'subscribe', worker: 'ada' });
  await second.until(({ type }) => type === 'in-flight');
  second.ask({ op: 'subscribe', worker: 'kim' });
  t.like((await second.next())?.data, {
    type: 'error',
    worker: 'kim',
    code: 'LIMIT_REACHED',
    details: { value: 4 },
  });
  await first.close();
  for (;;) {
    second.ask({ op: 'subscribe', worker: 'kim' });
    const frame = await second.next();
    // the server notices the disconnection a little later
    if (frame?.data.type === 'snapshot') break;
  }
  t.pass();
});

test('P110: one caller never has more subscriptions than it leaves to the others, over all of its sockets', async (t) => {
  const sha256 = (token: string): string => createHash('sha256').update(token).digest('hex');
  const tokens = ['greedy', 'bob'].map(
    (name) => ({ name, sha256: sha256(name), permission: 'observe' }) as const,
  );
  const { url, runtime } = await serve(t, { http: { tokens }, limits: { subscriptions: 8 } });
  const workers = Array.from({ length: 8 }, (_, at) => `w${at}`);
  for (const workerId of workers) await runtime.createWorker({ engine: 'speaker', workerId });
  const open = async (token: string): Promise<WsClient> => {
    const headers = { authorization: `Bearer ${token}` };
    const client = new WsClient(new WebSocket(url(), SUBPROTOCOL, { headers }));
    await client.until(({ type }) => type === 'hello');
    return client;
  };
  const subscribe = async (client: WsClient, worker: string) => {
    client.ask({ op: 'subscribe', worker });
    const [last] = (await client.until(({ type }) => type === 'snapshot' || type === 'error')).slice(-1);
    return last?.data;
  };
  const greedy = [await open('greedy'), await open('greedy')] as const;
  for (const [at, worker] of workers.slice(0, 4).entries())
    t.is((await subscribe(greedy[at % 2 === 0 ? 0 : 1], worker))?.type, 'snapshot');
  const refusal = {
    type: 'error',
    code: 'LIMIT_REACHED',
    details: { limit: 'subscriptionsOfCaller', value: 4 },
  };
  t.like(await subscribe(greedy[0], 'w4'), refusal);
  greedy[1].ask({ op: 'watch' });
  t.like((await greedy[1].until(({ type }) => type === 'error')).at(-1)?.data, { ...refusal, watch: true });

  const bob = await open('bob');
  for (const worker of ['w0', 'w1']) t.is((await subscribe(bob, worker))?.type, 'snapshot');
  t.like(await subscribe(bob, 'w2'), {
    type: 'error',
    details: { limit: 'subscriptionsOfCaller', value: 2 },
  });
  greedy[0].ask({ op: 'unsubscribe', worker: 'w0' });
  await greedy[0].until(({ type }) => type === 'unsubscribed');
  t.is((await subscribe(bob, 'w2'))?.type, 'snapshot');
  await greedy[1].close();
  let last = await subscribe(greedy[0], 'w5');
  // the server notices the disconnection a little later
  while (last?.type === 'error') last = await subscribe(greedy[0], 'w5');
  t.is(last?.type, 'snapshot');
});

test('P23: a silent peer is disconnected after two missed pongs, one that answers is not', async (t) => {
  const { url, logged } = await serve(t, { ws: { pingMs: 200 } });
  const silent = await RawPeer.open(url());
  const alive = await WsClient.open(url());
  t.is(await silent.closed, null);
  t.is(silent.frames.filter(({ opcode }) => opcode === OPCODE.ping).length, 2);
  await logged('disconnected a client that does not answer pings');
  alive.ask({ op: 'unsubscribe', worker: 'ada' });
  t.is((await alive.next())?.data.type, 'unsubscribed');
});
