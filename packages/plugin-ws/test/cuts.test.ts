import { setImmediate } from 'node:timers/promises';
import { TcpProxy } from '@worker-runtime/test-environment/tcp-proxy';
import test from 'ava';
import { WebSocket } from 'ws';
import { job, type Served, STREAM, serve, stored } from './served.ts';
import { cursorIn, type Frame, linesIn, SUBPROTOCOL, WsClient } from './ws-client.ts';

/** Returns a generator of pseudo-random numbers that are the same in every run. */
const dice = (seed: number) => (): number => {
  seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648;
  return seed / 2_147_483_648;
};

const portOf = ({ web }: Served): number => Number(new URL(web.url).port);

for (const seed of [1, 2, 3]) {
  test(`P5, P6: a client that is cut at any byte and resumes, while events are added, rebuilds the log (${seed})`, async (t) => {
    const served = await serve(t, { limits: { tailBytes: 2_000 } });
    const proxy = await TcpProxy.to(portOf(served));
    t.teardown(() => proxy.close());
    const next = dice(seed);
    const frames: Frame[] = [];
    /** Reconnects at the last position. */
    const open = (): WsClient => {
      const client = new WsClient(new WebSocket(`ws://127.0.0.1:${proxy.port}${STREAM}`, SUBPROTOCOL));
      const after = cursorIn(frames) ?? 'start';
      client.ws.once('open', () => client.ask({ op: 'subscribe', worker: 'ada', after }));
      return client;
    };
    let resumed = 0;
    for (let cut = 0; cut < 60; cut++) {
      const cutAfter = Math.floor(next() * 10_000);
      proxy.treatment = () => ({ cutAfter });
      const client = open();
      let isCut = false;
      void client.closed.then(() => {
        isCut = true;
      });
      // adds events after each frame: a run in memory is faster than the sockets, and would outrun them
      let hasFrame = false;
      client.ws.on('message', (data) => {
        // not after `subscribed`, or the log would grow faster than it is sent between two cuts
        hasFrame = !String(data as Buffer).startsWith('{"type":"subscribed"');
      });
      for (; !isCut; await setImmediate()) {
        if (hasFrame) await job(served, next() < 0.5 ? 'count 3' : 'say one two 🙂');
        hasFrame = false;
      }
      const seen = await client.rest();
      if (linesIn(seen).length > 0) resumed += 1;
      frames.push(...seen);
    }
    proxy.treatment = () => ({});
    await served.runtime.stopWorker('ada');
    const all = await stored(served);
    frames.push(...(await open().untilLine(all.at(-1))));
    t.deepEqual(linesIn(frames), all);
    t.true(resumed > 10);
  });
}
