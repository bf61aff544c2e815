import { setImmediate } from 'node:timers/promises';
import test from 'ava';
import { WebSocket } from 'ws';
import { job, type Served, STREAM, serve, stored } from './served.ts';
import { TcpProxy } from './tcp-proxy.ts';
import { cursorIn, type Frame, linesIn, SUBPROTOCOL, WsClient } from './ws-client.ts';

/** Numbers that look random and are the same in every run. */
const dice = (seed: number) => (): number => {
  seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648;
  return seed / 2_147_483_648;
};

const portOf = ({ web }: Served): number => Number(new URL(web.url).port);

for (const seed of [1, 2, 3]) {
  test(`P5, P6: cut at any byte and resumed, while events come, a client rebuilds the log (${seed})`, async (t) => {
    const served = await serve(t, { limits: { tailBytes: 2_000 } });
    const proxy = await TcpProxy.open(t, portOf(served));
    const next = dice(seed);
    const frames: Frame[] = [];
    /** Comes again from the last position. */
    const open = (): WsClient => {
      const client = new WsClient(new WebSocket(`ws://127.0.0.1:${proxy.port}${STREAM}`, SUBPROTOCOL));
      const after = cursorIn(frames) ?? 'start';
      client.ws.once('open', () => client.ask({ op: 'subscribe', worker: 'ada', after }));
      return client;
    };
    let resumed = 0;
    for (let cut = 0; cut < 60; cut++) {
      proxy.cutAfter(Math.floor(next() * 10_000));
      const client = open();
      let isCut = false;
      void client.closed.then(() => {
        isCut = true;
      });
      // whatever has come, more is said; in memory that takes no turn of the event loop, and sockets do
      let isHeard = false;
      client.ws.on('message', (data) => {
        // not for what says nothing, or the log would outgrow what comes through between two cuts
        isHeard = !String(data as Buffer).startsWith('{"type":"subscribed"');
      });
      for (; !isCut; await setImmediate()) {
        if (isHeard) await job(served, next() < 0.5 ? 'count 3' : 'say one two 🙂');
        isHeard = false;
      }
      const seen = await client.rest();
      if (linesIn(seen).length > 0) resumed += 1;
      frames.push(...seen);
    }
    proxy.cutAfter(Number.POSITIVE_INFINITY);
    await served.runtime.stopWorker('ada');
    const all = await stored(served);
    frames.push(...(await open().untilLine(all.at(-1))));
    t.deepEqual(linesIn(frames), all);
    t.true(resumed > 10);
  });
}
