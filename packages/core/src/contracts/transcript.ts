import type { MessagePart, TextPart, WorkerEvent } from './event.ts';
import type { JsonValue } from './json.ts';

/** A tool call or its result, as part of a transcript item. `call` links the two. */
export type ToolPart =
  | { readonly type: 'tool-call'; readonly call: string; readonly name: string; readonly input: JsonValue }
  | {
      readonly type: 'tool-result';
      readonly call: string;
      readonly output?: JsonValue;
      readonly error?: string;
      readonly truncated?: true;
    };

/**
 * One entry of a conversation. Each input, message, tool call and tool result makes one item, at the `seq` of its
 * event.
 */
export interface TranscriptItem {
  readonly seq: number;
  /**
   * Unique within the transcript of a Worker and never changes. The id of an input or of a message is the one that its
   * event names. A tool call and its result have the ids `<call>@<seq>`, because two runs may use the same `call`; to
   * pair a result with its call, compare `run` and the `call` of the parts.
   */
  readonly id: string;
  readonly role: 'user' | 'assistant' | 'system' | 'tool';
  readonly parts: readonly (TextPart | MessagePart | ToolPart)[];
  /** The run that the item belongs to, or null. */
  readonly run: string | null;
  readonly time: string;
  /** Set on a message that is incomplete because its run ended first. */
  readonly partial?: true;
}

/** The types of the events that make an item. A reader of the transcript skips all other lines without parsing them. */
const SPEAKING = new Set<string>(['input.accepted', 'message.completed', 'tool.called', 'tool.finished']);

/** True if a line makes an item. Looks at the beginning of the line only and does not parse it. */
export const speaks = (line: string): boolean => {
  const at = line.indexOf('"type":"');
  return at !== -1 && SPEAKING.has(line.slice(at + 8, line.indexOf('"', at + 8)));
};

/**
 * Converts an event to its transcript item, or returns null for an event that has none. The transcript is this filter
 * over the log, so the two cannot disagree.
 */
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
        id: `${event.data.call}@${seq}`,
        role: 'assistant',
        parts: [{ type: 'tool-call', ...event.data }],
        run,
        time,
      };
    case 'tool.finished':
      return {
        seq,
        id: `${event.data.call}@${seq}`,
        role: 'tool',
        parts: [{ type: 'tool-result', ...event.data }],
        run,
        time,
      };
    default:
      return null;
  }
};
