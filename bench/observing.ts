import { once } from 'node:events';
import { createReadStream, rmSync } from 'node:fs';
import { mkdtemp, readdir, stat } from 'node:fs/promises';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { engine, Runtime, type RuntimePlugin } from '@worker-runtime/core';
import { fsStore } from '@worker-runtime/plugin-fs-store';
import { http } from '@worker-runtime/plugin-http';
import { wsObservation } from '@worker-runtime/plugin-ws';
import { heldBytes } from './held-bytes.ts';
import { type Bench, perSecond } from './measurement.ts';
import { maskedMessage, ReaderProcess, streamOf, upgradeTo } from './reader-process.ts';
import { inScratch } from './scratch.ts';
import { MESSAGE, TEXT } from './workload.ts';

const SUBSCRIBERS = 1_000;
const EVENTS_PER_WRITE = 10;
const ROUNDS = 40;

/** Returns the WebSocket frame that has these lines. */
const frameOf = (lines: Uint8Array): Buffer => {
  const payload = Buffer.concat([
    Buffer.from(`{"type":"events","worker":"ada","cursor":"log_${'0'.repeat(50)}","items":[`),
    Buffer.from(Buffer.from(lines).toString().trimEnd().replaceAll('\n', ',')),
    Buffer.from(']}'),
  ]);
  const head = Buffer.from(payload.length < 65_536 ? [0x81, 126, 0, 0] : [0x81, 127, 0, 0, 0, 0, 0, 0, 0, 0]);
  if (head.length === 4) head.writeUInt16BE(payload.length, 2);
  else head.writeBigUInt64BE(BigInt(payload.length), 2);
  return Buffer.concat([head, payload]);
};

const listen = async (server: Server): Promise<number> => {
  server.listen(0, '127.0.0.1', 4_096);
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
};

/** A served runtime with one Worker, whose output the benchmark controls. */
interface ServedWorker {
  readonly runtime: Runtime;
  readonly port: number;
  /** Makes the engine of `ada` yield a number of messages in one array. Returns before they are committed. */
  readonly yieldMessages: (messages: number) => void;
}

/** Starts a runtime with WebSockets and a Worker whose engine yields messages on request. */
const startServedWorker = async (...plugins: readonly RuntimePlugin[]): Promise<ServedWorker> => {
  const wanted: number[] = [];
  let wake = (): void => {};
  const controlled = engine('controlled', async function* ({ signal }) {
    signal.addEventListener('abort', () => wake(), { once: true });
    while (!signal.aborted) {
      const count = wanted.shift();
      if (count === undefined) {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
        continue;
      }
      yield Array.from({ length: count }, () => ({
        type: 'message' as const,
        parts: [{ type: 'text' as const, text: TEXT }],
      }));
    }
  });
  const web = http({ port: 0 });
  const runtime = await Runtime.start({
    plugins: [
      ...plugins,
      web,
      wsObservation({ on: web }),
      { name: 'controlled', apply: (host) => host.useEngine(controlled) },
    ],
  });
  if ((await runtime.listWorkers()).items.length === 0) {
    await runtime.createWorker({ engine: 'controlled', workerId: 'ada' });
  }
  return {
    runtime,
    port: Number(new URL(web.url).port),
    yieldMessages(messages) {
      wanted.push(messages);
      wake();
    },
  };
};

/**
 * Runs an action that handles an amount. Returns the amount per second of CPU time of this process. Elapsed time would
 * measure the readers, which share the machine and are slower than the writer.
 */
const perCpuSecond = async (amount: number, act: () => Promise<void>): Promise<number> => {
  const start = process.cpuUsage();
  await act();
  const { user, system } = process.cpuUsage(start);
  return amount / ((user + system) / 1e6);
};

/** Measures events of one Worker to many sockets. A round ends when all sockets have received its events. */
export const fanOut: Bench = {
  id: 'B9',
  what: `events to ${SUBSCRIBERS} WebSockets, ${EVENTS_PER_WRITE} per write, vs the same frames written to plain sockets`,
  unit: 'events/s of CPU',
  better: 'more',
  goal: 0.8,
  async floor() {
    const sockets: Socket[] = [];
    const server = createServer({ noDelay: true });
    const joined = new Promise<void>((resolve) => {
      server.on('connection', (socket) => {
        socket.on('error', () => {});
        if (sockets.push(socket) === SUBSCRIBERS) resolve();
      });
    });
    const port = await listen(server);
    const readers = await ReaderProcess.start({
      port,
      count: SUBSCRIBERS,
      upgrade: null,
      ask: '',
      until: 'rounds',
    });
    await joined;
    const frame = frameOf(Buffer.concat(Array.from({ length: EVENTS_PER_WRITE }, () => MESSAGE)));
    const round = async (): Promise<void> => {
      for (const socket of sockets) socket.write(frame);
      await readers.done();
    };
    await round();
    const rate = await perCpuSecond(SUBSCRIBERS * EVENTS_PER_WRITE * ROUNDS, async () => {
      for (let at = 0; at < ROUNDS; at++) await round();
    });
    await readers.stop();
    server.close();
    return rate;
  },
  async figure() {
    const { runtime, port, yieldMessages } = await startServedWorker();
    await runtime.sendInput('ada', { text: 'go' });
    const { asOf } = await runtime.getWorker('ada');
    const ask = maskedMessage({ op: 'subscribe', worker: 'ada', after: asOf, deltas: false });
    const readers = await ReaderProcess.start({
      port,
      count: SUBSCRIBERS,
      upgrade: upgradeTo('self'),
      ask,
      until: 'rounds',
    });
    const round = async (): Promise<void> => {
      yieldMessages(EVENTS_PER_WRITE);
      await readers.done();
    };
    await round();
    const rate = await perCpuSecond(SUBSCRIBERS * EVENTS_PER_WRITE * ROUNDS, async () => {
      for (let at = 0; at < ROUNDS; at++) await round();
    });
    await readers.stop();
    await runtime.stop({ deadlineMs: 500 });
    return rate;
  },
};

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
      const { runtime, port, yieldMessages } = await startServedWorker(fsStore({ dir }));
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
let made: Promise<string> | null = null;

/** Returns the folder of a store in which the Worker `ada`, which is stopped, has a long log. */
export const longLog = (): Promise<string> => {
  made ??= makeLongLog();
  return made;
};

/** Creates a store with one long log. */
const makeLongLog = async (): Promise<string> => {
  const dir = await mkdtemp(join(import.meta.dirname, '.scratch-'));
  process.once('exit', () => rmSync(dir, { recursive: true, force: true }));
  const { runtime, yieldMessages } = await startServedWorker(fsStore({ dir }));
  await runtime.sendInput('ada', { text: 'go' });
  for (let at = 0; at < BEHIND_EVENTS; at += 100) yieldMessages(100);
  for await (const item of runtime.observe('ada')) {
    if (item.type === 'event' && item.event.seq >= BEHIND_EVENTS) break;
  }
  await runtime.stopWorker('ada');
  await runtime.stop({ deadlineMs: 5_000 });
  return dir;
};

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
            if (!canTakeMore) await once(socket, 'drain');
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
    const { runtime, port } = await startServedWorker(fsStore({ dir: await longLog() }));
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
