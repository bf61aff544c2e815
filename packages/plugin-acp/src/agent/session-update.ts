import { fileInBlock, isObject, type MadeFile } from '@worker-runtime/core/plugin-kit';
import { blockText, type CallUpdate, parseCall } from './call-update.ts';

/** Returns the files of an update, which have to be stored before it is translated. */
export const filesOf = (update: SessionUpdate): readonly MadeFile[] => {
  if (update.type === 'file') return [update.file];
  return update.type === 'call' ? update.call.files : [];
};

/** A session update that says something about a run. */
export type SessionUpdate =
  | {
      readonly type: 'text' | 'reasoning';
      readonly text: string;
      readonly messageId: string | null;
    }
  /** A file of a message, and the text that stands for it if it is not stored. */
  | { readonly type: 'file'; readonly file: MadeFile; readonly text: string }
  /** `begins` is true for the first report of a call. */
  | { readonly type: 'call'; readonly call: CallUpdate; readonly begins: boolean }
  | { readonly type: 'plan'; readonly text: string };

const CHECKBOXES: Readonly<Record<string, string>> = { completed: '[x]', in_progress: '[>]' };

const planText = (entries: unknown): string | null => {
  if (!Array.isArray(entries)) return null;
  const lines = entries.flatMap((entry) =>
    isObject(entry) && typeof entry.content === 'string'
      ? [`${CHECKBOXES[String(entry.status)] ?? '[ ]'} ${entry.content}`]
      : [],
  );
  return lines.length > 0 || entries.length === 0 ? lines.join('\n') : null;
};

/**
 * Reads a session update. Returns `ignored` for one that says nothing about a run, such as the list of the agent's
 * commands, and `malformed` for one whose shape is not that of its kind.
 */
export const parseUpdate = (update: unknown): SessionUpdate | 'ignored' | 'malformed' => {
  if (!isObject(update) || typeof update.sessionUpdate !== 'string') return 'malformed';
  switch (update.sessionUpdate) {
    case 'agent_message_chunk':
    case 'agent_thought_chunk': {
      const text = blockText(update.content);
      if (text === null) return 'malformed';
      const { messageId } = update;
      const file = update.sessionUpdate === 'agent_message_chunk' ? fileInBlock(update.content) : null;
      if (file !== null) return { type: 'file', file, text };
      return {
        type: update.sessionUpdate === 'agent_message_chunk' ? 'text' : 'reasoning',
        text,
        messageId: typeof messageId === 'string' ? messageId : null,
      };
    }
    case 'tool_call':
    case 'tool_call_update': {
      const call = parseCall(update);
      return call === null
        ? 'malformed'
        : { type: 'call', call, begins: update.sessionUpdate === 'tool_call' };
    }
    case 'plan': {
      const text = planText(update.entries);
      return text === null ? 'malformed' : { type: 'plan', text };
    }
    default:
      return 'ignored';
  }
};
