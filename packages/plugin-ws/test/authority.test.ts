import { createHash } from 'node:crypto';
import test from 'ava';
import { WebSocket } from 'ws';
import { serve } from './served.ts';
import { SUBPROTOCOL, WsClient } from './ws-client.ts';

test('a socket is closed as retryable when the authority of its caller ends, and resumes after its cursor', async (t) => {
  const sha256 = (token: string): string => createHash('sha256').update(token).digest('hex');
  const expiresAt = new Date(Date.now() + 2_000).toISOString();
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
