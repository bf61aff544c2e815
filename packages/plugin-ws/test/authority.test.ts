import { createHash } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { WebSocket } from 'ws';
import { job, type Served, serve, stored } from './served.ts';
import { linesIn, SUBPROTOCOL, WsClient } from './ws-client.ts';

const sha256 = (token: string): string => createHash('sha256').update(token).digest('hex');

/** A client that reads only the beginning of a long log. `withdraw` removes its token, and resolves when it is unknown. */
const behind = async (
  t: ExecutionContext,
  drainMs: number,
): Promise<{
  readonly served: Served;
  readonly client: WsClient;
  readonly withdraw: () => Promise<void>;
}> => {
  // a stall takes longer
  t.timeout(40_000);
  const folder = await mkdtemp(join(tmpdir(), 'ws-authority-'));
  t.teardown(() => rm(folder, { recursive: true }));
  const tokenFile = join(folder, 'tokens.json');
  const write = (name: string) =>
    writeFile(tokenFile, JSON.stringify([{ name, sha256: sha256(name), permission: 'observe' }]), {
      mode: 0o600,
    });
  await write('brief');
  const served = await serve(t, { http: { tokenFile }, ws: { drainMs, stallMs: 600_000 } });
  await job(served, 'fill 1500 20000');
  const headers = { authorization: 'Bearer brief' };
  const client = new WsClient(new WebSocket(served.url(), SUBPROTOCOL, { headers }));
  await client.until(({ type }) => type === 'hello');
  client.ask({ op: 'subscribe', worker: 'ada', after: 'start' });
  await client.until(({ type }) => type === 'events');
  client.ws.pause();
  // until no buffer of the connection takes any more
  for (let [last, same] = ['', 0]; same < 20; ) {
    const metrics = await (await fetch(`${served.web.url}/metrics`, { headers })).text();
    const bytes = /^worker_runtime_http_answer_bytes ([1-9]\d*)$/m.exec(metrics)?.[1] ?? '';
    same = bytes !== '' && bytes === last ? same + 1 : 0;
    last = bytes;
  }
  const withdraw = async (): Promise<void> => {
    await write('other');
    for (let status = 200; status !== 401; ) {
      const answer = await fetch(`${served.web.url}/v1/runtimes`, { headers });
      await answer.text();
      status = answer.status;
    }
  };
  return { served, client, withdraw };
};

test('P109: a socket that is behind when the authority of its caller ends gets its closing frame, and no further events', async (t) => {
  const { served, client, withdraw } = await behind(t, 60_000);
  await withdraw();
  client.ws.resume();
  const frames = await client.rest();
  t.deepEqual(frames.at(-1)?.data, { type: 'closing', reason: 'AUTHORITY_EXPIRED' });
  t.deepEqual(await client.closed, { code: 1013, reason: 'AUTHORITY_EXPIRED' });
  t.true(linesIn(frames).length < (await stored(served)).length - 100);
});

test('P109: a socket whose client reads nothing is cut soon after the authority of its caller has ended', async (t) => {
  const { served, client, withdraw } = await behind(t, 50);
  await withdraw();
  await served.logged('disconnected a client that stopped reading');
  client.ws.resume();
  t.is((await client.closed).code, 1006);
});

test('a socket is closed as retryable when the authority of its caller ends, and resumes after its cursor', async (t) => {
  const expiresAt = new Date(Date.now() + 6_000).toISOString();
  const tokens = [
    { name: 'brief', sha256: sha256('brief'), permission: 'observe', expiresAt },
    { name: 'long', sha256: sha256('long'), permission: 'observe' },
  ] as const;
  const served = await serve(t, { http: { tokens } });
  const open = (token: string): WsClient =>
    new WsClient(new WebSocket(served.url(), SUBPROTOCOL, { headers: { authorization: `Bearer ${token}` } }));
  const client = open('brief');
  await client.until(({ type }) => type === 'hello');
  client.ask({ op: 'subscribe', worker: 'ada', after: 'start' });
  const [events] = await client.until(({ type }) => type === 'events');
  t.deepEqual((await client.rest()).at(-1)?.data, { type: 'closing', reason: 'AUTHORITY_EXPIRED' });
  t.deepEqual(await client.closed, { code: 1013, reason: 'AUTHORITY_EXPIRED' });

  const resumed = open('long');
  await resumed.until(({ type }) => type === 'hello');
  const cursor = events?.data.type === 'events' ? events.data.cursor : undefined;
  resumed.ask({ op: 'subscribe', worker: 'ada', after: cursor ?? 'none' });
  await served.runtime.updateWorker('ada', { displayName: 'Ada' });
  const [next] = await resumed.until(({ type }) => type === 'events');
  t.regex(next?.text ?? '', /worker\.updated/);
  t.notRegex(next?.text ?? '', /worker\.created/);
  await resumed.close();
});
