import { once } from 'node:events';
import { connect } from 'node:net';
import { join } from 'node:path';
import test from 'ava';
import { makePlace, Program, request } from './program.ts';

const DESCRIPTORS = 256;
const CLIENTS = 400;

test('P101: more streams than the process has descriptors leave the store what it needs', async (t) => {
  const place = await makePlace(t);
  const args = ['--plugin', 'fs-store', '--fs-store.dir', join(place, 'store'), '--plugin', 'echo', 'serve'];
  const within = ['bash', '-c', `ulimit -n ${DESCRIPTORS}; exec "$@"`, 'bash'];
  const server = new Program(t, place, [...args, '--port', '0'], {}, within);
  const [, url = ''] = await server.prints(/^worker-runtime listening on (http:\S+)/m);
  const { hostname, port } = new URL(url);
  const workers = Array.from({ length: 100 }, (_, at) => `w${at}`);
  for (const workerId of workers)
    t.is((await request(url, 'POST', '/workers', { engine: 'echo', workerId })).status, 201);

  const clients = await Promise.all(
    Array.from({ length: CLIENTS }, async (_, at) => {
      const socket = connect(Number(port), hostname);
      socket.on('error', () => {});
      t.teardown(() => socket.destroy());
      socket.write(
        `GET /v1/runtimes/self/workers/w${at % 100}/events HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n`,
      );
      const [head] = await Promise.race([once(socket, 'data'), once(socket, 'close')]).catch(() => []);
      const status = Number(/^HTTP\/1\.1 (\d+)/.exec(String(head))?.[1] ?? 0);
      if (status === 200) socket.resume();
      else socket.destroy();
      return status;
    }),
  );
  t.true(clients.includes(200), 'some have a stream');

  for (const workerId of workers) {
    const send = () => request(url, 'POST', `/workers/${workerId}/inputs`, { text: 'go' });
    let { status } = await send();
    // a connection that was refused counts until the server has seen its end
    while (status === 429) ({ status } = await send());
    t.is(status, 202, workerId);
  }
  const { body } = await request<{ items: readonly { code: string }[] }>(url, 'GET', '/diagnostics');
  t.deepEqual(body.items, []);
});
