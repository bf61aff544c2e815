/**
 * Replaces the control characters in text from outside, because a terminal would obey them: the answer of an agent must
 * not move the cursor or set a title. Line breaks and tabs stay. With `--json`, programs get the text unchanged.
 */
export const printable = (text: string): string => text.replace(/[^\P{Cc}\n\t]/gu, '\u{fffd}');

/** Does the same and puts the text on one line, for a cell of a table. */
export const printableLine = (text: string): string => printable(text.replace(/\s*\r?\n\s*/g, ' ⏎ '));
