import type { MessagePart, TextPart, WorkerEvent } from './event.ts';
import type { JsonValue } from './json.ts';

export type ToolPart =
  | { readonly type: 'tool-call'; readonly call: string; readonly name: string; readonly input: JsonValue }
  | {
      readonly type: 'tool-result';
      readonly call: string;
      readonly output?: JsonValue;
      readonly error?: string;
      readonly truncated?: true;
    };

/** The conversation as people read it: one item for each event that said something, at the same `seq`. */
export interface TranscriptItem {
  readonly seq: number;
  readonly id: string;
  readonly role: 'user' | 'assistant' | 'system' | 'tool';
  readonly parts: readonly (TextPart | MessagePart | ToolPart)[];
  readonly run: string | null;
  readonly time: string;
  /** The message was cut short: its run ended before it was finished. */
  readonly partial?: true;
}

/** The types of events that make an item: reading a transcript looks at no others. */
const SPEAKING = new Set<string>(['input.accepted', 'message.completed', 'tool.called', 'tool.finished']);

/** Whether a line makes an item, told from its first bytes without parsing it. */
export const speaks = (line: string): boolean => {
  const at = line.indexOf('"type":"');
  return at !== -1 && SPEAKING.has(line.slice(at + 8, line.indexOf('"', at + 8)));
};

/** The item that an event makes, or null. The transcript is this filter over the log, so it cannot differ from it. */
export const transcriptItem = (event: WorkerEvent): TranscriptItem | null => {
  const { seq, time } = event;
  const run = event.run ?? null;
  switch (event.type) {
    case 'input.accepted':
      return { seq, id: event.data.input, role: event.data.role, parts: event.data.parts, run, time };
    case 'message.completed': {
      const { message: id, parts, partial } = event.data;
      return { seq, id, role: 'assistant', parts, run, time, ...(partial && { partial }) };
    }
    case 'tool.called':
      return {
        seq,
        id: event.data.call,
        role: 'assistant',
        parts: [{ type: 'tool-call', ...event.data }],
        run,
        time,
      };
    case 'tool.finished':
      return {
        seq,
        id: event.data.call,
        role: 'tool',
        parts: [{ type: 'tool-result', ...event.data }],
        run,
        time,
      };
    default:
      return null;
  }
};
