import type { Cursor, EventsChunk } from '@worker-runtime/core';

/** One Server-Sent Event of ours. `data` is one line of JSON; `id` is a position to resume from. */
export const frame = (event: string, data: unknown, id?: Cursor): string =>
  `${id === undefined ? '' : `id: ${id}\n`}event: ${event}\ndata: ${JSON.stringify(data)}\n\n`;

const NEWLINE = 0x0a;
const ID = 'id: ';
/** How much longer a cursor may be than one further on: the length and the checksum of its line, base 36. */
const SPARE = 12;
const DATA = '\ndata: ';

/** Streams at the same place are given the same chunk, and send the same bytes. */
const framed = new WeakMap<EventsChunk, Buffer>();

/**
 * Durable events, their stored bytes unparsed. They use the default event name, so that an EventSource sees all types.
 * Made once a chunk, however many clients are sent it.
 */
export const eventFrames = (chunk: EventsChunk): Buffer => {
  const known = framed.get(chunk);
  if (known) return known;
  const frames = frameAll(chunk);
  framed.set(chunk, frames);
  return frames;
};

const frameAll = (chunk: EventsChunk): Buffer => {
  const { lines, count, cursor: last } = chunk;
  // the cursors of one log grow along it, so none of these is longer than the last but by its last two numbers
  const room = ID.length + last.length + SPARE + DATA.length + 1;
  const block = Buffer.allocUnsafeSlow(lines.length + count * room);
  let at = 0;
  for (const { cursor, line } of chunk.entries()) {
    at += block.write(ID + cursor + DATA, at, 'latin1');
    block.set(line, at);
    at += line.length;
    block[at++] = NEWLINE;
  }
  return block.subarray(0, at);
};

/**
 * How long a browser waits before it comes again. Spread over a second, so that the streams of a server that was
 * restarted do not all return at once.
 */
export const retryFrame = (): string => `retry: ${1_000 + Math.floor(Math.random() * 1_000)}\n\n`;
