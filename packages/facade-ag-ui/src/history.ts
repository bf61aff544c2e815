import type { JsonObject } from '@worker-runtime/core';
import type { LogEnd } from '@worker-runtime/core/plugin-kit';
import { type Block, type CallBlock, Conversation, type InputBlock } from '@worker-runtime/core/views';
import type { AgUiMessage } from './ag-ui-event.ts';
import { FILE_ACTIVITY, fileOf, resultOf, toolCallIdOf } from './tool-call.ts';

/** Returns the id with which clients know an input. */
export const inputIdOf = ({ sentAs, key }: Pick<InputBlock, 'sentAs' | 'key'>): string => sentAs ?? key;

const contentOf = (parts: InputBlock['parts']): readonly JsonObject[] =>
  parts.flatMap((part): readonly JsonObject[] => {
    if (part.type === 'text') return [{ type: 'text', text: part.text }];
    if (part.type !== 'file' || !('digest' in part)) return [];
    const [kind = ''] = part.mediaType.split('/');
    const type = ['image', 'audio', 'video'].includes(kind) ? kind : 'document';
    return [{ type, source: { type: 'file', value: part.digest, mimeType: part.mediaType } }];
  });

const inputMessageOf = (block: InputBlock): AgUiMessage => {
  const id = inputIdOf(block);
  const content = contentOf(block.parts);
  const text = content.map((part) => (typeof part.text === 'string' ? part.text : '')).join('');
  if (block.role === 'system') return { id, role: 'system', content: text };
  const isText = content.length === 1 && content[0]?.type === 'text';
  return { id, role: 'user', content: isText ? text : content };
};

const callMessagesOf = ({ run, call, result }: CallBlock): readonly AgUiMessage[] => {
  const id = toolCallIdOf(run, call.call);
  const made: AgUiMessage = {
    id,
    role: 'assistant',
    toolCalls: [
      {
        id,
        type: 'function',
        function: { name: call.name, arguments: JSON.stringify(call.input) },
        ...(call.title !== undefined && { metadata: { title: call.title } }),
      },
    ],
  };
  return result === null ? [made] : [made, { role: 'tool', ...resultOf(id, result) }];
};

const messagesOfBlock = (block: Block): readonly AgUiMessage[] => {
  switch (block.kind) {
    case 'input':
      return [inputMessageOf(block)];
    case 'call':
      return callMessagesOf(block);
    case 'message':
      return block.parts.flatMap((part): readonly AgUiMessage[] => {
        if (part.type !== 'file')
          return part.text === ''
            ? []
            : [{ id: part.id, role: part.type === 'text' ? 'assistant' : 'reasoning', content: part.text }];
        return 'digest' in part
          ? [{ id: part.id, role: 'activity', activityType: FILE_ACTIVITY, content: fileOf(part) }]
          : [];
      });
    default:
      return [];
  }
};

/** Returns the blocks of a conversation. What comes before the first input belongs to a run whose beginning was not read. */
export const blocksOf = ({ events, isAll }: LogEnd): readonly Block[] => {
  const { blocks } = new Conversation({ keptItems: 0, events });
  const first = isAll ? 0 : blocks.findIndex(({ kind }) => kind === 'input');
  return first === -1 ? [] : blocks.slice(first);
};

/** Returns the messages that a log has. */
export const messagesOfLog = (end: LogEnd): readonly AgUiMessage[] => blocksOf(end).flatMap(messagesOfBlock);

/**
 * Returns the first messages, up to where the order of a client differs; null if it does not. A client keeps the order of the messages that
 * it holds already, and appends the others. So it gets these alone first, and then all.
 */
export const messagesInOrder = (
  messages: readonly AgUiMessage[],
  held: readonly string[],
): readonly AgUiMessage[] | null => {
  let at = 0;
  // clients do not send activities
  const end = messages.findIndex(({ id, role }) => role !== 'activity' && id !== held[at++]);
  if (end === -1) return null;
  const later = new Set(messages.slice(end).map(({ id }) => id));
  return held.slice(at - 1).some((id) => later.has(id)) ? messages.slice(0, end) : null;
};
