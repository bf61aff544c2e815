import test from 'ava';
import { type CloseEvent, WebSocket } from 'undici';
import type { ServerFrame } from '../src/wire.ts';
import { job, serve, stored } from './served.ts';

test('P5: the browser WebSocket of undici receives the log', async (t) => {
  const served = await serve(t);
  await job(served, 'count 1000');
  await job(served, 'say one two');
  const all = await stored(served);
  const ws = new WebSocket(served.url(), ['worker-runtime.v1', 'something.else']);
  const seen: string[] = [];
  const ended = new Promise<CloseEvent>((resolve) => ws.addEventListener('close', resolve));
  await new Promise<void>((resolve, reject) => {
    ws.addEventListener('error', () => reject(new Error('the upgrade failed')));
    ws.addEventListener('open', () =>
      ws.send(JSON.stringify({ op: 'subscribe', worker: 'ada', after: 'start' })),
    );
    ws.addEventListener('message', ({ data }) => {
      const frame = JSON.parse(data) as ServerFrame;
      if (frame.type === 'events') seen.push(...frame.items.map((item) => JSON.stringify(item)));
      if (frame.type === 'in-flight') resolve();
    });
  });
  t.is(ws.protocol, 'worker-runtime.v1');
  t.deepEqual(seen, all);
  await served.runtime.stop();
  t.like(await ended, { code: 1001, reason: 'RUNTIME_STOPPING', wasClean: true });
});
