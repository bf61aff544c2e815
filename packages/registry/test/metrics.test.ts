import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import test, { type ExecutionContext } from 'ava';
import { WebSocket } from 'ws';
import { Hop } from './hop.ts';
import { RemotePlace } from './world.ts';

/** Returns the upstream metrics that a server answers with, by name and labels. */
const scrape = async (hop: Hop): Promise<Readonly<Record<string, number>>> => {
  const text = await (await fetch(`${hop.url}/metrics`)).text();
  const lines = text.split('\n').filter((line) => line.startsWith('worker_runtime_registry_upstream_'));
  return Object.fromEntries(
    lines.map((line) => {
      const at = line.lastIndexOf(' ');
      return [line.slice('worker_runtime_registry_upstream_'.length, at), Number(line.slice(at + 1))];
    }),
  );
};

const serve = async (t: ExecutionContext) => {
  const place = await RemotePlace.start();
  const { runtimeId } = place.runtime;
  const hop = await Hop.start([{ name: 'far', url: place.gate.url, runtimeId }]);
  t.teardown(async () => {
    await hop.close();
    await place.dispose();
  });
  await hop.registry.test('far');
  return { place, hop, url: `${hop.url}/v1/runtimes/${runtimeId}` };
};

const requests = (outcome: string): string => `requests_total{remote="far",outcome="${outcome}"}`;

test('requests to a remote runtime are measured by its name and their outcome, and never by what callers send', async (t) => {
  const { place, hop, url } = await serve(t);
  const before = await scrape(hop);
  t.is(before['unavailable{remote="far"}'], 0);
  for (const path of ['/workers', '/workers/nobody', '/workers?limit=7']) await fetch(url + path);
  await fetch(`${hop.url}/v1/runtimes/runtime_${'1'.repeat(26)}/workers`);
  const after = await scrape(hop);
  // a probe may have come in between
  t.true((after[requests('answered')] ?? 0) >= (before[requests('answered')] ?? 0) + 3);
  t.is(after[requests('unreachable')], 0);
  t.true(
    (after['request_seconds_total{remote="far"}'] ?? 0) >
      (before['request_seconds_total{remote="far"}'] ?? 0),
  );
  t.deepEqual(Object.keys(after), Object.keys(before));
  place.gate.cut();
  t.is((await fetch(`${url}/workers`)).status, 503);
  const down = await scrape(hop);
  t.true((down[requests('unreachable')] ?? 0) >= 1);
  t.is(down['unavailable{remote="far"}'], 1);
});

test('open streams and sockets of a remote runtime are measured until they end', async (t) => {
  const { hop, url } = await serve(t);
  const open = async () => (await scrape(hop))['streams{remote="far"}'];
  const abort = new AbortController();
  const stream = await fetch(`${url}/watch`, {
    headers: { accept: 'text/event-stream' },
    signal: abort.signal,
  });
  t.is(stream.status, 200);
  t.is(await open(), 1);
  const socket = new WebSocket(`${url.replace('http', 'ws')}/stream`, 'worker-runtime.v1');
  await once(socket, 'open');
  t.is(await open(), 2);
  abort.abort();
  socket.terminate();
  while ((await open()) !== 0);
  t.pass();
});

test('a client that leaves before its answer does not make the runtime unreachable', async (t) => {
  const runtimeId = `runtime_${'1'.repeat(26)}`;
  const summary = { runtimeId, versions: { protocol: 1 }, status: 'running' };
  // a server that answers everything but Workers
  const server = createServer((request, response) => {
    if (request.url?.endsWith('/workers')) return void server.emit('waiting');
    response.setHeader('content-type', 'application/json').end(JSON.stringify(summary));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const hop = await Hop.start([{ name: 'far', url: `http://127.0.0.1:${port}`, runtimeId }]);
  t.teardown(async () => {
    await hop.close();
    server.closeAllConnections();
    server.close();
  });
  const { state, since } = await hop.registry.test('far');
  t.is(state, 'ok');
  const abort = new AbortController();
  const asked = fetch(`${hop.url}/v1/runtimes/${runtimeId}/workers`, { signal: abort.signal }).catch(
    () => {},
  );
  await once(server, 'waiting');
  abort.abort();
  await asked;
  while ((await scrape(hop))[requests('left')] !== 1);
  // a state that has changed and changed back has another time
  t.like(await hop.registry.test('far'), { state: 'ok', since });
  t.is((await scrape(hop))['unavailable{remote="far"}'], 0);
});
