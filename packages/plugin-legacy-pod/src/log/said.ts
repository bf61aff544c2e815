import type { JsonValue, Severity } from '@worker-runtime/core';
import type { LogEntry, LoggedItem, SystemItem } from '../records/log-entry.ts';

/** One thing of a conversation, in the order in which the pod committed it. Not redacted yet. */
export type Said = { readonly ts: number } & (
  | { readonly what: 'begin'; readonly trigger: string }
  | { readonly what: 'input'; readonly text: string }
  | { readonly what: 'message'; readonly type: 'text' | 'reasoning'; readonly text: string }
  | { readonly what: 'call'; readonly call: string; readonly name: string; readonly input: JsonValue }
  | { readonly what: 'result'; readonly call: string; readonly text: string; readonly isError: boolean }
  | { readonly what: 'system'; readonly item: SystemItem }
  | {
      readonly what: 'usage';
      readonly inputTokens: number;
      readonly outputTokens: number;
      readonly cacheReadTokens: number;
      readonly cacheWriteTokens: number;
    }
  | { readonly what: 'end'; readonly result: string; readonly message: string }
  | { readonly what: 'notice'; readonly severity: Severity; readonly code: string; readonly message: string }
);

/** Arguments are JSON, or what a model wrote instead. */
const inputOf = (text: string): JsonValue => {
  try {
    return JSON.parse(text) as JsonValue;
  } catch {
    return text;
  }
};

/** What an item says. Null for a system prompt, and for reasoning that is kept encrypted alone. */
export const saidItem = (item: LoggedItem, ts: number): Said | null => {
  switch (item.kind) {
    case 'message':
      if (item.role === 'system') return null;
      return item.role === 'user'
        ? { ts, what: 'input', text: item.text }
        : { ts, what: 'message', type: 'text', text: item.text };
    case 'reasoning':
      return item.text === '' ? null : { ts, what: 'message', type: 'reasoning', text: item.text };
    case 'tool_call':
      return { ts, what: 'call', call: item.call, name: item.name, input: inputOf(item.arguments) };
    case 'tool_result':
      return {
        ts,
        what: 'result',
        call: item.call,
        text: item.content ?? item.summary,
        isError: item.isError,
      };
  }
};

/** What an entry says to people, or null. */
const saidEntry = (entry: LogEntry): Said | null => {
  const { ts } = entry;
  switch (entry.kind) {
    case 'invoke':
      return { ts, what: 'begin', trigger: entry.trigger };
    case 'user_input':
      return { ts, what: 'input', text: entry.text };
    case 'assistant_item':
    case 'tool_result':
      return saidItem(entry.item, ts);
    case 'system_item':
      return { ts, what: 'system', item: entry.item };
    case 'run_completed':
      return { ts, what: 'end', result: entry.result, message: '' };
    case 'run_errored':
      return { ts, what: 'end', result: 'errored', message: entry.message };
    case 'paused_turn_abandoned':
      return { ts, what: 'end', result: 'abandoned', message: '' };
    case 'llm_usage': {
      const { inputTokens, outputTokens, cacheReadTokens, cacheWriteTokens } = entry;
      return { ts, what: 'usage', inputTokens, outputTokens, cacheReadTokens, cacheWriteTokens };
    }
    default:
      return null;
  }
};

export const saidEntries = (entries: readonly LogEntry[]): readonly Said[] =>
  entries.map(saidEntry).filter((said) => said !== null);
