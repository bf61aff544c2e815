import { once } from 'node:events';
import { createServer } from 'node:net';
import { setImmediate } from 'node:timers/promises';
import {
  memoryStore,
  Runtime,
  RuntimeError,
  type RuntimePlugin,
  type RuntimeStore,
  silentLogger,
} from '@worker-runtime/core';
import { faultyStore } from '@worker-runtime/core/testing';
import test, { type ExecutionContext } from 'ava';
import { TokenAccess } from '../src/access/access.ts';
import { HttpServer, http, plugin } from '../src/index.ts';
import { OneRuntime } from '../src/one-runtime.ts';
import { isProblem, prepare, serve, serveAda } from './served.ts';
import { SseClient } from './sse-client.ts';

/** A store whose opening waits for a promise. */
const heldStore = (held: Promise<void>): RuntimePlugin => {
  const store = memoryStore();
  const opensLater = new Proxy(store, {
    get(target, key) {
      if (key === 'open') {
        return async (...args: Parameters<RuntimeStore['open']>) => {
          await held;
          return target.open(...args);
        };
      }
      const value: unknown = Reflect.get(target, key);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
  return { name: 'held', apply: (host) => host.useStore(opensLater) };
};

const gate = () => {
  let open: () => void = () => {};
  let fail: (error: Error) => void = () => {};
  const passed = new Promise<void>((resolve, reject) => {
    open = resolve;
    fail = reject;
  });
  passed.catch(() => {});
  return { passed, open, fail };
};

test('P12: while the store opens, the process is live but not ready, and answers other requests with 503', async (t) => {
  const { passed, open } = gate();
  const served = prepare(t, { plugins: [heldStore(passed)] });
  const { call, runtime, url } = served;
  const started = runtime.start();
  await served.logged('listening');

  t.deepEqual((await call('/livez')).body, { status: 'alive' });
  const answers = [
    await call('/readyz'),
    await call('/v1/runtimes'),
    await call('workers', { method: 'POST', body: { engine: 'puppet' } }),
    await call('/nowhere'),
    await call('workers/ada/events'),
  ];
  for (const answer of answers) {
    isProblem(t, answer, 503, 'RUNTIME_NOT_READY');
    t.truthy(answer.headers.get('retry-after'));
  }
  for (const path of ['workers/ada/events', 'watch']) {
    const client = await SseClient.open(url(path));
    t.is(client.response.status, 200);
    const frames = await client.rest();
    t.deepEqual(
      frames.map(({ event, data }) => [event, data]),
      [['closing', { reason: 'RUNTIME_NOT_READY' }]],
    );
  }

  open();
  await started;
  t.deepEqual((await call('/readyz')).body, { status: 'ready' });
  t.is((await call('/v1/runtimes')).status, 200);
});

test('P12: a runtime whose store does not open releases its port', async (t) => {
  const { passed, fail } = gate();
  const served = prepare(t, { plugins: [heldStore(passed)] });
  const started = served.runtime.start();
  await served.logged('listening');
  const port = Number(new URL(served.web.url).port);
  fail(new RuntimeError('STORE_LOCKED', 'taken'));
  await t.throwsAsync(started, { message: 'taken' });
  t.throws(() => served.web.url, { code: 'RUNTIME_NOT_READY' });
  const again = createServer().listen(port, '127.0.0.1');
  await once(again, 'listening');
  again.close();
});

test('a port in use fails the start with a code, the port and the reason', async (t) => {
  const taken = createServer().listen(0, '127.0.0.1');
  t.teardown(() => taken.close());
  await once(taken, 'listening');
  const { port } = taken.address() as { readonly port: number };
  const error = await t.throwsAsync<RuntimeError>(Runtime.start({ plugins: [http({ port })] }), {
    code: 'PLUGIN_FAILED',
  });
  t.deepEqual(error?.details, { plugin: 'http', hook: 'start', port, reason: 'EADDRINUSE' });
});

/** Listens on a port as another program does; 0 selects a free one. Rejects if the port is in use. */
const occupy = async (t: ExecutionContext, port = 0) => {
  const taken = createServer().listen(port, '127.0.0.1');
  const release = (): Promise<void> => new Promise((resolve) => taken.close(() => resolve()));
  t.teardown(release);
  await once(taken, 'listening');
  return { port: (taken.address() as { readonly port: number }).port, release };
};

test('P4: a server that is closed while it waits for its port does not listen afterwards', async (t) => {
  const { port, release } = await occupy(t);
  const waiting = gate();
  const log = { ...silentLogger, info: (_: object, text: string) => /waiting/.test(text) && waiting.open() };
  const runtime = new Runtime({});
  const server = new HttpServer(new OneRuntime(runtime), { port, portWaitMs: 60_000 }, log);
  const listening = t.throwsAsync(server.listen(new TokenAccess([])), { code: 'RUNTIME_STOPPING' });
  await waiting.passed;
  await server.close();
  await release();
  await listening;
  t.throws(() => server.url, { code: 'RUNTIME_NOT_READY' });
  await t.notThrowsAsync(occupy(t, port), 'the port is free');
});

test('P4: a server that waits for its port listens when the port is free', async (t) => {
  const { port, release } = await occupy(t);
  const waiting = gate();
  const log = { ...silentLogger, info: (_: object, text: string) => /waiting/.test(text) && waiting.open() };
  const server = new HttpServer(new OneRuntime(new Runtime({})), { port, portWaitMs: 60_000 }, log);
  t.teardown(() => server.close());
  const listening = server.listen(new TokenAccess([]));
  await waiting.passed;
  await release();
  await listening;
  t.is(server.url, `http://127.0.0.1:${port}`);
});

test('P4: a server that is closed at any moment of its start does not listen afterwards', async (t) => {
  let began = 0;
  for (let turns = 0; turns < 60; turns += 1) {
    const { port, release } = await occupy(t);
    await release();
    const server = new HttpServer(new OneRuntime(new Runtime({})), { port }, silentLogger);
    const listening = server.listen(new TokenAccess([])).then(
      () => 'listened',
      (error: RuntimeError) => error.code,
    );
    // the first closes come between steps of the start, the later ones between turns of the event loop
    for (let turn = 0; turn < turns; turn += 1) await (turns < 40 ? Promise.resolve() : setImmediate());
    await server.close();
    const end = await listening;
    if (end === 'listened') began += 1;
    else t.is(end, 'RUNTIME_STOPPING', `${turns}`);
    await t.notThrowsAsync(occupy(t, port), `closed after ${turns} turns: ${end}`);
  }
  t.true(began > 0 && began < 60, `${began} of 60 servers had begun to listen`);
});

test('listening beyond loopback without tokens is refused', async (t) => {
  for (const host of ['0.0.0.0', '::', '192.168.1.1', 'runtime.example']) {
    const error = await t.throwsAsync(Runtime.start({ plugins: [http({ port: 0, host })] }), {
      code: 'INVALID_REQUEST',
    });
    t.regex(error?.message ?? '', /loopback/);
  }
});

test('the server listens on the configured host and reports its URL', async (t) => {
  for (const host of ['localhost', '127.0.0.2']) {
    const { web, call } = await serve(t, { http: { host } });
    t.regex(
      web.url,
      host === 'localhost' ? /^http:\/\/(127\.0\.0\.1|\[::1\]):\d+$/ : /^http:\/\/127\.0\.0\.2:\d+$/,
    );
    t.is((await call('/livez')).status, 200);
  }
});

test('P4: a stop refuses new commands with a code, completes requests in progress and closes the port', async (t) => {
  const served = await serveAda(t);
  const { call, runtime, url } = served;
  const client = await SseClient.open(url('workers/ada/events'));
  await client.next();
  await call('workers/ada/inputs', { method: 'POST', body: { text: 'go' } });
  const address = url('/livez');
  const stopping = runtime.stop({ deadlineMs: 3_000 });
  const late = await call('workers', { method: 'POST', body: { engine: 'puppet' } });
  isProblem(t, late, 503, 'RUNTIME_STOPPING');
  t.is(late.headers.get('connection'), 'close');
  await stopping;
  t.deepEqual((await client.rest()).at(-1)?.data, { reason: 'RUNTIME_STOPPING' });
  await t.throwsAsync(fetch(address));
  t.throws(() => served.web.url, { code: 'RUNTIME_NOT_READY' });
});

test('options are read from values or text; unknown or invalid ones are named', (t) => {
  t.is(plugin({ port: '0', host: '127.0.0.1', allowedHosts: 'a.example, b.example' }).name, 'http');
  t.is(plugin().name, 'http');
  const unknown = t.throws<RuntimeError>(() => plugin({ prot: 1 }), { code: 'INVALID_REQUEST' });
  t.regex(
    unknown?.message ?? '',
    /http\.prot .*port, portWaitMs, host, tokenFile, issuerFile, tokens, allowedHosts/,
  );
  for (const options of [
    { port: 70_000 },
    { port: '80a' },
    { port: -1 },
    { host: '' },
    { host: 1 },
    { bodyBytes: 0 },
    { allowedHosts: [1] },
    { allowedOrigins: true },
    { __proto__: null, constructor: 1 },
  ]) {
    t.throws(() => plugin(options), { code: 'INVALID_REQUEST' });
  }
});

test('P12, P51: a runtime that has lost its store is neither live nor ready, and its streams say why', async (t) => {
  const store = faultyStore(memoryStore());
  const { call, url } = await serveAda(t, {
    plugins: [{ name: 'faulty', apply: (host) => host.useStore(store) }],
  });
  const clients = [await SseClient.open(url('workers/ada/events')), await SseClient.open(url('watch'))];
  for (const client of clients) await client.next();
  store.takeOver();
  for (const client of clients) t.deepEqual((await client.rest()).at(-1)?.data, { reason: 'STORE_LOST' });
  for (const path of ['/livez', '/readyz', '/v1/runtimes', 'workers/ada', 'workers/ada/transcript']) {
    const answer = await call(path);
    isProblem(t, answer, 503, 'STORE_LOST');
    t.false(answer.body.retryable);
    t.is(answer.headers.get('connection'), 'close');
  }
  const input = await call('workers/ada/inputs', { method: 'POST', body: { text: 'late' } });
  isProblem(t, input, 503, 'STORE_LOST');
});
