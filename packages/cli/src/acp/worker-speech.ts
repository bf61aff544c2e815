import type { SessionUpdate } from '@agentclientprotocol/sdk';
import type { EventData, Observation, TranscriptItem, WorkerEvent } from '@worker-runtime/core';
import { Conversation, type TextPiece } from '@worker-runtime/core/views';

type ChunkType = 'agent_message_chunk' | 'agent_thought_chunk' | 'user_message_chunk';

const chunk = (sessionUpdate: ChunkType, messageId: string, text: string): SessionUpdate => ({
  sessionUpdate,
  messageId,
  content: { type: 'text', text },
});

const calledUpdate = ({
  call,
  name,
  title = name,
  kind = 'other',
  locations = [],
  input,
}: Omit<EventData['tool.called'], 'opaque'>): SessionUpdate => ({
  sessionUpdate: 'tool_call',
  toolCallId: call,
  name,
  title,
  kind,
  status: 'in_progress',
  locations: [...locations],
  rawInput: input,
});

const finishedUpdate = (call: string, output: unknown, error: string | undefined): SessionUpdate => ({
  sessionUpdate: 'tool_call_update',
  toolCallId: call,
  status: error === undefined ? 'completed' : 'failed',
  content: [
    {
      type: 'content',
      content: {
        type: 'text',
        text: error ?? (typeof output === 'string' ? output : JSON.stringify(output ?? null)),
      },
    },
  ],
  rawOutput: output ?? null,
});

/** Converts the stream of one run to updates for an editor. Each character is sent once, even if the stream repeats it. */
export class WorkerSpeech {
  readonly #conversation = new Conversation({ keptItems: 0 });

  updates(item: Observation): readonly SessionUpdate[] {
    const texts = this.#conversation.apply(item).map(textUpdate);
    return item.type === 'event' ? [...texts, ...toolUpdates(item.event)] : texts;
  }
}

const textUpdate = ({ partType, message, text }: TextPiece): SessionUpdate =>
  chunk(partType === 'text' ? 'agent_message_chunk' : 'agent_thought_chunk', message, text);

const toolUpdates = (event: WorkerEvent): readonly SessionUpdate[] => {
  switch (event.type) {
    case 'tool.called':
      return [calledUpdate(event.data)];
    case 'tool.finished':
      return [finishedUpdate(event.data.call, event.data.output, event.data.error)];
    default:
      return [];
  }
};

/** Converts an item of the transcript to updates, for an editor that loads a session. */
export const pastUpdates = ({ id, role, parts }: TranscriptItem): readonly SessionUpdate[] =>
  parts.flatMap((part) => {
    if (part.type === 'tool-call') return [calledUpdate(part)];
    if (part.type === 'tool-result') return [finishedUpdate(part.call, part.output, part.error)];
    if (part.type === 'file' || part.type === 'run-end' || part.text === '') return [];
    if (part.type === 'reasoning') return [chunk('agent_thought_chunk', id, part.text)];
    return [chunk(role === 'assistant' ? 'agent_message_chunk' : 'user_message_chunk', id, part.text)];
  });
