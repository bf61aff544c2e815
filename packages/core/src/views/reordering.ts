/** The characters that change the order in which the letters behind them are shown: embeddings, overrides and isolates. */
const REORDERING = /[\u202a-\u202e\u2066-\u2069]/g;

/**
 * Replaces the characters that change the order of letters by what `shown` returns, so that a text shows in the order of its letters, and not
 * as another text.
 */
export const replaceReordering = (text: string, shown: (character: string) => string): string =>
  text.replace(REORDERING, shown);
