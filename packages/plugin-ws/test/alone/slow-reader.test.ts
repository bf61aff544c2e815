import { EventEmitter, once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { fsStore } from '@worker-runtime/plugin-fs-store';
import { OPCODE, RawPeer, textFrame } from '@worker-runtime/test-environment/raw-peer';
import test from 'ava';
import { WebSocket } from 'ws';
import { job, serve, stored } from '../served.ts';
import { linesIn, SUBPROTOCOL, WsClient } from '../ws-client.ts';

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

/** Returns the bytes in use, on the heap and outside it, after a garbage collection. */
const held = (): number => {
  collect();
  collect();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
};

test('P8: a thousand sockets that stop reading cost no memory for further events, and delay no other reader', async (t) => {
  const dir = await mkdtemp(join(tmpdir(), 'ws-slow-'));
  t.teardown(() => rm(dir, { recursive: true, force: true }));
  // the write-behind memory of the store is bounded, so that it is not counted as memory of the sockets
  const served = await serve(t, { plugins: [fsStore({ dir, behindBytes: 1_048_576 })] });
  const peers = await Promise.all(Array.from({ length: 1_000 }, () => RawPeer.open(served.url())));
  for (const peer of peers) {
    peer.socket.pause();
    peer.socket.write(textFrame({ op: 'subscribe', worker: 'ada', after: 'start' }));
  }
  const reader = new WebSocket(served.url(), SUBPROTOCOL);
  const read = new EventEmitter();
  reader.once('open', () => reader.send('{"op":"subscribe","worker":"ada","after":"start"}'));
  // keeps only the cursor of what it reads
  let cursor = '';
  reader.on('message', (data: Buffer) => {
    cursor = data.subarray(0, 150).toString().split('"')[11] ?? '';
    read.emit('frame');
  });
  const caughtUp = async (): Promise<string> => {
    const { asOf } = await served.runtime.getWorker('ada');
    while (cursor !== asOf) await once(read, 'frame');
    return asOf;
  };
  // fills the kernel buffers of all sockets first
  let before = 0;
  let rounds = 0;
  do {
    before = held();
    await job(served, 'fill 400 20000');
    await caughtUp();
    rounds += 1;
    t.true(rounds < 30, 'the memory grows with each round');
  } while (held() - before > 1_000 * 2_048);
  before = held();
  const started = performance.now();
  for (let round = 0; round < 5; round++) await job(served, 'fill 400 20000');
  const tookMs = performance.now() - started;
  const asOf = await caughtUp();
  const growth = held() - before;
  t.true(growth < 1_000 * 16_384, `${growth} bytes for 1,000 sockets`);
  t.log(`${Math.round(growth / 1_000)} bytes a socket, ${Math.round(tookMs)} ms`);
  reader.terminate();

  const all = await stored(served);
  const late = peers[500] as RawPeer;
  late.socket.resume();
  await late.received(asOf);
  const lines = late.frames
    .filter(({ opcode }) => opcode === OPCODE.text)
    .map(({ payload }) => ({ text: String(payload), data: JSON.parse(String(payload)) }));
  t.deepEqual(linesIn(lines), all);
  for (const peer of peers) peer.socket.destroy();
});

test('P8: a socket that stays stalled is closed with 1013 and resumes exactly', async (t) => {
  const served = await serve(t, { ws: { stallMs: 100 } });
  await job(served, 'fill 1500 20000');
  const peer = await RawPeer.open(served.url());
  await peer.send(textFrame({ op: 'subscribe', worker: 'ada', after: 'start' }));
  await peer.received('events');
  peer.socket.pause();
  await served.logged('disconnected a client that stopped reading');
  peer.socket.resume();
  t.is(await peer.closed, 1013);
  const frames = peer.frames
    .filter(({ opcode }) => opcode === OPCODE.text)
    .map(({ payload }) => ({ text: String(payload), data: JSON.parse(String(payload)) }));
  const seen = linesIn(frames);
  const after = frames.at(-1)?.data.cursor;
  const all = await stored(served);
  t.true(seen.length < all.length);
  const again = await WsClient.open(served.url(), { op: 'subscribe', worker: 'ada', after });
  t.deepEqual([...seen, ...linesIn(await again.untilLine(all.at(-1)))], all);
});

test('P23: sockets that read nothing hold a bounded number of bytes together, and make room for one that reads', async (t) => {
  const totalAnswerBytes = 500_000;
  const served = await serve(t, { http: { totalAnswerBytes } });
  await job(served, 'fill 1500 20000');
  const peers = await Promise.all(Array.from({ length: 40 }, () => RawPeer.open(served.url())));
  for (const peer of peers) {
    peer.socket.pause();
    peer.socket.write(textFrame({ op: 'subscribe', worker: 'ada', after: 'start' }));
  }
  const all = await stored(served);
  const reader = await WsClient.open(served.url(), { op: 'subscribe', worker: 'ada', after: 'start' });
  t.deepEqual(linesIn(await reader.untilLine(all.at(-1))), all);
  await served.logged('disconnected a client that stopped reading');
  const metrics = await (await fetch(`${served.web.url}/metrics`)).text();
  const bytes = Number(/^worker_runtime_http_answer_bytes (\d+)$/m.exec(metrics)?.[1]);
  t.true(bytes > 0 && bytes <= totalAnswerBytes + 65_536, `${bytes} bytes`);
  for (const peer of peers) peer.socket.destroy();
});
