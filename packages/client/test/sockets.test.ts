/** Streams over a socket: sharing, flow control, and the fallback to Server-Sent Events. */
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import type { Observation, WatchItem } from '@worker-runtime/core';
import test, { type ExecutionContext } from 'ava';
import { WebSocketServer, WebSocket as WsWebSocket } from 'ws';
import { runtimeClient } from '../src/index.ts';
import { TRANSPORTS } from './live-transports.ts';
import { Rebuilt, storedLines } from './rebuilt.ts';
import { Served } from './served.ts';

const serve = async (t: ExecutionContext) => {
  const served = await Served.start();
  t.teardown(() => served.dispose());
  const api = runtimeClient({ url: served.address, retryMs: 1, retryMaxMs: 5, ...TRANSPORTS.ws });
  return { served, api };
};

const until = async (items: AsyncIterator<Observation>, type: Observation['type']): Promise<Observation> => {
  for (;;) {
    const { value, done } = await items.next();
    if (done) throw new Error(`the stream ended before ${type}`);
    if (value.type === type) return value;
  }
};

test('P5: streams of different Workers share one socket; a second stream of the same Worker gets its own', async (t) => {
  const { served, api } = await serve(t);
  for (let at = 0; at < 10; at++) await api.createWorker({ engine: 'scripted', workerId: `w${at}` });
  served.proxy.reset();
  const before = served.proxy.connections;
  const streams = Array.from({ length: 10 }, (_, at) => api.observe(`w${at}`)[Symbol.asyncIterator]());
  const watch = api.watch()[Symbol.asyncIterator]();
  await Promise.all(streams.map((items) => until(items, 'in-flight')));
  await watch.next();
  t.is(served.proxy.connections - before, 1);
  // a second stream of the same Worker has its own position
  const again = api.observe('w0', { after: 'start' })[Symbol.asyncIterator]();
  t.is((await until(again, 'event')).type, 'event');
  t.is(served.proxy.connections - before, 2);
  for (const items of [...streams, again]) await items.return?.();
  await watch.return?.();
});

test('Workers arrive one a frame from a runtime that announces no batches, and many a frame from one that does', async (t) => {
  const { served } = await serve(t);
  for (const workerId of ['one', 'two', 'three'])
    await served.runtime.createWorker({ engine: 'scripted', workerId });
  const received: unknown[] = [];
  class Recording extends WsWebSocket {
    constructor(url: string, protocols: string[]) {
      super(url, protocols);
      this.on(
        'message',
        (data: Buffer) => void received.push((JSON.parse(data.toString()) as { type: string }).type),
      );
    }
  }
  const watched = async (url: string): Promise<readonly unknown[]> => {
    const seen: unknown[] = [];
    const api = runtimeClient({ url, webSocket: Recording as unknown as typeof WebSocket });
    for await (const item of api.watch()) {
      seen.push(item.type === 'worker' ? item.worker.workerId : item.type);
      if (item.type === 'synced') break;
    }
    return seen;
  };
  t.deepEqual(await watched(served.address), ['one', 'two', 'three', 'synced']);
  t.deepEqual(received, ['hello', 'watching', 'workers', 'synced']);

  // a runtime of an earlier version refuses fields that it does not know
  const asked: unknown[] = [];
  const earlier = new WebSocketServer({
    port: 0,
    host: '127.0.0.1',
    handleProtocols: ([first]) => first ?? false,
  });
  t.teardown(() => earlier.close());
  earlier.on('connection', (socket) => {
    const send = (frame: object): void => socket.send(JSON.stringify(frame));
    send({ type: 'hello', runtimeId: 'runtime_x', protocol: 1, limits: { subscriptions: 10 } });
    socket.on('message', (data: Buffer) => {
      asked.push(JSON.parse(data.toString()));
      send({ type: 'watching' });
      send({ type: 'worker', summary: { workerId: 'one' } });
      send({ type: 'synced', cursor: 'x.w1' });
    });
  });
  await once(earlier, 'listening');
  t.deepEqual(await watched(`http://127.0.0.1:${(earlier.address() as AddressInfo).port}`), [
    'one',
    'synced',
  ]);
  t.deepEqual(asked, [{ op: 'watch', after: null }]);
});

