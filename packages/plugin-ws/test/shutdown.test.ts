import { isDeepStrictEqual } from 'node:util';
import { memoryStore, Runtime, type RuntimePlugin } from '@worker-runtime/core';
import { faultyStore } from '@worker-runtime/core/testing';
import { http } from '@worker-runtime/plugin-http';
import { answerTo, RawPeer, textFrame, upgradeRequest } from '@worker-runtime/test-environment/raw-peer';
import test from 'ava';
import { plugin, wsObservation } from '../src/index.ts';
import { job, serve } from './served.ts';
import { linesIn, WsClient } from './ws-client.ts';

test('P4: when the runtime stops, a socket gets what is due, then the reason, and is closed with 1001', async (t) => {
  const served = await serve(t);
  const { runtime, speaker, url } = served;
  const client = await WsClient.open(
    url(),
    { op: 'subscribe', worker: 'ada', after: 'start' },
    { op: 'watch' },
  );
  const idle = await WsClient.open(url());
  await client.until(({ type }) => type === 'in-flight');
  await runtime.sendInput('ada', { text: 'led' });
  await speaker.say({ type: 'text', text: 'half a sen' });
  await runtime.stop({ deadlineMs: 2_000 });
  const frames = await client.rest();
  t.deepEqual(frames.at(-1)?.data, { type: 'closing', reason: 'RUNTIME_STOPPING' });
  t.is(frames.filter(({ data }) => data.type === 'ended').length, 0);
  t.true(linesIn(frames).at(-1)?.includes('"outcome":"interrupted"'));
  t.deepEqual(await client.closed, { code: 1001, reason: 'RUNTIME_STOPPING' });
  t.deepEqual(
    (await idle.rest()).map(({ data }) => data),
    [{ type: 'closing', reason: 'RUNTIME_STOPPING' }],
  );
  t.deepEqual(await idle.closed, { code: 1001, reason: 'RUNTIME_STOPPING' });
});

test('P51: when the store is lost, every subscription ends with STORE_LOST, and new sockets are refused', async (t) => {
  const store = faultyStore(memoryStore());
  const served = await serve(t, { plugins: [{ name: 'faulty', apply: (host) => host.useStore(store) }] });
  const client = await WsClient.open(served.url(), { op: 'subscribe', worker: 'ada' }, { op: 'watch' });
  await client.until(({ type }) => type === 'synced');
  store.takeOver();
  await served.runtime.lost;
  t.regex(await answerTo(served.web.url, upgradeRequest()), /^HTTP\/1\.1 503[\s\S]*STORE_LOST/);
  await served.runtime.stop({ deadlineMs: 2_000 });
  const frames = (await client.rest()).map(({ data }) => data);
  for (const end of [
    { type: 'ended', worker: 'ada', code: 'STORE_LOST' },
    { type: 'ended', code: 'STORE_LOST' },
  ] as const)
    t.true(
      frames.some((frame) => isDeepStrictEqual(frame, end)),
      JSON.stringify(frames),
    );
});

test('P4: a socket that does not read does not keep the runtime from stopping', async (t) => {
  const served = await serve(t, { ws: { drainMs: 50 } });
  await job(served, 'fill 600 20000');
  const peer = await RawPeer.open(served.url());
  await peer.send(textFrame({ op: 'subscribe', worker: 'ada', after: 'start' }));
  await peer.received('events');
  peer.socket.pause();
  await job(served, 'say more');
  await served.runtime.stop({ deadlineMs: 2_000 });
  t.is(served.runtime.status, 'stopped');
  peer.socket.resume();
  t.is(await peer.closed, null);
});

test('an upgrade before the store is open is refused with a problem', async (t) => {
  let early = '';
  const hasty: RuntimePlugin = {
    name: 'hasty',
    apply: ({ hooks }) =>
      hooks.start.tapPromise(async () => {
        early = await answerTo(served.web.url, upgradeRequest());
      }),
  };
  const web = http({ port: 0 });
  const served = { web, runtime: new Runtime({ plugins: [web, wsObservation({ on: web }), hasty] }) };
  await served.runtime.start();
  await served.runtime.stop();
  t.regex(early, /^HTTP\/1\.1 503[\s\S]*RUNTIME_NOT_READY/);
});

test('unknown or invalid options are refused by name', (t) => {
  const on = { onUpgrade: () => {} };
  const refused = t.throws(() => wsObservation({ on, ...{ subscription: 1 } }));
  t.regex(refused.message, /ws\.subscription does not exist; the options are subscriptions, messageBytes/);
  t.throws(() => wsObservation({ on, pingMs: 0 }), { message: /ws\.pingMs must be a whole number/ });
  t.notThrows(() => wsObservation({ on, pingMs: 5 }));
  t.throws(() => plugin({ pingMs: 'soon' }), { message: /ws\.pingMs/ });
});

test('a plugin without a source of connections is refused', (t) => {
  t.throws(() => new Runtime({ plugins: [plugin({})] }), {
    code: 'PLUGIN_FAILED',
    message: /needs a plugin that listens/,
  });
  const connected = plugin({ pingMs: '20000' });
  connected.listenOn({ onUpgrade: () => {} });
  t.notThrows(() => new Runtime({ plugins: [connected] }));
});
