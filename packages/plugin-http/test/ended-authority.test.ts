import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { connectTo, restOf } from './raw-client.ts';
import { type Served, serveAda } from './served.ts';

const sha256 = (token: string): string => createHash('sha256').update(token).digest('hex');
const bearer = (token: string) => ({ authorization: `Bearer ${token}` });
const text = 'x'.repeat(20_000);
const message = { type: 'message', parts: [{ type: 'text', text }] } as const;
/** More text than the buffers of a connection have room for. */
const MESSAGES = 1_500;

interface Scene extends Served {
  /** Removes the token `brief`. Resolves when it is unknown. */
  readonly withdraw: () => Promise<void>;
}

/** A Worker with a long log, and the tokens `brief` and `long`. */
const scene = async (t: ExecutionContext, drainMs: number): Promise<Scene> => {
  // a stall and a wait take longer
  t.timeout(40_000);
  const folder = await mkdtemp(join(tmpdir(), 'ended-authority-'));
  t.teardown(() => rm(folder, { recursive: true }));
  const tokenFile = join(folder, 'tokens.json');
  const write = (...names: readonly string[]) =>
    writeFile(
      tokenFile,
      JSON.stringify(names.map((name) => ({ name, sha256: sha256(name), permission: 'admin' }))),
      { mode: 0o600 },
    );
  await write('brief', 'long');
  const served = await serveAda(t, { http: { drainMs, stallMs: 600_000, tokenFile } });
  await served.runtime.sendInput('ada', { text: 'go' });
  for (let at = 0; at < MESSAGES; at += 100) await served.puppet.say(Array(100).fill(message));
  return {
    ...served,
    async withdraw() {
      await write('long');
      while ((await served.call('workers', { headers: bearer('brief') })).status !== 401);
    },
  };
};

/** Opens a stream from the first event, and reads only its beginning. */
const behind = async ({ url }: Served): Promise<Socket> => {
  const socket = await connectTo(url('/'));
  const path = '/v1/runtimes/self/workers/ada/events?after=start';
  const headers =
    'host: localhost\r\nconnection: close\r\naccept: text/event-stream\r\nauthorization: Bearer brief';
  socket.write(`GET ${path} HTTP/1.1\r\n${headers}\r\n\r\n`);
  await once(socket, 'readable');
  return socket;
};

test('P109: a stream that is behind when the authority of its caller ends gets its closing frame, and no further events', async (t) => {
  const served = await scene(t, 60_000);
  const socket = await behind(served);
  await served.withdraw();
  const received = await restOf(socket);
  t.regex(received, /event: closing\ndata: \{"reason":"AUTHORITY_EXPIRED"\}/);
  const events = received.split('"type":"message.completed"').length - 1;
  t.true(events < MESSAGES, `${events} events`);
});

test('P109: a stream whose client reads nothing is cut soon after the authority of its caller has ended', async (t) => {
  const served = await scene(t, 50);
  const socket = await behind(served);
  await served.withdraw();
  let metrics = '';
  while (!metrics.includes('worker_runtime_http_streams 0'))
    metrics = (await served.call('/metrics', { headers: bearer('long') })).text;
  t.notRegex(await restOf(socket), /event: closing/);
});

test('P109: a request that waits for a run is answered without it when the authority of its caller ends', async (t) => {
  const { call, puppet, withdraw } = await scene(t, 60_000);
  const headers = { prefer: 'wait=60', ...bearer('brief') };
  const body = { text: 'next', whenBusy: 'queue' };
  const sent = call('workers/ada/inputs', { method: 'POST', body, headers });
  const others = { ...headers, ...bearer('long') };
  let runs = { queued: 0 };
  while (runs.queued === 0) runs = (await call('workers/ada', { headers: others })).body;
  await withdraw();
  const { status, body: receipt } = await sent;
  t.is(status, 202);
  t.like(receipt, { run: null, waited: 'timeout' });
  const waiting = call(`workers/ada/runs/${receipt.runId}`, { headers: others });
  await puppet.finish();
  await puppet.finish();
  t.like(await waiting, { status: 200, body: { waited: 'finished', run: { outcome: 'completed' } } });
});
