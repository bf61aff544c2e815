import type { Cursor, EventsChunk } from '@worker-runtime/core';

/** One Server-Sent Event of ours. `data` is one line of JSON; `id` is a position to resume from. */
export const frame = (event: string, data: unknown, id?: Cursor): string =>
  `${id === undefined ? '' : `id: ${id}\n`}event: ${event}\ndata: ${JSON.stringify(data)}\n\n`;

const NEWLINE = Buffer.from('\n');

/** Durable events, their stored bytes unparsed. They use the default event name, so that an EventSource sees all types. */
export const eventFrames = (chunk: EventsChunk): Buffer => {
  const parts: Uint8Array[] = [];
  for (const { cursor, line } of chunk.entries())
    parts.push(Buffer.from(`id: ${cursor}\ndata: `), line, NEWLINE);
  return Buffer.concat(parts);
};

/**
 * How long a browser waits before it comes again. Spread over a second, so that the streams of a server that was
 * restarted do not all return at once.
 */
export const retryFrame = (): string => `retry: ${1_000 + Math.floor(Math.random() * 1_000)}\n\n`;
