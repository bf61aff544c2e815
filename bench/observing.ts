import { once as event } from 'node:events';
import { createReadStream } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { fsStore } from '@worker-runtime/plugin-fs-store';
import { heldBytes } from './held-bytes.ts';
import { type Bench, perSecond } from './measurement.ts';
import { once } from './once.ts';
import { maskedMessage, ReaderProcess, streamOf, upgradeTo } from './reader-process.ts';
import { inScratch, processFolder } from './scratch.ts';
import { listen, startServedWorker } from './served-worker.ts';

const SUBSCRIBERS = 1_000;

const PASSING_EVENTS = 100_000;

/** Measures how much the memory grows for sockets that are not read, while events pass. */
export const stalled: Bench = {
  id: 'B10',
  what: `memory growth per stalled subscriber, with ${SUBSCRIBERS} of them, while ${PASSING_EVENTS / 1_000}k events pass, vs 64 KiB`,
  unit: 'bytes',
  better: 'less',
  goal: 1,
  pairs: 1,
  floor: async () => 65_536,
  figure: () =>
    inScratch(async (dir) => {
      const { runtime, port, yieldMessages } = await startServedWorker({}, fsStore({ dir }));
      await runtime.sendInput('ada', { text: 'go' });
      const ask = maskedMessage({ op: 'subscribe', worker: 'ada', after: 'start', deltas: false });
      const readers = await ReaderProcess.start({
        port,
        count: SUBSCRIBERS,
        upgrade: upgradeTo('self'),
        ask,
        until: 'nothing',
      });
      const before = await heldBytes();
      const pass = new Promise<void>((resolve) => {
        void (async () => {
          for await (const { type } of runtime.watch()) {
            if (type !== 'worker') continue;
            if ((await runtime.getWorker('ada')).lastSeq >= PASSING_EVENTS) return resolve();
          }
        })();
      });
      for (let at = 0; at < PASSING_EVENTS; at += 100) yieldMessages(100);
      await pass;
      const growth = (await heldBytes()) - before;
      await readers.stop();
      await runtime.stop({ deadlineMs: 500 });
      // Memory that was released in the meantime can make the growth negative.
      return Math.max(1, growth / SUBSCRIBERS);
    }),
};

const BEHIND_EVENTS = 200_000;
const END = '"type":"worker.stopped"';

/** Returns the folder of a store in which the Worker `ada`, which is stopped, has a long log. */
export const longLog = once(async () => {
  const dir = processFolder();
  const { runtime, yieldMessages } = await startServedWorker({}, fsStore({ dir }));
  await runtime.sendInput('ada', { text: 'go' });
  for (let at = 0; at < BEHIND_EVENTS; at += 100) yieldMessages(100);
  for await (const item of runtime.observe('ada')) {
    if (item.type === 'event' && item.event.seq >= BEHIND_EVENTS) break;
  }
  await runtime.stopWorker('ada');
  await runtime.stop({ deadlineMs: 5_000 });
  return dir;
});

/** Returns the path of the longest file in a folder, which is the stored log. */
const longestIn = async (dir: string): Promise<string> => {
  const files = (await readdir(dir, { recursive: true, withFileTypes: true })).filter((entry) =>
    entry.isFile(),
  );
  const sized = await Promise.all(
    files
      .filter(({ name }) => name.endsWith('.jsonl'))
      .map(async ({ parentPath, name }) => {
        const path = join(parentPath, name);
        return { path, size: (await stat(path)).size };
      }),
  );
  return sized.toSorted((a, b) => b.size - a.size)[0]?.path ?? '';
};

/** Measures one subscriber that reads a whole log in frames. */
const catchUpOver = (id: string, transport: string, upgrade: string | null, ask: string): Bench => ({
  id,
  what: `catching up on ${BEHIND_EVENTS / 1_000}k stored events over ${transport}, vs asynchronous file reads written to a socket in frames`,
  unit: 'events/s',
  better: 'more',
  goal: 0.5,
  async floor() {
    const path = await longestIn(await longLog());
    const server = createServer((socket) => {
      socket.on('error', () => {});
      socket.once('data', () => {
        void (async () => {
          for await (const block of createReadStream(path, { highWaterMark: 48_896 })) {
            const { length } = block as Buffer;
            const head = Buffer.from([0x81, 126, length >> 8, length & 0xff]);
            socket.cork();
            socket.write(head);
            const canTakeMore = socket.write(block);
            socket.uncork();
            if (!canTakeMore) await event(socket, 'drain');
          }
        })();
      });
    });
    const port = await listen(server);
    const rate = await measureCatchUp(port, null, 'go');
    server.close();
    return rate;
  },
  async figure() {
    const { runtime, port } = await startServedWorker({}, fsStore({ dir: await longLog() }));
    const rate = await measureCatchUp(port, upgrade, ask);
    await runtime.stop({ deadlineMs: 500 });
    return rate;
  },
});

/** The request of a subscriber for all events of the Worker `ada`. */
export const SUBSCRIBE = maskedMessage({ op: 'subscribe', worker: 'ada', after: 'start' });

export const catchUpOverWebSocket = catchUpOver('B11', 'WebSocket', upgradeTo('self'), SUBSCRIBE);

export const catchUpOverSse = catchUpOver('B11s', 'SSE', null, streamOf('self'));

/** Measures one reader that has the long log sent to it. Returns the events per second. */
export const measureCatchUp = async (port: number, upgrade: string | null, ask: string): Promise<number> => {
  const readers = await ReaderProcess.start({ port, count: 1, upgrade, ask, until: { end: END } });
  const rate = await perSecond(BEHIND_EVENTS, () => readers.done());
  await readers.stop();
  return rate;
};
