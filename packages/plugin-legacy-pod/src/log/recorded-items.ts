import type { TranscriptItem } from '@worker-runtime/core';
import type { ConversationItem } from './conversation-item.ts';
import type { PodRedactor } from './pod-redactor.ts';

/** Enough characters to tell one text from another. */
const KEY_CHARS = 400;
/** The difference that is allowed between the clock readings of two processes on one machine. */
const SKEW_MS = 2_000;

const textKey = (kind: string, text: string, redactor: PodRedactor): string =>
  `${kind} ${redactor.text(text.slice(0, KEY_CHARS * 10)).slice(0, KEY_CHARS)}`;

const keyOf = (item: ConversationItem, redactor: PodRedactor): string | null => {
  switch (item.kind) {
    case 'input':
      return textKey('input', item.text, redactor);
    case 'message':
      return textKey(item.type, item.text, redactor);
    case 'call':
    case 'result':
      return `${item.kind} ${item.call}`;
    // A notification can begin a run. The transcript then has it as the input of that run.
    case 'system':
      return item.item.kind === 'notification' ? textKey('input', item.item.message, redactor) : null;
    default:
      return null;
  }
};

const keysOf = (item: TranscriptItem, redactor: PodRedactor): readonly string[] =>
  item.parts.flatMap((part) => {
    switch (part.type) {
      case 'tool-call':
        return [`call ${part.call}`];
      case 'tool-result':
        return [`result ${part.call}`];
      case 'text':
      case 'reasoning':
        return [textKey(item.role === 'assistant' ? part.type : 'input', part.text, redactor)];
      default:
        return [];
    }
  });

/**
 * Counts how many items of a pod's conversation the Worker's own log holds already. Only that log remembers what was
 * recorded, so an item is never recorded twice, whichever process was killed. The pod wrote each item before it was
 * recorded; this tells equal texts apart.
 */
export const countRecordedItems = async (
  conversation: readonly ConversationItem[],
  history: AsyncIterable<TranscriptItem>,
  redactor: PodRedactor,
): Promise<number> => {
  const indexes = new Map<string, number[]>();
  for (const [at, item] of conversation.entries()) {
    const key = keyOf(item, redactor);
    if (key === null) continue;
    const known = indexes.get(key);
    if (known) known.push(at);
    else indexes.set(key, [at]);
  }
  let count = 0;
  for await (const item of history) {
    const time = Date.parse(item.time) + SKEW_MS;
    for (const key of keysOf(item, redactor)) {
      const found = indexes.get(key)?.find((at) => at >= count && (conversation[at]?.ts ?? 0) <= time);
      if (found !== undefined) count = found + 1;
    }
  }
  // An item that leaves no trace in the transcript belongs to the item before it.
  while (count > 0 && count < conversation.length) {
    const next = conversation[count] as ConversationItem;
    if (next.kind === 'begin' || keyOf(next, redactor) !== null) break;
    count += 1;
  }
  return count;
};
