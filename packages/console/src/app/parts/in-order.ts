import { replaceReordering } from '@worker-runtime/core/views';

/** Returns a text that is shown in the order of its letters: what would change the order is shown as an escape, such as \\u202e. */
export const inOrder = (text: string): string =>
  replaceReordering(text, (character) => `\\u${character.charCodeAt(0).toString(16)}`);
