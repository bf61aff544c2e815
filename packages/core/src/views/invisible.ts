/*
 * The characters that a reader does not see, and with which a text is another one than it seems to be. Joiners and places for line breaks
 * are not among them: scripts and emoji need them, and they change nothing but a shape.
 */

/** Embeddings, overrides and isolates change the order of letters. Tags and selectors of variants can carry a whole text, to a program. */
const INVISIBLE =
  /[\u180e\u202a-\u202e\u2060-\u206f\ufff9-\ufffb\u{e0000}-\u{e00ff}\u{e01f0}-\u{e0fff}]|(?<!\p{Script=Han})[\u{e0100}-\u{e01ef}]/gu;

/** Marks of direction, which reorder what is between them. A text with letters of both directions needs them. */
const MARKS = /[\u061c\u200e\u200f]/g;
const RIGHT_TO_LEFT =
  /[\u0590-\u061b\u061d-\u08ff\ufb1d-\ufdff\ufe70-\ufefc\u{10800}-\u{10fff}\u{1e800}-\u{1efff}]/u;

/**
 * Replaces the characters that a reader does not see by what `shown` returns, so that a text shows with all that it has, in the order of its
 * letters, and not as another text.
 */
export const replaceInvisible = (text: string, shown: (character: string) => string): string => {
  const replaced = text.replace(INVISIBLE, shown);
  return RIGHT_TO_LEFT.test(text) ? replaced : replaced.replace(MARKS, shown);
};
