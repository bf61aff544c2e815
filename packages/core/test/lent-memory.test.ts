import test from 'ava';
import { engine } from '../src/contracts/engine.ts';
import type { WorkerEvent } from '../src/contracts/event.ts';
import type { EventsChunk, WorkerStream } from '../src/contracts/stream.ts';
import { memoryStore } from '../src/memory-store/memory-store.ts';
import { ReusedMemory } from '../src/reused-memory.ts';
import type { Runtime } from '../src/runtime/runtime.ts';
import { logOf, settle, startRig } from './fixtures/rig.ts';

const PIECE = 4_096;

test('memory is used again once all holders have released it, and not before', (t) => {
  const memory = new ReusedMemory(PIECE, 1_024, 2);
  const first = memory.take(2_000);
  t.true(memory.hold(first));
  memory.release(first);
  t.not(memory.take(2_000).buffer, first.buffer, 'one holder is left');
  memory.release(first);
  const second = memory.take(3_000);
  t.is(second.buffer, first.buffer);
  t.is(second.length, 3_000);
  t.false(memory.hold(first), 'a piece that was released has another content');
  memory.release(first);
  t.not(memory.take(2_000).buffer, second.buffer, 'a second release has no effect');
});

test('memory of a size that does not suit is never used again', (t) => {
  const memory = new ReusedMemory(PIECE, 1_024, 2);
  for (const bytes of [0, 1, 1_023, PIECE + 1]) {
    const piece = memory.take(bytes);
    t.is(piece.length, bytes);
    memory.release(piece);
    t.true(memory.hold(piece));
    t.not(memory.take(PIECE).buffer, piece.buffer);
  }
});

test('no more than the given number of pieces is kept', (t) => {
  const memory = new ReusedMemory(PIECE, 1_024, 2);
  const pieces = Array.from({ length: 5 }, () => memory.take(PIECE));
  for (const piece of pieces) memory.release(piece);
  const again = new Set(Array.from({ length: 5 }, () => memory.take(PIECE).buffer));
  t.is(pieces.filter(({ buffer }) => again.has(buffer)).length, 2);
});

const EVENTS = 1_500;

/** Starts a runtime with a long log, whose store reads into the memory that it is given, as one on a disk does. */
const startLong = async (t: Parameters<typeof startRig>[0]) => {
  const store = memoryStore();
  const read = store.read.bind(store);
  const used = new Set<ArrayBufferLike>();
  let reads = 0;
  store.read = async (log, position, limits) => {
    const slice = await read(log, position, limits);
    const { into } = limits;
    if (!into || slice.lines.length > into.length) return slice;
    reads += 1;
    used.add(into.buffer);
    into.fill(0);
    await settle(1);
    into.set(slice.lines);
    return { ...slice, lines: into.subarray(0, slice.lines.length) };
  };
  const talker = engine('talker', async function* () {
    for (let sent = 0; sent < EVENTS; sent += 50) {
      const texts = Array.from({ length: 50 }, (_, at) => `${sent + at} é `.repeat(10 + at));
      yield texts.map((text) => ({ type: 'message', parts: [{ type: 'text', text }] }));
    }
  });
  const { runtime } = await startRig(t, {
    engines: [talker],
    store,
    limits: { tailBytes: 1_000, recentReadBytes: 262_144 },
  });
  await runtime.createWorker({ workerId: 'w', engine: 'talker' });
  await runtime.sendInput('w', { text: 'go' }, { waitMs: 1_000 });
  return { runtime, used, reads: () => reads };
};

const lineOf = (event: WorkerEvent): string => `${JSON.stringify(event)}\n`;

/** Reads a stream to its end in one way. Calls `use` with each chunk, which then is released if `use` returns true. */
const readAll = async (
  runtime: Runtime,
  events: number,
  use: (chunk: EventsChunk) => boolean | Promise<boolean>,
): Promise<void> => {
  const stream: WorkerStream = await runtime.openStream('w', { after: 'start', deltas: false });
  for (let read = 0; read < events; ) {
    const chunk = await stream.pull(48_896);
    if (chunk?.type !== 'events') throw new TypeError('The stream has ended');
    read += chunk.count;
    if (await use(chunk)) stream.release();
  }
  stream.close();
};

test('P8: readers at any pace receive every line unchanged while the memory of others is used again', async (t) => {
  const { runtime, used, reads } = await startLong(t);
  const all = (await logOf(runtime, 'w')).map(lineOf);
  const begun = reads();
  const kept: EventsChunk[] = [];
  const readers = Array.from({ length: 7 }, async (_, reader) => {
    let text = '';
    await readAll(runtime, all.length, async ({ lines }) => {
      // some readers are slow between a chunk and its release
      await settle(reader % 4);
      text += Buffer.from(lines).toString();
      return true;
    });
    t.true(text === all.join(''), `reader ${reader}`);
  });
  // keeps its chunks, and so releases none
  readers.push(
    readAll(runtime, all.length, (chunk) => {
      kept.push(chunk);
      return false;
    }),
  );
  await Promise.all(readers);
  t.true(kept.map(({ lines }) => Buffer.from(lines).toString()).join('') === all.join(''), 'kept chunks');

  const before = new Set(used);
  for (let round = 0; round < 3; round++)
    await readAll(runtime, all.length, ({ lines }) => {
      t.is(Buffer.from(lines).indexOf(0), -1);
      return true;
    });
  t.true(reads() - begun > 30, 'the memory was used often');
  t.true(used.size - before.size <= 12, `${used.size - before.size} pieces of memory for ${reads()} reads`);
});

test('P6: framed lines have the same bytes and the same cursors as the entries', async (t) => {
  const { runtime } = await startLong(t);
  const { lastSeq } = await runtime.getWorker('w');
  const frame = { beforeCursor: 'id: ', beforeLine: '\ndata: ', afterLine: '\n' };
  await readAll(runtime, lastSeq, (chunk) => {
    const expected = Array.from(
      chunk.entries(),
      ({ cursor, line }) => `id: ${cursor}\ndata: ${Buffer.from(line).toString()}\n`,
    );
    t.true(chunk.framed(frame, (bytes) => Buffer.alloc(bytes)).toString() === expected.join(''));
    return true;
  });
});
