import type { JsonValue } from '@worker-runtime/core';
import type { Severity } from '@worker-runtime/core/plugin-kit';
import type { LogEntry, LoggedItem, SystemItem } from '../records/log-entry.ts';

/** One item of a pod's conversation, in the order in which the pod committed it. Its text is not redacted yet. */
export type ConversationItem = { readonly ts: number } & (
  | { readonly kind: 'begin'; readonly trigger: string }
  | { readonly kind: 'input'; readonly text: string }
  | { readonly kind: 'message'; readonly type: 'text' | 'reasoning'; readonly text: string }
  | { readonly kind: 'call'; readonly call: string; readonly name: string; readonly input: JsonValue }
  | { readonly kind: 'result'; readonly call: string; readonly text: string; readonly isError: boolean }
  | { readonly kind: 'system'; readonly item: SystemItem }
  | {
      readonly kind: 'usage';
      readonly inputTokens: number;
      readonly outputTokens: number;
      readonly cacheReadTokens: number;
      readonly cacheWriteTokens: number;
    }
  | { readonly kind: 'end'; readonly result: string; readonly message: string }
  | { readonly kind: 'notice'; readonly severity: Severity; readonly code: string; readonly message: string }
);

/** Parses the arguments of a tool call. A model may write text that is not JSON; it is kept as a string. */
const inputOf = (text: string): JsonValue => {
  try {
    return JSON.parse(text) as JsonValue;
  } catch {
    return text;
  }
};

/** Converts a logged item. Returns null for a system prompt, and for reasoning that has no readable text. */
export const conversationItem = (logged: LoggedItem, ts: number): ConversationItem | null => {
  switch (logged.kind) {
    case 'message':
      if (logged.role === 'system') return null;
      return logged.role === 'user'
        ? { ts, kind: 'input', text: logged.text }
        : { ts, kind: 'message', type: 'text', text: logged.text };
    case 'reasoning':
      return logged.text === '' ? null : { ts, kind: 'message', type: 'reasoning', text: logged.text };
    case 'tool_call':
      return { ts, kind: 'call', call: logged.call, name: logged.name, input: inputOf(logged.arguments) };
    case 'tool_result':
      return {
        ts,
        kind: 'result',
        call: logged.call,
        text: logged.content ?? logged.summary,
        isError: logged.isError,
      };
  }
};

/** Converts a log entry. Returns null for an entry that is not part of the conversation. */
const itemOf = (entry: LogEntry): ConversationItem | null => {
  const { ts } = entry;
  switch (entry.kind) {
    case 'invoke':
      return { ts, kind: 'begin', trigger: entry.trigger };
    case 'user_input':
      return { ts, kind: 'input', text: entry.text };
    case 'assistant_item':
    case 'tool_result':
      return conversationItem(entry.item, ts);
    case 'system_item':
      return { ts, kind: 'system', item: entry.item };
    case 'run_completed':
      return { ts, kind: 'end', result: entry.result, message: '' };
    case 'run_errored':
      return { ts, kind: 'end', result: 'errored', message: entry.message };
    case 'paused_turn_abandoned':
      return { ts, kind: 'end', result: 'abandoned', message: '' };
    case 'llm_usage': {
      const { inputTokens, outputTokens, cacheReadTokens, cacheWriteTokens } = entry;
      return { ts, kind: 'usage', inputTokens, outputTokens, cacheReadTokens, cacheWriteTokens };
    }
    default:
      return null;
  }
};

/** Converts log entries to the items of the conversation. */
export const conversationItems = (entries: readonly LogEntry[]): readonly ConversationItem[] =>
  entries.map(itemOf).filter((item) => item !== null);