test('a socket is tried again if the runtime started after the first one failed', async (t) => {
  const { served } = await serve(t);
  await served.runtime.createWorker({ engine: 'scripted', workerId: 'ada' });
  const sockets: WsWebSocket[] = [];
  class FirstFails extends WsWebSocket {
    constructor(url: string, protocols: string[]) {
      super(sockets.length === 0 ? 'ws://127.0.0.1:1/' : url, protocols);
      sockets.push(this);
    }
  }
  const api = runtimeClient({ url: served.address, webSocket: FirstFails as unknown as typeof WebSocket });
  const streams = Array.from({ length: 2 }, () => api.observe('ada')[Symbol.asyncIterator]());
  await Promise.all(streams.map((items) => until(items, 'in-flight')));
  const open = sockets.filter(({ readyState }) => readyState === WsWebSocket.OPEN);
  t.is(open.length, 2, 'both streams have a socket');
  for (const items of streams) await items.return?.();
});

test('streams of the same Worker that begin together open their sockets in parallel', async (t) => {
  const { served } = await serve(t);
  await served.runtime.createWorker({ engine: 'scripted', workerId: 'ada' });
  const sockets: WsWebSocket[] = [];
  let mostAtOnce = 0;
  class Counted extends WsWebSocket {
    constructor(...args: ConstructorParameters<typeof WsWebSocket>) {
      super(...args);
      sockets.push(this);
      const connecting = sockets.filter(({ readyState }) => readyState === WsWebSocket.CONNECTING);
      mostAtOnce = Math.max(mostAtOnce, connecting.length);
    }
  }
  const api = runtimeClient({ url: served.address, webSocket: Counted as unknown as typeof WebSocket });
  const streams = Array.from({ length: 5 }, () => api.observe('ada')[Symbol.asyncIterator]());
  await Promise.all(streams.map((items) => until(items, 'in-flight')));
  t.deepEqual([mostAtOnce, sockets.length], [5, 5]);
  for (const items of streams) await items.return?.();
});

test('P8: a stream that is not read delays no other stream, and continues later without loss', async (t) => {
  const { served, api } = await serve(t);
  const text = 'x'.repeat(200_000);
  served.engine.script = {
    flood: Array.from({ length: 60 }, () => ({ type: 'message', parts: [{ type: 'text', text }] }) as const),
    talk: [{ type: 'message', parts: [{ type: 'text', text: 'hello' }] }],
  };
  for (const workerId of ['loud', 'quiet']) await api.createWorker({ engine: 'scripted', workerId });
  const loud = api.observe('loud', { after: 'start', deltas: false })[Symbol.asyncIterator]();
  const quiet = api.observe('quiet', { after: 'start' })[Symbol.asyncIterator]();
  await until(quiet, 'in-flight');
  await loud.next();
  const before = served.proxy.forwarded;
  await served.runtime.sendInput('loud', { text: 'flood' }, { waitMs: 20_000 });
  // the same socket delivers the events of the other stream
  await served.runtime.sendInput('quiet', { text: 'talk' });
  await until(quiet, 'event');
  await served.runtime.sendInput('quiet', { text: 'talk', whenBusy: 'queue' });
  await until(quiet, 'event');
  const arrived = served.proxy.forwarded - before;
  t.log(`${arrived} bytes of 12 MB arrived`);
  t.true(arrived < 8_000_000, `${arrived} of 12 MB`);
  const rebuilt = new Rebuilt(t, 1);
  const log = await storedLines(served.url, 'loud');
  while (rebuilt.lines.length < log.length - 1) rebuilt.take((await loud.next()).value as Observation);
  t.deepEqual(rebuilt.lines, log.slice(1));
  await loud.return?.();
  await quiet.return?.();
});

/** A WebSocket like that of Node 22: after a failed upgrade it emits an error and no close. */
class WithoutClose extends (TRANSPORTS.ws.webSocket as typeof WebSocket) {
  override get onclose(): WebSocket['onclose'] {
    return null;
  }
  override set onclose(_: WebSocket['onclose']) {}
}

