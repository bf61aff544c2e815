import { createHash } from 'node:crypto';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { type PageQuery, Runtime } from '@worker-runtime/core';
import type { RawPage } from '@worker-runtime/core/plugin-kit';
import test from 'ava';
import { connectTo, problemIn, restOf } from './raw-client.ts';
import { isProblem, prepare, type Served, serveAda } from './served.ts';
import { SseClient } from './sse-client.ts';

/** Counts the pages that are read from the store. */
class Counting extends Runtime {
  static pages = 0;
  override readEvents(workerId: string, query?: PageQuery): Promise<RawPage> {
    if (workerId === 'ada') Counting.pages += 1;
    return super.readEvents(workerId, query);
  }
}

const PAGE = '/v1/runtimes/self/workers/ada/events?limit=1000';
const ask = (path: string, headers = ''): string =>
  `GET ${path} HTTP/1.1\r\nhost: localhost\r\n${headers}\r\n`;

/** Fills the log of `ada`, so that one page of it has almost a megabyte. */
const fill = async ({ puppet, call }: Served): Promise<void> => {
  await call('workers/ada/inputs', { method: 'POST', body: { text: 'go' } });
  const text = 'x'.repeat(230_000);
  for (let count = 0; count < 4; count++) {
    await puppet.say({ type: 'message', parts: [{ type: 'text', text }] });
  }
};

/** Opens a connection that sends requests and reads nothing. */
const deaf = async (served: Served, requests: string): Promise<Socket> => {
  const socket = await connectTo(served.url('/'));
  socket.on('error', () => {});
  socket.pause();
  socket.write(requests);
  return socket;
};

const measured = async ({ call }: Served, name: string): Promise<number> => {
  const { text } = await call('/metrics');
  return Number(new RegExp(`^worker_runtime_${name} (\\d+)$`, 'm').exec(text)?.[1]);
};

test.serial(
  'P8: pipelined requests wait until the answer before them is read, and are then answered in order',
  async (t) => {
    const served = await serveAda(t, { class: Counting });
    await fill(served);
    const REQUESTS = 100;
    const before = Counting.pages;
    const socket = await deaf(served, ask(PAGE).repeat(REQUESTS) + ask('/livez', 'connection: close\r\n'));
    // other clients are served in the meantime
    while (Counting.pages === before) await served.call('workers/ada');
    for (let count = 0; count < 50; count++) t.is((await served.call('workers/ada')).status, 200);
    t.true(Counting.pages - before < REQUESTS / 2, `${Counting.pages - before} pages were read`);
    t.true((await measured(served, 'http_answer_bytes')) < 2_000_000);

    const text = await restOf(socket.resume());
    t.is(text.match(/HTTP\/1\.1 200/g)?.length, REQUESTS + 1);
    t.true(text.endsWith('{"status":"alive"}'));
    t.is(Counting.pages - before, REQUESTS);
  },
);

test('P8: requests behind a stream wait for its end, and a connection with too many of them is closed', async (t) => {
  const served = await serveAda(t);
  const stream = ask('/v1/runtimes/self/watch');
  const few = await deaf(served, stream + ask('/nowhere').repeat(10));
  const many = await deaf(served, stream + ask('/a').repeat(1_500));
  await restOf(many.resume());
  t.is((await served.call('/livez')).status, 200);
  const rest = restOf(few.resume());
  const stopping = served.runtime.stop({ deadlineMs: 5_000 });
  const text = await rest;
  await stopping;
  // the stream, and the answer to the first request behind it, which closes the connection
  t.is(text.match(/HTTP\/1\.1/g)?.length, 2);
});

test('P8: a pipelined command behind an answer that closes the connection is not executed', async (t) => {
  const served = await serveAda(t);
  const body = '{"engine":"puppet","workerId":"late"}';
  const create = `POST /v1/runtimes/self/workers HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`;
  const socket = await connectTo(served.url('/'));
  const rest = restOf(socket);
  const tooLarge = `POST /v1/runtimes/self/workers HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\nexpect: 100-continue\r\ncontent-length: 2000000\r\n\r\n`;
  socket.write(`${tooLarge}${'x'.repeat(2_000_000)}${create}`);
  t.deepEqual(problemIn(await rest), { status: 413, code: 'PAYLOAD_TOO_LARGE' });
  t.is((await served.call('workers/late')).status, 404);
});

