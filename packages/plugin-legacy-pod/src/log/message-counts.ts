import type { ConversationItem } from './conversation-item.ts';

/** A number of blocks of text, by type. */
export interface MessageCounts {
  readonly text: number;
  readonly reasoning: number;
}

export const NO_MESSAGES: MessageCounts = { text: 0, reasoning: 0 };

export const countMessages = (items: readonly ConversationItem[]): MessageCounts => {
  const counts = { text: 0, reasoning: 0 };
  for (const item of items) if (item.kind === 'message') counts[item.type] += 1;
  return counts;
};

export const plus = (a: MessageCounts, b: MessageCounts): MessageCounts => ({
  text: a.text + b.text,
  reasoning: a.reasoning + b.reasoning,
});

export const minus = (a: MessageCounts, b: MessageCounts): MessageCounts => ({
  text: a.text - b.text,
  reasoning: a.reasoning - b.reasoning,
});
