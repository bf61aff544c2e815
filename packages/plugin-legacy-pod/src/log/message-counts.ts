import type { Said } from './said.ts';

/** How many blocks of text there are, by type. */
export interface MessageCounts {
  readonly text: number;
  readonly reasoning: number;
}

export const NO_MESSAGES: MessageCounts = { text: 0, reasoning: 0 };

export const countMessages = (said: readonly Said[]): MessageCounts => {
  const counts = { text: 0, reasoning: 0 };
  for (const one of said) if (one.what === 'message') counts[one.type] += 1;
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
