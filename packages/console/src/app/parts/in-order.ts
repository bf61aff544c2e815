/**
 * The characters that change the order in which the letters behind them are shown: embeddings, overrides and isolates. With them a text
 * shows as another one than it is.
 */
const REORDERING = /[\u202a-\u202e\u2066-\u2069]/g;

/** Returns a text that is shown in the order of its letters: what would change the order is shown as an escape, such as \\u202e. */
export const inOrder = (text: string): string =>
  text.replace(REORDERING, (character) => `\\u${character.charCodeAt(0).toString(16)}`);
