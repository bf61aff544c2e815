import type {
  EventType,
  InputPart,
  MessagePart,
  RunError,
  RunOutcome,
  ToolCallDetails,
  WorkerEvent,
} from './event.ts';
import type { FilePart } from './file.ts';
import type { JsonValue } from './json.ts';

/** A tool call or its result, as part of a transcript item. `call` links the two. */
export type ToolPart =
  | (ToolCallDetails & {
      readonly type: 'tool-call';
      readonly call: string;
      readonly name: string;
      readonly input: JsonValue;
      /** Only for engines, see `ToolCall`. */
      readonly opaque?: JsonValue;
    })
  | {
      readonly type: 'tool-result';
      readonly call: string;
      readonly output?: JsonValue;
      readonly error?: string;
      readonly files?: readonly FilePart[];
      readonly truncated?: true;
      readonly denied?: true;
    };

/** The end of a run that did not complete. */
export interface RunEndPart {
  readonly type: 'run-end';
  readonly outcome: Exclude<RunOutcome, 'completed'>;
  readonly error?: RunError;
  readonly reason?: string;
}

/**
 * One entry of a conversation. Each input, message, tool call, tool result, and end of a run that did not complete makes one
 * item, at the `seq` of its event.
 */
export interface TranscriptItem {
  readonly seq: number;
  /**
   * Unique within the transcript of a Worker and never changes. The id of an input or of a message is the one that its
   * event names. A tool call and its result have the ids `<call>@<seq>`, because two runs may use the same `call`; to
   * pair a result with its call, compare `run` and the `call` of the parts. The end of a run has the id `<run>@<seq>`.
   */
  readonly id: string;
  readonly role: 'user' | 'assistant' | 'system' | 'tool';
  readonly parts: readonly (InputPart | MessagePart | ToolPart | RunEndPart)[];
  /** The run that the item belongs to, or null. */
  readonly run: string | null;
  readonly time: string;
  /** Set on a message that is incomplete because its run ended first. */
  readonly partial?: true;
  /** The id that the caller's own system has for an input. */
  readonly messageId?: string;
  /** The caller that sent an input or cancelled a run; see `input.accepted`. Engines do not get it. */
  readonly actor?: string;
}

/** The types of the events that make an item. A reader of the transcript skips all other lines without parsing them. */
export const SPEAKING_TYPES: ReadonlySet<string> = new Set<EventType>([
  'input.accepted',
  'message.completed',
  'tool.called',
  'tool.finished',
  'run.finished',
]);

/** Returns a part as transcripts show it: without the data that only its engine understands. */
const shown = <P extends MessagePart | Extract<ToolPart, { readonly type: 'tool-call' }>>(part: P): P => {
  if (!('opaque' in part)) return part;
  const { opaque: _, ...rest } = part;
  return rest as unknown as P;
};

/**
 * Converts an event to its transcript item, or returns null for an event that has none. The transcript is this filter
 * over the log, so the two cannot disagree. With `forEngine` the items are those of `EngineContext.history`: they have the opaque
 * data of the engine, and no ends of runs.
 */
export const transcriptItem = (event: WorkerEvent, forEngine = false): TranscriptItem | null => {
  const { seq, time } = event;
  const run = event.run ?? null;
  switch (event.type) {
    case 'input.accepted': {
      const { input: id, role, parts, messageId, actor } = event.data;
      return {
        seq,
        id,
        role,
        parts,
        run,
        time,
        ...(messageId !== undefined && { messageId }),
        ...(actor !== undefined && !forEngine && { actor }),
      };
    }
    case 'message.completed': {
      const { message: id, parts: all, partial } = event.data;
      const parts = forEngine ? all : all.map(shown);
      // a part without text was completed only for the opaque data that it carries
      const visible = forEngine ? parts : parts.filter((part) => part.type === 'file' || part.text !== '');
      if (visible.length === 0) return null;
      return { seq, id, role: 'assistant', parts: visible, run, time, ...(partial && { partial }) };
    }
    case 'tool.called': {
      const { step: _, ...data } = event.data;
      const part = { type: 'tool-call', ...data } as const;
      const id = `${data.call}@${seq}`;
      return { seq, id, role: 'assistant', parts: [forEngine ? part : shown(part)], run, time };
    }
    case 'tool.finished':
      return {
        seq,
        id: `${event.data.call}@${seq}`,
        role: 'tool',
        parts: [{ type: 'tool-result', ...event.data }],
        run,
        time,
      };
    case 'run.finished': {
      const { outcome, error, reason, actor } = event.data;
      // an engine has the end of its runs from the runtime, and a conversation with a model has no words for it
      if (outcome === 'completed' || forEngine) return null;
      const part = {
        type: 'run-end',
        outcome,
        ...(error && { error }),
        ...(reason !== undefined && { reason }),
      } as const;
      return {
        seq,
        id: `${run}@${seq}`,
        role: 'system',
        parts: [part],
        run,
        time,
        ...(actor !== undefined && { actor }),
      };
    }
    default:
      return null;
  }
};
