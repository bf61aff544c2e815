import type { Cursor } from '@worker-runtime/core';
import { type EventsChunk, ReusedMemory } from '@worker-runtime/core/plugin-kit';

/** Returns one Server-Sent Event. `data` becomes one line of JSON; `id` is a position to resume from. */
export const frame = (event: string, data: unknown, id?: Cursor): string =>
  `${id === undefined ? '' : `id: ${id}\n`}event: ${event}\ndata: ${JSON.stringify(data)}\n\n`;

/** The memory of frames. Its holders are the responses that send them. */
const frameMemory = new ReusedMemory(65_536, 32_768, 8);

const EVENT = { beforeCursor: 'id: ', beforeLine: '\ndata: ', afterLine: '\n' };

/** Frames that several streams may share. */
export interface EventFrames {
  readonly bytes: Uint8Array;
  readonly memory: Uint8Array;
}

/** The frames by chunk: streams at the same position share one chunk, and so send the same bytes. */
const framed = new WeakMap<EventsChunk, EventFrames>();

/**
 * Returns the frames of stored events, whose bytes are not parsed. They have the default event name, so that an
 * EventSource receives all types in one listener. The frames of a chunk are built once for all its clients. The caller holds them
 * until `releaseFrames`.
 */
export const eventFrames = (chunk: EventsChunk): EventFrames => {
  const known = framed.get(chunk);
  if (known && frameMemory.hold(known.memory)) return known;
  const frames = frameAll(chunk);
  framed.set(chunk, frames);
  return frames;
};

/** Gives back the memory of frames, which have left the process. Without this call it is collected as garbage. */
export const releaseFrames = ({ memory }: EventFrames): void => frameMemory.release(memory);

const frameAll = (chunk: EventsChunk): EventFrames => {
  let memory: Uint8Array = new Uint8Array(0);
  const bytes = chunk.framed(EVENT, (length) => {
    const piece = frameMemory.take(length);
    memory = piece;
    return piece;
  });
  return { bytes, memory };
};

/**
 * Returns the line that sets the reconnection delay of a browser. It begins the first frame, because some clients
 * deliver a frame without data as an empty event. The delay is spread over a second, so that the clients of a restarted
 * server do not all reconnect at once.
 */
export const retryLine = (): string => `retry: ${1_000 + Math.floor(Math.random() * 1_000)}\n`;
