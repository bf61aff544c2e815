/** A backend behind nginx with TLS, configured as docs/backend.md says. */
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import type { IncomingMessage } from 'node:http';
import { request } from 'node:https';
import { join } from 'node:path';
import { text as textOf } from 'node:stream/consumers';
import { setTimeout as delay } from 'node:timers/promises';
import { engine } from '@worker-runtime/core';
import { freePort } from '@worker-runtime/test-environment/postgres-server';
import test, { type ExecutionContext } from 'ava';
import { WebSocket } from 'ws';
import { nginxPath, startNginx } from './nginx.ts';
import { makeFolder, OPERATOR, start } from './scene.ts';

interface Options {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** An engine that finishes its answer after `go`. */
const patient = () => {
  let go = (): void => {};
  const gate = new Promise<void>((resolve) => {
    go = resolve;
  });
  const plugin = {
    name: 'patient',
    apply: (host: { useEngine(given: ReturnType<typeof engine>): void }) =>
      host.useEngine(
        engine('patient', async function* () {
          yield { type: 'text', text: 'first ' };
          await gate;
          yield { type: 'text', text: 'second' };
        }),
      ),
  };
  return { plugin, go: () => go() };
};

const behindNginx = async (t: ExecutionContext, path: string): Promise<void> => {
  const folder = await makeFolder(t);
  const port = await freePort();
  const origin = `https://localhost:${port}`;
  const { plugin, go } = patient();
  const backend = await start(t, folder, {
    listen: { port: 0, publicUrl: origin, trustedProxies: ['127.0.0.1'] },
    workspaces: { default: {}, acme: { plugins: [plugin] } },
  });
  const ca = await startNginx(t, path, folder, port, backend.url);
  const open = async (target: string, options: Options, body?: unknown): Promise<IncomingMessage> => {
    const asked = request(`${origin}${target}`, {
      ca,
      servername: 'localhost',
      // another address than that of nginx
      localAddress: '127.0.0.2',
      ...options,
      headers: { ...(body !== undefined && { 'content-type': 'application/json' }), ...options.headers },
    });
    asked.end(body === undefined ? undefined : body instanceof Uint8Array ? body : JSON.stringify(body));
    const [answer] = await once(asked, 'response');
    return answer as IncomingMessage;
  };
  const send = async (target: string, options: Options, body?: unknown) => {
    const answer = await open(target, options, body);
    const content = await textOf(answer);
    return { status: answer.statusCode, headers: answer.headers, text: content };
  };

  // the link, the page and the cookie are those of the public address
  const link = backend.link(OPERATOR);
  t.true(link.startsWith(`${origin}/login#`));
  t.is((await send('/login', {})).status, 200);
  const login = await send(
    '/v1/session',
    { method: 'POST', headers: { origin } },
    { code: link.split('#')[1] },
  );
  t.is(login.status, 201, login.text);
  const [stored = ''] = login.headers['set-cookie'] ?? [];
  t.regex(stored, /^__Host-wr=.*; Secure$/);
  const headers = { cookie: stored.split(';')[0] ?? '', origin };
  const at = '/w/acme/v1/runtimes/self';
  const worker = `${at}/workers/ada`;
  const create = (given: Readonly<Record<string, string>>) =>
    send(`${at}/workers`, { method: 'POST', headers: given }, { engine: 'patient', workerId: 'ada' });
  t.is((await create({ ...headers, origin: 'https://evil.example' })).status, 403);
  t.is((await create({ ...headers, 'sec-fetch-site': 'cross-site' })).status, 403);
  t.is((await create({ ...headers, host: 'evil.example' })).status, 403);
  const created = await create({ ...headers, 'x-forwarded-for': '203.0.113.7' });
  t.is(created.status, 201, created.text);

  const audited = (await readFile(join(folder, 'backend', 'audit.jsonl'), 'utf8')).split('\n');
  const line = audited.find((one) => one.includes(String(created.headers['x-request-id']))) ?? '{}';
  t.is(JSON.parse(line).from, '127.0.0.2');

  // an event passes while its stream is open: nothing is buffered
  const stream = await open(`${worker}/events?after=start`, {
    headers: { ...headers, accept: 'text/event-stream' },
  });
  let streamed = '';
  stream.setEncoding('utf8').on('data', (chunk: string) => {
    streamed += chunk;
  });
  const streamEnded = once(stream, 'end');
  const socket = new WebSocket(`wss://localhost:${port}${at}/stream`, ['worker-runtime.v1'], { ca, headers });
  const frames: string[] = [];
  socket.on('message', (frame) => frames.push((frame as Buffer).toString()));
  const socketClosed = once(socket, 'close');
  await once(socket, 'open');
  socket.send(JSON.stringify({ op: 'watch' }));

  // a command waits for a run, and its streams have its beginning before it ends
  const waiting = send(
    `${worker}/inputs`,
    { method: 'POST', headers: { ...headers, prefer: 'wait=60' } },
    { text: 'hello' },
  );
  while (!streamed.includes('run.started')) await delay(10);
  while (!frames.some((frame) => frame.includes('"ada"'))) await delay(10);
  t.false(streamed.includes('run.finished'));
  go();
  const receipt = JSON.parse((await waiting).text);
  t.is(receipt.waited, 'finished');
  t.is(receipt.run.messages[0].parts[0].text, 'first second');
  while (!streamed.includes('run.finished')) await delay(10);

  // the largest file passes: the limits are those of the backend
  const file = Buffer.alloc(8 * 1_048_576, 'x');
  const uploaded = await send(
    `${worker}/files`,
    { method: 'POST', headers: { ...headers, 'content-type': 'application/octet-stream' } },
    file,
  );
  t.is(uploaded.status, 200, uploaded.text.slice(0, 500));

  // a logout ends what is open, through nginx too
  const began = performance.now();
  t.is((await send('/v1/session', { method: 'DELETE', headers })).status, 204);
  await Promise.all([streamEnded, socketClosed]);
  t.true(performance.now() - began < 2_000);
  t.regex(streamed, /AUTHORITY_EXPIRED/);
  t.is((await send(`${worker}`, { headers })).status, 401);
};

const title =
  'behind nginx with TLS: logins, commands, streams, sockets, long waits, files and a logout below a prefix';
const path = nginxPath;
if (path === undefined) test.skip(`${title} (skipped: nginx is not installed; NGINX names it)`, () => {});
else test(title, (t) => behindNginx(t, path));
