import type { ContentBlock, SessionUpdate } from '@agentclientprotocol/sdk';
import type { EventData, FilePart, Observation, TranscriptItem } from '@worker-runtime/core';
import { Conversation, type TextPiece } from '@worker-runtime/core/views';

type ChunkType = 'agent_message_chunk' | 'agent_thought_chunk' | 'user_message_chunk';

/** Returns a file as content for an editor. */
type BlockOf = (file: FilePart) => Promise<ContentBlock>;

const chunk = (sessionUpdate: ChunkType, messageId: string, content: ContentBlock): SessionUpdate => ({
  sessionUpdate,
  messageId,
  content,
});

const textBlock = (text: string): ContentBlock => ({ type: 'text', text });

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

const finishedUpdate = async (
  { call, output, error, files = [] }: EventData['tool.finished'],
  blockOf: BlockOf,
): Promise<SessionUpdate> => {
  const text = error ?? (typeof output === 'string' ? output : JSON.stringify(output ?? null));
  const blocks = [textBlock(text), ...(await Promise.all(files.map(blockOf)))];
  return {
    sessionUpdate: 'tool_call_update',
    toolCallId: call,
    status: error === undefined ? 'completed' : 'failed',
    content: blocks.map((content) => ({ type: 'content', content })),
    rawOutput: output ?? null,
  };
};

/** Converts the stream of one run to updates for an editor. Each character is sent once, even if the stream repeats it. */
export class WorkerSpeech {
  readonly #conversation = new Conversation({ keptItems: 0 });
  readonly #blockOf: BlockOf;

  constructor(blockOf: BlockOf) {
    this.#blockOf = blockOf;
  }

  async *updates(item: Observation): AsyncGenerator<SessionUpdate> {
    yield* this.#conversation.apply(item).map(textUpdate);
    if (item.type !== 'event') return;
    const { event } = item;
    if (event.type === 'tool.called') yield calledUpdate(event.data);
    else if (event.type === 'tool.finished') yield finishedUpdate(event.data, this.#blockOf);
    else if (event.type === 'message.completed')
      for (const part of event.data.parts)
        if (part.type === 'file' && 'digest' in part)
          yield chunk('agent_message_chunk', event.data.message, await this.#blockOf(part));
  }
}

const textUpdate = ({ partType, message, text }: TextPiece): SessionUpdate =>
  chunk(partType === 'text' ? 'agent_message_chunk' : 'agent_thought_chunk', message, textBlock(text));

/** Converts an item of the transcript to updates, for an editor that loads a session. */
export async function* pastUpdates(
  { id, role, parts }: TranscriptItem,
  blockOf: BlockOf,
): AsyncGenerator<SessionUpdate> {
  const speaker = role === 'assistant' ? 'agent_message_chunk' : 'user_message_chunk';
  for (const part of parts) {
    if (part.type === 'tool-call') yield calledUpdate(part);
    else if (part.type === 'tool-result') yield finishedUpdate(part, blockOf);
    else if (part.type === 'file') {
      if ('digest' in part) yield chunk(speaker, id, await blockOf(part));
    } else if (part.type !== 'run-end' && part.text !== '')
      yield chunk(part.type === 'reasoning' ? 'agent_thought_chunk' : speaker, id, textBlock(part.text));
  }
}
