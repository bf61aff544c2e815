import type { EventsChunk, StreamChunk } from '@worker-runtime/core/plugin-kit';
import { allocateTextFrame, textFrameOf } from './text-frame.ts';
import type { ServerFrame } from './wire.ts';

const NEWLINE = 0x0a;
const COMMA = 0x2c;
const BRACKET = 0x5d;
const BRACE = 0x7d;

/** A chunk that becomes a frame: all but the end of the stream. */
export type FramedChunk = Exclude<StreamChunk, { readonly type: 'ended' }>;

/** Encodes a frame of the server. */
export const frameOf = (frame: ServerFrame): Buffer => textFrameOf(JSON.stringify(frame));

/** Encodes stored lines without parsing them: the newline after each line becomes the comma between items. */
const eventsFrameOf = (worker: string, chunk: EventsChunk, cursors: boolean): Buffer => {
  const { lines, count, cursor } = chunk;
  const cursorField = cursors
    ? `"cursors":${JSON.stringify(Array.from(chunk.entries(), (entry) => entry.cursor))},`
    : '';
  const head = `{"type":"events","worker":${JSON.stringify(worker)},"cursor":${JSON.stringify(cursor)},${cursorField}"items":[`;
  const { frame, start } = allocateTextFrame(head.length + lines.length + 1);
  frame.write(head, start, 'latin1');
  frame.set(lines, start + head.length);
  let at = start + head.length - 1;
  for (let line = 0; line < count; line++) {
    at = frame.indexOf(NEWLINE, at + 1);
    frame[at] = COMMA;
  }
  frame[at] = BRACKET;
  frame[at + 1] = BRACE;
  return frame;
};

/** Returns the cache key of a frame that several subscribers may share; null if each subscriber gets its own frame. */
export const keyOf = (worker: string, chunk: FramedChunk, cursors: boolean): string | null => {
  switch (chunk.type) {
    case 'events':
      // the cursor identifies the log and the last line, and the count then the first line
      return `${chunk.cursor} ${chunk.count}${cursors ? ' each' : ''}`;
    case 'delta': {
      const { message, part, offset, text } = chunk;
      return `${worker} ${message} ${part} ${offset} ${text.length}`;
    }
    case 'in-flight': {
      if (chunk.messages.length === 0) return null;
      const lengths = chunk.messages.map(
        ({ message, parts }) => `${message} ${parts.map(({ id, text }) => `${id} ${text.length}`).join(' ')}`,
      );
      return `${worker} in-flight ${lengths.join(' ')}`;
    }
    default:
      return null;
  }
};

/** Encodes a chunk of a Worker's stream. */
export const chunkFrameOf = (worker: string, chunk: FramedChunk, cursors: boolean): Buffer => {
  switch (chunk.type) {
    case 'events':
      return eventsFrameOf(worker, chunk, cursors);
    case 'snapshot': {
      const { worker: detail, requests, asOf } = chunk;
      return frameOf({ type: 'snapshot', worker, detail, requests, asOf });
    }
    case 'in-flight':
    case 'delta':
    case 'gap':
      return frameOf({ ...chunk, worker });
  }
};
