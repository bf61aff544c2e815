import type { Cursor } from '@worker-runtime/core';
import type { EventsChunk } from '@worker-runtime/core/plugin-kit';

/** Returns one Server-Sent Event. `data` becomes one line of JSON; `id` is a position to resume from. */
export const frame = (event: string, data: unknown, id?: Cursor): string =>
  `${id === undefined ? '' : `id: ${id}\n`}event: ${event}\ndata: ${JSON.stringify(data)}\n\n`;

const NEWLINE = 0x0a;
const ID = 'id: ';
/**
 * The most characters by which a cursor may be longer than a later one: it holds the length and the checksum of its
 * line in base 36, and these vary.
 */
const CURSOR_SPARE = 12;
const DATA = '\ndata: ';

/** The frames by chunk: streams at the same position share one chunk, and so send the same bytes. */
const framed = new WeakMap<EventsChunk, Buffer>();

/**
 * Returns the frames of stored events, whose bytes are not parsed. They have the default event name, so that an
 * EventSource receives all types in one listener. The frames of a chunk are built once for all its clients.
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
  // cursors grow along the log, so none of these exceeds the last one by more than CURSOR_SPARE
  const room = ID.length + last.length + CURSOR_SPARE + DATA.length + 1;
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
 * Returns the line that sets the reconnection delay of a browser. It begins the first frame, because some clients
 * deliver a frame without data as an empty event. The delay is spread over a second, so that the clients of a restarted
 * server do not all reconnect at once.
 */
export const retryLine = (): string => `retry: ${1_000 + Math.floor(Math.random() * 1_000)}\n`;
