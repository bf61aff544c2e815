import { once } from 'node:events';
import type { RuntimePlugin } from '@worker-runtime/core';
import test from 'ava';
import { connectTo, restOf } from './raw-client.ts';
import { prepare, type Served, serveAda } from './served.ts';

const HOST = 'host: localhost\r\n';
const RUNTIME = '/v1/runtimes/self';
const get = (path: string, headers = ''): string => `GET ${path} HTTP/1.1\r\n${HOST}${headers}\r\n`;
const post = (path: string, body: object, headers = ''): string => {
  const text = JSON.stringify(body);
  return `POST ${path} HTTP/1.1\r\n${HOST}content-type: application/json\r\n${headers}content-length: ${text.length}\r\n\r\n${text}`;
};

/** A point in time that a test decides. */
const gate = (): { readonly open: () => void; readonly opened: Promise<void> } => {
  let open = (): void => {};
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { open, opened };
};

/** Sends requests and closes the sending side. Returns everything that arrives, once the server has noticed the end. */
const sendAndEnd = async (
  { url, call }: Served,
  bytes: string,
): Promise<{ readonly rest: Promise<string> }> => {
  const socket = await connectTo(url('/'));
  const rest = restOf(socket);
  socket.end(bytes);
  await once(socket, 'finish');
  await call('/livez');
  return { rest };
};

/** Returns the statuses of the answers, without those of `100 Continue`. */
const statusesIn = (text: string): readonly string[] =>
  [...text.matchAll(/HTTP\/1\.1 (\d{3})/g)].flatMap(([, status = '']) => (status === '100' ? [] : status));

test('P88: a command whose client closes its sending side is answered, also behind others', async (t) => {
  const { open, opened } = gate();
  const slow: RuntimePlugin = {
    name: 'slow',
    apply: ({ hooks }) =>
      hooks.admit.tapPromise(({ type }) => (type === 'worker.input' ? opened : Promise.resolve())),
  };
  const served = await serveAda(t, { plugins: [slow] });
  const { rest } = await sendAndEnd(
    served,
    get(`${RUNTIME}/workers/ada/events`) +
      post(`${RUNTIME}/workers/ada/inputs`, { text: 'go' }) +
      post(`${RUNTIME}/workers/ada/cancel`, {}),
  );
  open();
  t.deepEqual(statusesIn(await rest), ['200', '202', '200']);
});

test('P88: a client that closes its sending side while it waits for a run gets the run', async (t) => {
  const served = await serveAda(t);
  const { puppet } = served;
  const { rest } = await sendAndEnd(
    served,
    post(`${RUNTIME}/workers/ada/inputs`, { text: 'go' }, 'prefer: wait=60\r\n'),
  );
  await puppet.say({ type: 'message', parts: [{ type: 'text', text: 'the answer' }] });
  await puppet.finish();
  t.regex(await rest, /the answer/);
  t.deepEqual(statusesIn(await rest), ['200']);
});

test('P88: a mounted handler whose client closes its sending side is answered to the end', async (t) => {
  const served = prepare(t);
  const { open, opened } = gate();
  served.web.mount('notes', 'observe', () => {
    const pieces = (async function* () {
      yield Buffer.from('[');
      await opened;
      yield Buffer.from(']');
    })();
    return new Response(ReadableStream.from(pieces) as ReadableStream, {
      headers: { 'content-type': 'application/json' },
    });
  });
  await served.runtime.start();
  const { rest } = await sendAndEnd(served, get(`${RUNTIME}/x/notes`));
  open();
  t.regex(await rest, /1\r\n\[\r\n1\r\n\]\r\n0\r\n\r\n$/);
});

test('P20: a client that leaves while it waits for a run holds its connection no longer', async (t) => {
  // less than the wait
  t.timeout(30_000);
  // of two connections, one may wait
  const { url, runtime, puppet, call } = await serveAda(t, { http: { connections: 2 } });
  const socket = await connectTo(url('/'));
  socket.write(post(`${RUNTIME}/workers/ada/inputs`, { text: 'go' }, 'prefer: wait=60\r\n'));
  await puppet.say({ type: 'message', parts: [{ type: 'text', text: 'on' }] });
  const { run } = await runtime.getWorker('ada');
  const wait = () => call(`workers/ada/runs/${run?.runId}`, { headers: { prefer: 'wait=1' } });
  t.is((await wait()).status, 429);
  socket.destroy();
  while ((await wait()).status === 429);
  t.pass();
});

test('P20: a stream ends with the sending side of its client', async (t) => {
  const { url } = await serveAda(t);
  for (const [path, accept] of [
    [`${RUNTIME}/workers/ada/events`, 'text/event-stream'],
    [`${RUNTIME}/watch`, 'application/x-ndjson'],
  ] as const) {
    const socket = await connectTo(url('/'));
    const rest = restOf(socket);
    socket.write(get(path, `accept: ${accept}\r\n`));
    await once(socket, 'data');
    socket.end();
    t.regex(await rest, /^HTTP\/1\.1 200/, accept);
  }
});
