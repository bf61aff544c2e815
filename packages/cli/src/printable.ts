/**
 * Text from elsewhere without what a terminal would obey: an agent's answer must not move the cursor or set a title.
 * Line breaks and tabs stay. Programs get the text as it is, by `--json`.
 */
export const printable = (text: string): string => text.replace(/[^\P{Cc}\n\t]/gu, '\u{fffd}');

/** The same on one line, for a cell of a table. */
export const printableLine = (text: string): string => printable(text.replace(/\s*\r?\n\s*/g, ' ⏎ '));
