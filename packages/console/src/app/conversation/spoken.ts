import type { Block } from '@worker-runtime/core/views';
import { inOrder } from '../parts/in-order.ts';

/** A longer message is announced in part: its reader finds it in the conversation. */
const SPOKEN_CHARS = 400;

const OUTCOMES = {
  completed: null,
  failed: 'failed',
  cancelled: 'was cancelled',
  interrupted: 'was interrupted',
} as const;

/** Returns the text with which a new block of a conversation is announced, or null. A request is announced on all pages. */
export const spokenOf = (block: Block): string | null => {
  if (block.kind === 'run-end') {
    const outcome = OUTCOMES[block.outcome];
    return outcome && `The run ${outcome}`;
  }
  if (block.kind !== 'message') return null;
  const text = block.parts
    .map((part) => (part.type === 'text' ? part.text : ''))
    .join('\n')
    .trim();
  if (text === '') return null;
  return inOrder(text.length > SPOKEN_CHARS ? `${text.slice(0, SPOKEN_CHARS)}…` : text);
};