test('P8: a client that stops reading a page is disconnected at the stall limit', async (t) => {
  const served = await serveAda(t, { http: { stallMs: 500 } });
  await fill(served);
  const socket = await deaf(served, ask(PAGE).repeat(30));
  await served.logged('disconnected a client that stopped reading');
  const text = await restOf(socket.resume());
  t.true((text.match(/HTTP\/1\.1 200/g)?.length ?? 0) < 30);
});

test('P23: the answers of all clients together stay within a limit, and commands are served at the limit', async (t) => {
  const totalAnswerBytes = 4_000_000;
  const served = await serveAda(t, { http: { totalAnswerBytes } });
  await fill(served);
  const sockets: Socket[] = [];
  for (let count = 0; count < 12; count++) {
    sockets.push(await deaf(served, ask(PAGE).repeat(20)));
    t.true((await measured(served, 'http_answer_bytes')) <= totalAnswerBytes);
  }
  // each of them alone would hold a page by now
  const stalled = () => served.log.some(({ message }) => message.startsWith('disconnected'));
  let refused = served.log.some(({ fields }) => fields.code === 'LIMIT_REACHED');
  while (!refused && !stalled()) {
    const answer = await served.call(PAGE);
    refused = answer.status === 429;
    if (refused) {
      isProblem(t, answer, 429, 'LIMIT_REACHED');
      t.deepEqual(answer.body.details, { limit: 'totalAnswerBytes', value: totalAnswerBytes });
    }
  }
  const created = await served.call('workers', { method: 'POST', body: { engine: 'puppet' } });
  t.is(created.status, 201);
  for (const socket of sockets) socket.destroy();
  let page = await served.call(PAGE);
  while (page.status === 429) page = await served.call(PAGE);
  t.is(page.status, 200);
});

test('P23: the bodies of all clients together stay within a limit; slow ones make room for others', async (t) => {
  const totalBodyBytes = 200_000;
  const served = await serveAda(t, { http: { totalBodyBytes } });
  const head = (length: string): string =>
    `POST /v1/runtimes/self/workers HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n${length}\r\n\r\n`;
  const sockets: Socket[] = [];
  for (let count = 0; count < 10; count++) {
    const socket = await deaf(served, `${head('content-length: 60000')}{"engine":`);
    sockets.push(socket);
    t.true((await measured(served, 'http_body_bytes')) <= totalBodyBytes);
  }
  // a body of unknown length counts as the largest one
  sockets.push(await deaf(served, `${head('transfer-encoding: chunked')}1\r\n{\r\n`));
  const text = 'x'.repeat(50_000);
  const send = () => served.call('workers/ada/inputs', { method: 'POST', body: { text: `say ${text}` } });
  let answer = await send();
  while (answer.status === 429) {
    isProblem(t, answer, 429, 'LIMIT_REACHED');
    t.deepEqual(answer.body.details, { limit: 'totalBodyBytes', value: totalBodyBytes });
    answer = await send();
  }
  t.is(answer.status, 202);
  for (const socket of sockets) socket.destroy();
});

test('P23: streams, sockets and waiting requests leave a tenth of the connections to others', async (t) => {
  const served = prepare(t, { http: { connections: 20 } });
  served.web.onUpgrade(({ request, socket }) => {
    if (request.headers.upgrade !== 'websocket') return false;
    socket.write('HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n');
    socket.resume();
    socket.once('end', () => socket.end());
    return true;
  });
  await served.runtime.start();
  const { call, url } = served;
  await call('workers', { method: 'POST', body: { engine: 'puppet', workerId: 'ada' } });
  const upgrade = ask('/chat', 'connection: upgrade\r\nupgrade: websocket\r\n');
  const held: Socket[] = [];
  for (let count = 0; count < 18; count++) {
    const socket = await connectTo(url('/'));
    held.push(socket);
    socket.write(count % 2 === 0 ? upgrade : ask('/v1/runtimes/self/watch'));
    await once(socket, 'data');
  }
  const refused = await connectTo(url('/'));
  const rest = restOf(refused);
  refused.write(upgrade);
  t.deepEqual(problemIn(await rest), { status: 429, code: 'LIMIT_REACHED' });
  for (const path of ['watch', 'workers/ada/events']) {
    const stream = await SseClient.open(url(path));
    t.deepEqual((await stream.rest()).at(-1)?.data, { reason: 'LIMIT_REACHED' });
  }
  // commands work, and a wait is a preference only
  const input = await call('workers/ada/inputs', {
    method: 'POST',
    body: { text: 'go' },
    headers: { prefer: 'wait=60' },
  });
  t.deepEqual([input.status, input.headers.get('preference-applied')], [202, null]);
  const waiting = await call(`workers/ada/runs/${input.body.runId}`, { headers: { prefer: 'wait=60' } });
  isProblem(t, waiting, 429, 'LIMIT_REACHED');
  t.deepEqual(waiting.body.details, { limit: 'heldConnections', value: 18 });
  t.is((await call('workers/ada/cancel', { method: 'POST' })).status, 200);

  held[0]?.destroy();
  let frames = [''];
  while (frames.at(-1) !== 'synced') {
    const stream = await SseClient.open(url('watch'));
    frames = [];
    while (!['synced', 'closing'].includes(frames.at(-1) ?? '')) frames.push((await stream.next()).event);
    stream.close();
  }
  for (const socket of held) socket.destroy();
  t.pass();
});