const testFallback = async (
  t: ExecutionContext,
  webSocket: typeof WebSocket | null | undefined,
): Promise<void> => {
  const { served } = await serve(t);
  // a proxy that does not support upgrades
  let upgrades = 0;
  const sockets = new Set<Socket>();
  const server = createServer((request, response) => {
    const { url, headers } = request;
    void fetch(`${served.url}${url}`, { headers: headers as Record<string, string> }).then(async (answer) => {
      response.writeHead(answer.status, { 'content-type': answer.headers.get('content-type') ?? '' });
      try {
        for await (const piece of answer.body ?? []) response.write(piece);
      } catch {
        // the reader has disconnected
      }
      response.end();
    });
  });
  server.on('upgrade', (_request, socket) => {
    upgrades += 1;
    socket.end('HTTP/1.1 501 Not Implemented\r\ncontent-length: 0\r\n\r\n');
  });
  server.on('connection', (socket) => sockets.add(socket));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  await served.runtime.createWorker({ engine: 'scripted', workerId: 'ada' });
  const api = runtimeClient({ url: `http://127.0.0.1:${port}`, ...(webSocket && { webSocket }) });
  for (let round = 0; round < 3; round++) {
    const items = api.observe('ada', { after: 'start' })[Symbol.asyncIterator]();
    t.like(await until(items, 'event'), { event: { type: 'worker.created' } });
    await items.return?.();
  }
  // the second upgrade is tried once the runtime has answered over HTTP
  t.is(upgrades, 2);
  await t.throwsAsync(api.observe('nobody')[Symbol.asyncIterator]().next(), { code: 'WORKER_NOT_FOUND' });
};

test('if the upgrade is refused, streams use SSE, and later streams do not try a socket', (t) =>
  testFallback(t, TRANSPORTS.ws.webSocket));
test('if the upgrade is refused, streams use SSE (WebSocket with an error and no close)', (t) =>
  testFallback(t, WithoutClose));
(globalThis.WebSocket ? test : test.skip)(
  'if the upgrade is refused, streams use SSE (WebSocket of Node 22 or newer)',
  (t) => testFallback(t, globalThis.WebSocket),
);

test('P19: a socket carries the token as a subprotocol, and a wrong token is refused with its code', async (t) => {
  const token = 'a-token-of-more-than-32-characters?~for-one-who-observes';
  const { createHash } = await import('node:crypto');
  const sha256 = createHash('sha256').update(token).digest('hex');
  const served = await Served.start({ http: { tokens: [{ name: 'ada', sha256, permission: 'observe' }] } });
  t.teardown(() => served.dispose());
  await served.runtime.createWorker({ engine: 'scripted', workerId: 'ada' });
  served.proxy.reset();
  const before = served.proxy.connections;
  const api = runtimeClient({ url: served.address, token, ...TRANSPORTS.ws });
  const items = api.observe('ada', { after: 'start' })[Symbol.asyncIterator]();
  await until(items, 'event');
  t.is(served.proxy.connections - before, 1);
  await items.return?.();
  const stranger = runtimeClient({ url: served.address, token: token.replace('a', 'b'), ...TRANSPORTS.ws });
  await t.throwsAsync(stranger.observe('ada')[Symbol.asyncIterator]().next(), { code: 'UNAUTHENTICATED' });
});

test('P6: a watch that was paused during its first list starts the list again, so that no deleted Worker stays', async (t) => {
  const { served, api } = await serve(t);
  const count = 3_000;
  for (let at = 0; at < count; at++)
    await served.runtime.createWorker({
      engine: 'scripted',
      workerId: `w${at}`,
      labels: { of: 'x'.repeat(200) },
    });
  const watch = api.watch()[Symbol.asyncIterator]();
  const known = new Set<string>();
  const kinds: string[] = [];
  const readItem = async (): Promise<string> => {
    const { value } = (await watch.next()) as { readonly value: WatchItem };
    kinds.push(value.type);
    if (value.type === 'reset') known.clear();
    else if (value.type === 'worker') known.add(value.worker.workerId);
    else if (value.type === 'worker-removed') known.delete(value.workerId);
    return value.type;
  };
  await readItem();
  // enough time to fill the buffer
  for (let round = 0; round < 200; round++) await api.getWorker('w1');
  await served.runtime.stopWorker('w0');
  await served.runtime.deleteWorker('w0');
  while ((await readItem()) !== 'synced');
  t.true(kinds.includes('reset'));
  t.is(known.size, count - 1);
  t.false(known.has('w0'));
  await watch.return?.();
});
