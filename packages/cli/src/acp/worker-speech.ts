import type { SessionUpdate } from '@agentclientprotocol/sdk';
import type { Observation, TranscriptItem, WorkerEvent } from '@worker-runtime/core';

type ChunkType = 'agent_message_chunk' | 'agent_thought_chunk' | 'user_message_chunk';

const chunk = (sessionUpdate: ChunkType, messageId: string, text: string): SessionUpdate => ({
  sessionUpdate,
  messageId,
  content: { type: 'text', text },
});

const calledUpdate = (call: string, name: string, rawInput: unknown): SessionUpdate => ({
  sessionUpdate: 'tool_call',
  toolCallId: call,
  title: name,
  kind: 'other',
  status: 'in_progress',
  rawInput,
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
  /** The number of characters sent of each part. */
  readonly #sent = new Map<string, number>();

  updates(item: Observation): readonly SessionUpdate[] {
    switch (item.type) {
      case 'delta':
        return this.#part(item.message, item.part, item.partType, item.text, item.offset);
      case 'in-flight':
        return item.messages.flatMap(({ message, parts }) =>
          parts.flatMap(({ id, type, text }) => this.#part(message, id, type, text, 0)),
        );
      case 'event':
        return this.#event(item.event);
      default:
        return [];
    }
  }

  #event(event: WorkerEvent): readonly SessionUpdate[] {
    switch (event.type) {
      case 'message.completed':
        return event.data.parts.flatMap((part) =>
          part.type === 'file' ? [] : this.#part(event.data.message, part.id, part.type, part.text, 0),
        );
      case 'tool.called':
        return [calledUpdate(event.data.call, event.data.name, event.data.input)];
      case 'tool.finished':
        return [finishedUpdate(event.data.call, event.data.output, event.data.error)];
      default:
        return [];
    }
  }

  #part(
    message: string,
    part: string,
    type: 'text' | 'reasoning',
    text: string,
    offset: number,
  ): readonly SessionUpdate[] {
    const sent = this.#sent.get(part) ?? 0;
    const rest = text.slice(Math.max(0, sent - offset));
    if (rest === '') return [];
    this.#sent.set(part, Math.max(sent, offset + text.length));
    return [chunk(type === 'text' ? 'agent_message_chunk' : 'agent_thought_chunk', message, rest)];
  }
}

/** Converts an item of the transcript to updates, for an editor that loads a session. */
export const pastUpdates = ({ id, role, parts }: TranscriptItem): readonly SessionUpdate[] =>
  parts.flatMap((part) => {
    if (part.type === 'tool-call') return [calledUpdate(part.call, part.name, part.input)];
    if (part.type === 'tool-result') return [finishedUpdate(part.call, part.output, part.error)];
    if (part.type === 'file' || part.text === '') return [];
    if (part.type === 'reasoning') return [chunk('agent_thought_chunk', id, part.text)];
    return [chunk(role === 'assistant' ? 'agent_message_chunk' : 'user_message_chunk', id, part.text)];
  });
