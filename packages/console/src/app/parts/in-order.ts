import { replaceInvisible } from '@worker-runtime/core/views';

/** A control character that a browser shows as nothing. Tabs and the ends of lines are not among them. */
const CONTROL = /[^\P{Cc}\t\n\r]/gu;

const escaped = (character: string): string => {
  const code = (character.codePointAt(0) ?? 0).toString(16).padStart(4, '0');
  return code.length > 4 ? `\\u{${code}}` : `\\u${code}`;
};

/** Returns a text that shows with all of its characters, in their order: one that a reader would not see is an escape, such as \\u202e. */
export const inOrder = (text: string): string => replaceInvisible(text, escaped).replace(CONTROL, escaped);
