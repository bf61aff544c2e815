import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { memoryStore, type RuntimePlugin } from '@worker-runtime/core';
import { fsStore } from '@worker-runtime/plugin-fs-store';
import test from 'ava';
import { job, serve, stored } from '../served.ts';
import { Speaker } from '../speaker.ts';
import { linesIn, WsClient } from '../ws-client.ts';

test('a busy Worker does not delay the others on its socket', async (t) => {
  const served = await serve(t);
  await served.runtime.createWorker({ engine: 'speaker', workerId: 'bob' });
  await job(served, 'fill 400 20000');
  const client = await WsClient.open(served.url(), { op: 'subscribe', worker: 'ada', after: 'start' });
  client.ask({ op: 'subscribe', worker: 'bob', after: 'start' });
  const all = await stored(served);
  const frames = await client.untilLine(all.at(-1));
  const first = frames.findIndex(({ data }) => data.type === 'events' && data.worker === 'bob');
  const before = frames.slice(0, first).filter(({ data }) => data.type === 'events').length;
  t.true(before <= 3, `${before} frames of ada before the first of bob`);
  t.deepEqual(linesIn(frames), all);
});

test('P8: sockets that read one long log at different paces receive every event unchanged', async (t) => {
  const dir = await mkdtemp(join(tmpdir(), 'ws-paces-'));
  t.teardown(() => rm(dir, { recursive: true, force: true, maxRetries: 20 }));
  // the lines come from the disk, as in a catch-up
  const served = await serve(t, { plugins: [fsStore({ dir })], limits: { tailBytes: 1 } });
  for (let round = 0; round < 3; round++) await job(served, 'fill 400 2000');
  const all = await stored(served);
  const sockets = Array.from({ length: 6 }, async (_, pace) => {
    const client = await WsClient.open(served.url());
    client.ws.on('message', () => {
      client.ws.pause();
      void (async () => {
        for (let turn = 0; turn < 5 * pace; turn++) await setImmediate();
        client.ws.resume();
      })();
    });
    client.ask({ op: 'subscribe', worker: 'ada', after: 'start' });
    t.true(linesIn(await client.untilLine(all.at(-1))).join('\n') === all.join('\n'), `pace ${pace}`);
    await client.close();
  });
  await Promise.all(sockets);
});

test('while the store hangs for one subscription, the others on its socket continue', async (t) => {
  let release = (): void => {};
  const store = memoryStore();
  const read = store.read.bind(store);
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  let isHeld = false;
  store.read = async (...args) => {
    if (isHeld) await held;
    return read(...args);
  };
  const stuck: RuntimePlugin = { name: 'stuck', apply: (host) => host.useStore(store) };
  const served = await serve(t, { plugins: [stuck], limits: { tailBytes: 1 } });
  await served.runtime.createWorker({ engine: 'speaker', workerId: 'bob' });
  await job(served, 'count 10');
  isHeld = true;
  const client = await WsClient.open(served.url(), { op: 'subscribe', worker: 'ada', after: 'start' });
  client.ask({ op: 'subscribe', worker: 'bob' });
  await client.until((data) => data.type === 'in-flight' && data.worker === 'bob');
  await served.runtime.sendInput('bob', { text: 'led' });
  await served.speaker.say({ type: 'text', text: 'still here' });
  await client.until((data) => data.type === 'delta' && data.text === 'still here');
  release();
  isHeld = false;
  const all = await stored(served);
  t.deepEqual(linesIn(await client.untilLine(all.at(-1))), all);
});

test('P21: the start of a subscription costs no more in a long log than in a short one', async (t) => {
  let bytes = 0;
  const store = memoryStore();
  const read = store.read.bind(store);
  const counting: RuntimePlugin = {
    name: 'counting',
    apply: (host) => {
      store.read = async (...args) => {
        const slice = await read(...args);
        bytes += slice.lines.length;
        return slice;
      };
      host.useStore(store);
    },
  };
  const served = await serve(t, { plugins: [counting], limits: { tailBytes: 1 } });
  const costs: number[] = [];
  for (const text of ['count 50', 'count 20000']) {
    await job(served, text);
    const { asOf } = await served.runtime.getWorker('ada');
    await job(served, 'say hi');
    bytes = 0;
    const client = await WsClient.open(served.url(), { op: 'subscribe', worker: 'ada', after: asOf });
    await client.until(({ type }) => type === 'in-flight');
    costs.push(bytes);
    await client.close();
  }
  const [short, long] = costs as [number, number];
  t.true(long <= short + 64, `${long} bytes are read of the long log, ${short} of the short one`);
});

test('P19: no frame contains a path, a secret or the message of a foreign error', async (t) => {
  const canaries = ['/srv/canary/config', 'token-of-the-canary', Speaker.secret, 'cannot read'];
  const served = await serve(t, { ws: { bookmarkMs: 20 } });
  const client = await WsClient.open(served.url(), { op: 'watch' });
  await served.runtime.createWorker({
    engine: 'speaker',
    workerId: 'bob',
    config: { path: canaries[0] ?? '', token: canaries[1] ?? '' },
    claims: [{ name: 'docs', resource: 'fs:/srv/canary/config', mode: 'write' }],
  });
  client.ask({ op: 'subscribe', worker: 'bob' });
  await client.until(({ type }) => type === 'in-flight');
  await job(served, 'fail', 'bob');
  client.ask({ op: 'subscribe', worker: 'bob', after: '/srv/canary/config' });
  client.ask({ op: 'subscribe', worker: '../../etc/passwd' });
  client.ws.send('token-of-the-canary');
  let errors = 0;
  const frames = [
    ...(await client.until(({ type }) => type === 'error' && ++errors === 3)),
    ...(await client.until((data) => data.type === 'bookmark' && data.worker === 'bob')),
  ];
  t.true(frames.some(({ text }) => text.includes('ENGINE_FAILED')));
  for (const canary of canaries)
    t.deepEqual(
      frames.filter(({ text }) => text.includes(canary)),
      [],
    );
  const error = frames.find(({ data }) => data.type === 'error')?.data;
  const id = error?.type === 'error' ? error.correlationId : '';
  t.is(served.log.filter(({ fields }) => fields.correlationId === id).length, 1);
});

test('P20: closed sockets leave no resources open', async (t) => {
  const served = await serve(t, { limits: { subscriptions: 40 } });
  for (let round = 0; round < 20; round++) {
    const clients = await Promise.all(
      Array.from({ length: 10 }, () =>
        WsClient.open(served.url(), { op: 'watch' }, { op: 'subscribe', worker: 'ada' }),
      ),
    );
    await Promise.all(clients.map((client) => client.until(({ type }) => type === 'in-flight')));
    for (const [at, client] of clients.entries()) {
      if (at % 2 === 0) client.ws.terminate();
      else client.ws.close();
    }
    await Promise.all(clients.map(({ closed }) => closed));
    // the server notices the disconnection a little later
    while ((await sockets()) > 0) await setImmediate();
  }
  t.pass();
});

const sockets = async (): Promise<number> =>
  process.getActiveResourcesInfo().filter((resource) => resource === 'TCPSocketWrap').length;