test('P110: one caller never holds more connections than it leaves to the others, and others always get some', async (t) => {
  const tokens = ['greedy', 'bob', 'cid'].map(
    (name) =>
      ({ name, permission: 'admin', sha256: createHash('sha256').update(name).digest('hex') }) as const,
  );
  const { call, web } = await serveAda(t, { http: { connections: 20, tokens } });
  const open = async (token: string): Promise<{ readonly socket: Socket; readonly text: string }> => {
    const socket = await connectTo(web.url);
    const headers = `accept: text/event-stream\r\nauthorization: Bearer ${token}\r\n`;
    socket.write(ask('/v1/runtimes/self/watch', headers));
    let text = '';
    socket.setEncoding('utf8').on('data', (piece: string) => {
      text += piece;
    });
    while (!/event: (?:synced|closing)/.test(text)) await once(socket, 'data');
    return { socket, text };
  };
  /** Opens streams until one is refused. */
  const openAll = async (token: string): Promise<readonly Socket[]> => {
    const sockets: Socket[] = [];
    for (;;) {
      const { socket, text } = await open(token);
      if (!text.includes('event: synced')) {
        t.regex(text, /LIMIT_REACHED/);
        return sockets;
      }
      sockets.push(socket);
    }
  };
  const greedy = await openAll('greedy');
  t.is(greedy.length, 9);
  const bearer = (token: string) => ({ authorization: `Bearer ${token}` });
  const body = { text: 'go' };
  const wait = { prefer: 'wait=60', ...bearer('greedy') };
  const input = await call('workers/ada/inputs', { method: 'POST', body, headers: wait });
  t.deepEqual([input.status, input.headers.get('preference-applied')], [202, null]);
  const waiting = await call(`workers/ada/runs/${input.body.runId}`, { headers: wait });
  isProblem(t, waiting, 429, 'LIMIT_REACHED');
  t.deepEqual(waiting.body.details, { limit: 'heldConnectionsOfCaller', value: 9 });

  const bob = await openAll('bob');
  const cid = await openAll('cid');
  t.deepEqual([bob.length, cid.length], [5, 2]);
  t.is((await call('workers', { headers: bearer('greedy') })).status, 200);
  for (const socket of greedy) socket.destroy();
  let freed: readonly Socket[] = [];
  while (freed.length === 0) freed = await openAll('cid');
  for (const socket of [...bob, ...cid, ...freed]) socket.destroy();
});

test('P23: connections without a request make room for others', async (t) => {
  const served = await serveAda(t, {
    http: { connections: 8, requestTimeoutMs: 600_000, idleTimeoutMs: 600_000 },
  });
  const sockets = await Promise.all(
    Array.from({ length: 8 }, (_, index) =>
      deaf(served, index % 2 === 0 ? 'GET /livez HTTP/1.1\r\nhost: ' : ''),
    ),
  );
  let answer = await served.call('workers', { method: 'POST', body: { engine: 'puppet' } });
  while (answer.status === 429) {
    isProblem(t, answer, 429, 'LIMIT_REACHED');
    answer = await served.call('workers', { method: 'POST', body: { engine: 'puppet' } });
  }
  t.is(answer.status, 201);
  for (const socket of sockets) socket.destroy();
});
