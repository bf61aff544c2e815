import type { EventsChunk, StreamChunk } from '@worker-runtime/core';
import { allocateTextFrame, textFrameOf } from './text-frame.ts';
import type { ServerFrame } from './wire.ts';

const NEWLINE = 0x0a;
const COMMA = 0x2c;
const BRACKET = 0x5d;
const BRACE = 0x7d;

/** What is said of a Worker while its subscription is on. */
export type FramedChunk = Exclude<StreamChunk, { readonly type: 'ended' }>;

/** A frame of ours as it is sent. */
export const frameOf = (frame: ServerFrame): Buffer => textFrameOf(JSON.stringify(frame));

/** Stored lines, unparsed: the newline behind each becomes the comma that JSON wants there. */
const eventsFrameOf = (worker: string, chunk: EventsChunk, cursors: boolean): Buffer => {
  const { lines, count, cursor } = chunk;
  const each = cursors
    ? `"cursors":${JSON.stringify(Array.from(chunk.entries(), (entry) => entry.cursor))},`
    : '';
  const head = `{"type":"events","worker":${JSON.stringify(worker)},"cursor":${JSON.stringify(cursor)},${each}"items":[`;
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

/** Names what a frame says, where more than one subscriber may be due the same; null where each has its own. */
export const keyOf = (worker: string, chunk: FramedChunk, cursors: boolean): string | null => {
  switch (chunk.type) {
    case 'events':
      // the cursor names the log and the last line, the count how many lines there are up to it
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

/** What a piece of a Worker's stream looks like on the wire. */
export const chunkFrameOf = (worker: string, chunk: FramedChunk, cursors: boolean): Buffer => {
  switch (chunk.type) {
    case 'events':
      return eventsFrameOf(worker, chunk, cursors);
    case 'snapshot':
      return frameOf({ type: 'snapshot', worker, detail: chunk.worker, asOf: chunk.asOf });
    case 'in-flight':
    case 'delta':
    case 'gap':
      return frameOf({ ...chunk, worker });
  }
};
